/** A hit as a card. */

import { codeTokens, isCode } from "./code.js";
import { h, icon } from "./dom.js";
import { isWanted } from "./filters.js";
import { dressed, marks } from "./highlight.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Scalar} Scalar */
/** @typedef {import("./types.js").Comparison} Comparison */

/**
 * What all cards of one list share.
 * @typedef {object} CardForm
 * @property {RegExp | null} pattern Words to mark.
 * @property {readonly Comparison[]} filters
 * @property {(added: Comparison) => void} onFilter
 * @property {Set<string>} unfolded Ids of hits whose text is shown whole; kept from list to list.
 * @property {(hit: Hit) => Node | null} badge
 */

const MOST_CHIPS = 8;
const LONGEST_VALUE = 48;

/**
 * @param {Hit} hit
 * @param {CardForm} form
 * @returns {HTMLLIElement}
 */
export function hitCard(hit, form) {
  const name = hit.title || hit.id;
  return h(
    "li",
    { class: "hit", tabIndex: -1, "data-id": hit.id, "data-rank": hit.rank, "aria-label": `${hit.rank}. ${name}` },
    h("span", { class: "hit-rank", "aria-hidden": "true" }, hit.rank),
    h(
      "div",
      { class: "hit-body" },
      h("div", { class: "hit-head" }, heading(hit, form), form.badge(hit), score(hit)),
      hit.text ? excerpt(hit, form) : null,
      chips(hit, form),
    ),
  );
}

/**
 * @param {Hit} hit
 * @param {CardForm} form
 * @returns {HTMLElement}
 */
function heading(hit, form) {
  const name = hit.title || hit.id;
  return h(
    "div",
    { class: "hit-names" },
    h("h3", { class: "hit-title" }, ...breakable(dressed(name, [], marks(form.pattern, name)))),
    hit.title && hit.title !== hit.id ? h("span", { class: "hit-id" }, hit.id) : null,
  );
}

/**
 * @param {(Node | string)[]} pieces
 * @returns {(Node | string)[]} The same, with places where a long name may go on in the next line.
 */
function breakable(pieces) {
  return pieces.flatMap((piece) => (typeof piece === "string" ? parts(piece) : [piece]));
}

/**
 * @param {string} name
 * @returns {(Node | string)[]}
 */
function parts(name) {
  return name.split(/(?<=[.:/_])/).flatMap((part) => (/[.:/_]$/.test(part) ? [part, h("wbr")] : [part]));
}

/**
 * @param {Hit} hit
 * @returns {HTMLElement}
 */
function score(hit) {
  const bar = h("span", { class: "score-fill" });
  bar.style.width = `${Math.max(0, Math.min(1, hit.score)) * 100}%`;
  const retrieved = hit.retrieval_score === undefined ? "" : `, before reranking ${hit.retrieval_score.toFixed(3)}`;
  return h(
    "span",
    { class: "score", title: `Score ${hit.score}${retrieved}` },
    h("span", { class: "score-bar", "aria-hidden": "true" }, bar),
    h("span", { class: "visually-hidden" }, "score "),
    h("span", { class: "score-value" }, hit.score.toFixed(3)),
  );
}

/**
 * @param {Hit} hit
 * @param {CardForm} form
 * @returns {HTMLElement}
 */
function excerpt(hit, form) {
  const text = hit.text ?? "";
  const code = isCode(hit);
  const pieces = dressed(text, code ? codeTokens(text) : [], marks(form.pattern, text));
  const body = code ? h("pre", { class: "excerpt code" }, h("code", {}, ...pieces)) : h("p", { class: "excerpt" }, ...pieces);
  const button = h("button", { type: "button", class: "unfold", hidden: true, onclick: () => unfold(!form.unfolded.has(hit.id)) });
  const block = h("div", { class: "excerpt-block" }, body, button);

  /** @param {boolean} whole */
  function unfold(whole) {
    form.unfolded[whole ? "add" : "delete"](hit.id);
    block.classList.toggle("whole", whole);
    button.textContent = whole ? "Show less" : "Show more";
    button.setAttribute("aria-expanded", String(whole));
    if (whole) button.hidden = false;
  }
  unfold(form.unfolded.has(hit.id));
  return block;
}

/**
 * Shows the "Show more" of each card whose text is cut, which is known only once the cards are laid out, or whose
 * chips are put away, as in compare mode.
 *
 * @param {HTMLElement} list
 */
export function offerUnfolding(list) {
  const blocks = [...list.querySelectorAll(".excerpt-block:not(.whole)")];
  const compact = list.closest(".compare") !== null;
  const cut = blocks.map((block) => block.children[0].scrollHeight > block.children[0].clientHeight + 2);
  blocks.forEach((block, n) => {
    const hidesChips = compact && block.parentElement?.querySelector(".chips") !== null;
    /** @type {HTMLElement} */ (block.children[1]).hidden = !cut[n] && !hidesChips;
    block.classList.toggle("cut", cut[n]);
  });
}

/**
 * @param {Hit} hit
 * @param {CardForm} form
 * @returns {HTMLElement | null}
 */
function chips(hit, form) {
  const pairs = Object.entries(hit.metadata ?? {}).flatMap(([key, value]) => flat(key, value));
  if (pairs.length === 0) return null;
  const shown = pairs.slice(0, MOST_CHIPS).map(([key, value]) => chip(key, value, form));
  const rest = pairs.slice(MOST_CHIPS);
  const more = h("button", { type: "button", class: "chip more", onclick: unroll }, `+${rest.length}`);

  function unroll() {
    more.replaceWith(...rest.map(([key, value]) => chip(key, value, form)));
  }
  return h("div", { class: "chips" }, shown, rest.length ? more : null);
}

/**
 * @param {string} key
 * @param {unknown} value
 * @returns {[string, unknown][]} Lists value by value; nothing for null.
 */
function flat(key, value) {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? value.map((one) => [key, one]) : [[key, value]];
}

/**
 * @param {string} key
 * @param {unknown} value
 * @param {CardForm} form
 * @returns {HTMLElement} A button where the value can be filtered by.
 */
function chip(key, value, form) {
  const isScalar = ["string", "number", "boolean"].includes(typeof value);
  const text = isScalar ? String(value) : JSON.stringify(value);
  const cut = text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
  const inner = [h("span", { class: "chip-key" }, key), h("span", { class: "chip-value" }, cut)];
  if (!isScalar) return h("span", { class: "chip", title: text }, ...inner);
  const scalar = /** @type {Scalar} */ (value);
  const wanted = isWanted(form.filters, key, scalar);
  const title = wanted ? `Filtered by ${key}: ${text}` : `Only ${key}: ${text}`;
  const attributes = { type: "button", class: "chip", title, disabled: wanted };
  return h(
    "button",
    { ...attributes, onclick: () => form.onFilter({ type: "eq", key, value: scalar }) },
    ...inner,
    wanted ? icon("check") : null,
  );
}
