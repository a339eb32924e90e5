/** A filter by hand: any key, any comparison, any value. */

import { byId, h, redraw } from "./dom.js";

/** @typedef {import("./types.js").Comparison} Comparison */
/** @typedef {import("./types.js").Operator} Operator */
/** @typedef {import("./types.js").Scalar} Scalar */
/** @typedef {import("./facets.js").Facet} Facet */

/** @type {[Operator, string][]} */
const TYPES = [["eq", "is"], ["ne", "is not"], ["gte", "≥"], ["gt", ">"], ["lte", "≤"], ["lt", "<"]];

export class FilterEntry {
  /** @param {(added: Comparison) => void} onAdd */
  constructor(onAdd) {
    this._key = /** @type {HTMLInputElement} */ (byId("entry-key"));
    this._value = /** @type {HTMLInputElement} */ (byId("entry-value"));
    this._type = /** @type {HTMLSelectElement} */ (byId("entry-type"));
    this._type.append(...TYPES.map(([value, words]) => h("option", { value }, words)));
    /** @type {readonly Facet[]} */
    this._facets = [];
    byId("filter-entry").addEventListener("submit", (event) => {
      event.preventDefault();
      onAdd(this._comparison());
      this._value.value = "";
    });
  }

  /** @param {readonly Facet[]} facets */
  show(facets) {
    this._facets = facets;
    redraw(byId("entry-keys"), facets.map(({ key }) => h("option", { value: key })));
  }

  /** @returns {Comparison} */
  _comparison() {
    const key = this._key.value;
    const types = this._facets.find((facet) => facet.key === key)?.types ?? new Set();
    return { type: /** @type {Operator} */ (this._type.value), key, value: typed(this._value.value, types) };
  }
}

/**
 * @param {string} text
 * @param {Set<string>} types That the key's values have, where known.
 * @returns {Scalar} Of one of these types where the text can be read so; types that differ never compare.
 */
export function typed(text, types) {
  const mayBe = (/** @type {string} */ type) => types.has(type) || types.size === 0;
  if (mayBe("number") && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (mayBe("boolean") && (text === "true" || text === "false")) return text === "true";
  return text;
}
