/** Building elements. Text only ever becomes text: nothing here, nor anywhere else, parses HTML. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties] `class`, `data-*`, `aria-*` and `role` are attributes, `onX` listeners,
 *   the rest properties; null and undefined are left out.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) setProperty(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {any} value
 */
function setProperty(element, name, value) {
  if (value === null || value === undefined) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "class" || name === "role" || name === "for" || name === "list" || name.includes("-")) {
    element.setAttribute(name, String(value));
  } else Object.assign(element, { [name]: value });
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  const wanted = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  return wanted.map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * One of the icons that index.html defines.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const use = svg("use", { href: `#icon-${name}` });
  return /** @type {SVGSVGElement} */ (svg("svg", { class: "icon", "aria-hidden": "true" }, use));
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * An element of the page that must be there.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element #${id}`);
  return /** @type {T} */ (element);
}

/**
 * Puts other children into a frame. Where the reader was in it, by `data-focus`, there the reader stays.
 *
 * @param {HTMLElement} frame
 * @param {(Child | Child[])[]} children
 */
export function redraw(frame, ...children) {
  const active = document.activeElement;
  const place = frame.contains(active) ? active?.getAttribute("data-focus") : null;
  frame.replaceChildren(...nodes(children));
  if (!place) return;
  const same = frame.querySelector(`[data-focus="${CSS.escape(place)}"]`);
  if (same instanceof HTMLElement) same.focus({ preventScroll: true });
}

/**
 * @param {number} count
 * @param {string} noun
 * @returns {string}
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
