/** The filters that are set, as chips: a click turns one round, its cross takes it away. */

import { byId, h, icon, redraw } from "./dom.js";
import { isBound, withoutComparison } from "./filters.js";

/** @typedef {import("./types.js").Comparison} Comparison */

const SIGNS = { eq: "is", ne: "is not", gt: ">", gte: "≥", lt: "<", lte: "≤" };

/**
 * @param {readonly Comparison[]} filters
 * @param {(filters: Comparison[]) => void} onFilters
 */
export function showFilterChips(filters, onFilters) {
  const frame = byId("filters");
  frame.hidden = filters.length === 0;
  const clear = h("button", { type: "button", class: "clear-filters", onclick: () => onFilters([]) }, "Clear all");
  redraw(frame, filters.map((one) => chip(one, filters, onFilters)), filters.length > 1 && clear);
}

/**
 * @param {Comparison} one
 * @param {readonly Comparison[]} filters
 * @param {(filters: Comparison[]) => void} onFilters
 * @returns {HTMLElement}
 */
function chip(one, filters, onFilters) {
  const words = `${one.key} ${SIGNS[one.type]} ${one.value}`;
  const remove = { type: "button", class: "filter-remove", "aria-label": `Remove the filter ${words}` };
  return h(
    "span",
    { class: `filter ${one.type === "ne" ? "not" : ""}` },
    isBound(one) ? h("span", { class: "filter-words" }, words) : turner(one, words, filters, onFilters),
    h("button", { ...remove, onclick: () => onFilters(withoutComparison(filters, one)) }, icon("cross")),
  );
}

/**
 * @param {Comparison} one
 * @param {string} words
 * @param {readonly Comparison[]} filters
 * @param {(filters: Comparison[]) => void} onFilters
 * @returns {HTMLElement}
 */
function turner(one, words, filters, onFilters) {
  /** @type {Comparison} */
  const turned = { ...one, type: one.type === "eq" ? "ne" : "eq" };
  const turn = () => onFilters(filters.map((other) => (other === one ? turned : other)));
  const title = `Turn round: ${turned.key} ${SIGNS[turned.type]} ${turned.value}`;
  return h("button", { type: "button", class: "filter-words", title, "data-focus": words.replace(" is not ", " is "), onclick: turn }, words);
}
