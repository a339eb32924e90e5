/** Facets: what the returned hits have in their metadata, and what the index says that its documents have. */

import { byId, h, redraw } from "./dom.js";
import { isWanted, withComparison } from "./filters.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Scalar} Scalar */
/** @typedef {import("./types.js").Comparison} Comparison */
/** @typedef {import("./types.js").KeyFacts} KeyFacts */

/**
 * @typedef {object} Facet
 * @property {string} key
 * @property {Map<Scalar, number>} counts Of the values, the most frequent first.
 * @property {boolean} whole Whether these are all values of the index, and else those among the hits.
 * @property {Set<string>} types "string", "number", "date", "boolean".
 *
 * @typedef {object} FacetForm
 * @property {readonly Comparison[]} filters
 * @property {(filters: Comparison[]) => void} onFilters
 */

const MOST_VALUES = 5;
const MOST_FACETS = 12;
const DATE = /^\d{4}-\d\d-\d\d(?:[T ]|$)/;

/**
 * @param {readonly Hit[]} hits
 * @param {readonly KeyFacts[]} keys
 * @returns {Facet[]}
 */
export function facets(hits, keys) {
  /** @type {Map<string, Facet>} */
  const found = new Map();
  for (const hit of hits) {
    for (const [key, value] of Object.entries(hit.metadata ?? {})) countValues(found, key, value);
  }
  for (const { key, types, values } of keys) {
    const facet = facetOf(found, key);
    for (const type of Object.keys(types)) if (type !== "null") facet.types.add(type);
    if (values === null || facet.types.has("number")) continue;
    facet.whole = true;
    facet.counts = new Map(values.map(({ value, documents }) => [value, documents]));
  }
  const known = [...found.values()].filter(({ types }) => types.size > 0).map(sorted);
  return known.sort((one, other) => Number(isScattered(one)) - Number(isScattered(other)));
}

/**
 * @param {Facet} facet
 * @returns {boolean} Whether nearly every hit has a value of its own, as of a name: little to choose by.
 */
function isScattered({ counts }) {
  return counts.size > MOST_VALUES;
}

/**
 * @param {Map<string, Facet>} found
 * @param {string} key
 * @returns {Facet}
 */
function facetOf(found, key) {
  const facet = found.get(key) ?? { key, counts: new Map(), whole: false, types: new Set() };
  found.set(key, facet);
  return facet;
}

/**
 * @param {Map<string, Facet>} found
 * @param {string} key
 * @param {unknown} value
 */
function countValues(found, key, value) {
  for (const one of new Set(Array.isArray(value) ? value : [value])) {
    const type = typeOf(one);
    if (type === null) continue;
    const facet = facetOf(found, key);
    facet.types.add(type);
    facet.counts.set(one, (facet.counts.get(one) ?? 0) + 1);
  }
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function typeOf(value) {
  if (typeof value === "string") return DATE.test(value) ? "date" : "string";
  return typeof value === "number" || typeof value === "boolean" ? typeof value : null;
}

/**
 * @param {Facet} facet
 * @returns {Facet}
 */
function sorted(facet) {
  return { ...facet, counts: new Map([...facet.counts].sort(([, one], [, other]) => other - one)) };
}

/**
 * @param {readonly Facet[]} all
 * @param {FacetForm} form
 */
export function showFacets(all, form) {
  const usable = all.filter(({ counts, types }) => counts.size > 0 || types.has("number") || types.has("date"));
  redraw(byId("facets"), usable.slice(0, MOST_FACETS).map((facet) => group(facet, form)));
}

/**
 * @param {Facet} facet
 * @param {FacetForm} form
 * @returns {HTMLElement}
 */
function group(facet, form) {
  const ranged = facet.types.has("number") || facet.types.has("date");
  const list = h("div", { class: "facet-values" }, values(facet, form));
  return h(
    "fieldset",
    { class: "facet", "data-key": facet.key },
    h("legend", {}, facet.key),
    ranged ? range(facet, form) : list,
  );
}

/**
 * @param {Facet} facet
 * @param {FacetForm} form
 * @returns {HTMLElement[]}
 */
function values(facet, form) {
  const all = [...facet.counts];
  const buttons = all.slice(0, MOST_VALUES).map(([value, count]) => valueButton(facet, value, count, form));
  if (all.length <= MOST_VALUES) return buttons;
  const rest = all.slice(MOST_VALUES);
  const more = h("button", { type: "button", class: "facet-more", onclick: unroll }, `${rest.length} more`);

  function unroll() {
    more.replaceWith(...rest.map(([value, count]) => valueButton(facet, value, count, form)));
  }
  return [...buttons, more];
}

/**
 * @param {Facet} facet
 * @param {Scalar} value
 * @param {number} count
 * @param {FacetForm} form
 * @returns {HTMLElement}
 */
function valueButton({ key, whole }, value, count, form) {
  const wanted = isWanted(form.filters, key, value);
  const flip = () => {
    const others = form.filters.filter((one) => !(one.type === "eq" && one.key === key && one.value === value));
    form.onFilters(wanted ? others : withComparison(form.filters, { type: "eq", key, value }));
  };
  return h(
    "button",
    { type: "button", class: "facet-value", "aria-pressed": String(wanted), "data-focus": `${key}=${value}`, onclick: flip },
    h("span", { class: "facet-name" }, String(value)),
    h("span", { class: "facet-count", title: whole ? "In the index" : "Among the hits shown" }, count.toLocaleString("en")),
  );
}

/**
 * Two bounds, for numbers or dates.
 *
 * @param {Facet} facet
 * @param {FacetForm} form
 * @returns {HTMLElement}
 */
function range(facet, form) {
  const isDate = facet.types.has("date") && !facet.types.has("number");
  const known = [...facet.counts.keys()].filter((value) => typeof value === (isDate ? "string" : "number")).sort(ascending);
  const bound = (/** @type {"gte" | "lte"} */ type, /** @type {string} */ label, /** @type {Scalar | undefined} */ hint) => {
    const now = form.filters.find((one) => one.key === facet.key && one.type === type)?.value ?? "";
    const field = h("input", { type: isDate ? "date" : "number", step: "any", value: String(now), placeholder: String(hint ?? "") });
    field.setAttribute("aria-label", `${facet.key} ${label}`);
    field.setAttribute("data-focus", `${facet.key}.${type}`);
    field.addEventListener("change", () => form.onFilters(bounded(form.filters, facet.key, type, read(field, isDate))));
    return field;
  };
  return h("div", { class: "facet-range" }, bound("gte", "from", known[0]), h("span", { "aria-hidden": "true" }, "–"), bound("lte", "to", known.at(-1)));
}

/**
 * @param {Scalar} one
 * @param {Scalar} other
 * @returns {number}
 */
function ascending(one, other) {
  return one < other ? -1 : Number(one > other);
}

/**
 * @param {HTMLInputElement} field
 * @param {boolean} isDate
 * @returns {Scalar | null}
 */
function read(field, isDate) {
  if (field.value === "") return null;
  return isDate ? field.value : Number(field.value);
}

/**
 * @param {readonly Comparison[]} filters
 * @param {string} key
 * @param {"gte" | "lte"} type
 * @param {Scalar | null} value
 * @returns {Comparison[]}
 */
function bounded(filters, key, type, value) {
  if (value !== null) return withComparison(filters, { type, key, value });
  return filters.filter((one) => !(one.key === key && one.type === type));
}
