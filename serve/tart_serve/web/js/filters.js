/** The filter grammar of the service. */

/** @typedef {import("./types.js").Comparison} Comparison */
/** @typedef {import("./types.js").Scalar} Scalar */

/**
 * All comparisons must hold; several values that a key should equal are alternatives.
 *
 * @param {readonly Comparison[]} comparisons
 * @returns {object | null}
 */
export function toFilter(comparisons) {
  const wanted = Map.groupBy(
    comparisons.filter(({ type }) => type === "eq"),
    ({ key }) => key,
  );
  const parts = [...wanted].map(([key, several]) => oneOf(key, several.map(({ value }) => value)));
  parts.push(...comparisons.filter(({ type }) => type !== "eq").map((one) => ({ ...one })));
  if (parts.length === 0) return null;
  return parts.length === 1 ? parts[0] : { type: "and", filters: parts };
}

/**
 * @param {string} key
 * @param {Scalar[]} values
 * @returns {object}
 */
function oneOf(key, values) {
  return values.length === 1 ? { type: "eq", key, value: values[0] } : { type: "in", key, value: values };
}

/**
 * @param {readonly Comparison[]} comparisons
 * @param {Comparison} added
 * @returns {Comparison[]} With it, and without any other bound of the same kind or word about the same value.
 */
export function withComparison(comparisons, added) {
  return [...comparisons.filter((other) => !replaces(added, other)), added];
}

/**
 * @param {Comparison} added
 * @param {Comparison} other
 * @returns {boolean}
 */
function replaces(added, other) {
  if (added.key !== other.key) return false;
  return isBound(added) ? added.type === other.type : !isBound(other) && added.value === other.value;
}

/**
 * @param {Comparison} comparison
 * @returns {boolean}
 */
export function isBound(comparison) {
  return comparison.type !== "eq" && comparison.type !== "ne";
}

/**
 * @param {readonly Comparison[]} comparisons
 * @param {Comparison} removed
 * @returns {Comparison[]}
 */
export function withoutComparison(comparisons, removed) {
  return comparisons.filter((other) => JSON.stringify(other) !== JSON.stringify(removed));
}

/**
 * @param {readonly Comparison[]} comparisons
 * @param {string} key
 * @param {Scalar} value
 * @returns {boolean}
 */
export function isWanted(comparisons, key, value) {
  return comparisons.some((one) => one.type === "eq" && one.key === key && one.value === value);
}
