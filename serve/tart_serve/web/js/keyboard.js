/** Keys. Single letters work wherever the reader does not type. */

/** @typedef {Record<string, (event: KeyboardEvent) => void>} Bindings */

/** @param {Bindings} bindings By the key's name. */
export function bindKeys(bindings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") return leaveField(event);
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const action = bindings[event.key];
    if (action) action(event);
  });
}

/** @param {KeyboardEvent} event */
function leaveField(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.target instanceof HTMLElement && isTyping(event.target)) {
    event.preventDefault();
    event.target.blur();
  }
}

/**
 * @param {EventTarget | null} target
 * @returns {boolean}
 */
function isTyping(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/**
 * Moves to the next hit, or the one before; to the first one where none has the focus.
 *
 * @param {KeyboardEvent} event
 * @param {1 | -1} step
 */
export function moveToHit(event, step) {
  const current = document.activeElement?.closest(".hit");
  const list = current?.parentElement ?? document.querySelector(".hits");
  const cards = [...(list?.children ?? [])];
  const next = cards[current ? cards.indexOf(current) + step : 0];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}

/**
 * Moves to the other column: to the same document where it is there, else to the same place.
 *
 * @param {KeyboardEvent} event
 * @param {"left" | "right"} side
 */
export function moveToColumn(event, side) {
  const current = document.activeElement?.closest(".hit");
  const list = document.querySelector(`.column-${side}:not([hidden]) .hits`);
  if (!current || !list || list.contains(current)) return;
  const cards = [...list.children];
  const same = cards.find((card) => card.getAttribute("data-id") === current.getAttribute("data-id"));
  const place = [...(current.parentElement?.children ?? [])].indexOf(current);
  const next = same ?? cards[Math.min(place, cards.length - 1)];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}

/** Shows the whole text of the hit in focus, or cuts it again. */
export function unfoldHit() {
  const card = document.activeElement;
  const button = card?.classList.contains("hit") ? card.querySelector(".unfold:not([hidden])") : null;
  if (button instanceof HTMLElement) button.click();
}
