/** How two lists of hits differ. */

/** @typedef {import("./types.js").Hit} Hit */

/**
 * A document that both lists hold.
 * @typedef {{id: string, left: number, right: number, delta: number}} Move Ranks; `delta` above 0 where it is higher on
 *   the right.
 *
 * @typedef {object} Difference
 * @property {Move[]} common In the order of the left list.
 * @property {Set<string>} onlyLeft
 * @property {Set<string>} onlyRight
 */

/**
 * @param {readonly Hit[]} left
 * @param {readonly Hit[]} right
 * @returns {Difference}
 */
export function difference(left, right) {
  const ranks = new Map(right.map((hit) => [hit.id, hit.rank]));
  const common = left.flatMap(({ id, rank }) => {
    const other = ranks.get(id);
    return other === undefined ? [] : [{ id, left: rank, right: other, delta: rank - other }];
  });
  const shared = new Set(common.map(({ id }) => id));
  return { common, onlyLeft: without(left, shared), onlyRight: without(right, shared) };
}

/**
 * @param {Difference} found
 * @returns {string}
 */
export function inWords({ common, onlyLeft, onlyRight }) {
  const moved = common.filter(({ delta }) => delta !== 0).length;
  const most = common.length + Math.max(onlyLeft.size, onlyRight.size);
  if (most === 0) return "";
  if (common.length === 0) return "No hit in common: the instructions find different documents.";
  if (common.length === most && moved === 0) return "The same hits in the same order.";
  const moving = moved === 0 ? "none of these moved" : `${moved} of these moved`;
  return `${common.length} of ${most} hits in common, ${moving}.`;
}

/**
 * @param {readonly Hit[]} hits
 * @param {Set<string>} ids
 * @returns {Set<string>}
 */
function without(hits, ids) {
  return new Set(hits.map(({ id }) => id).filter((id) => !ids.has(id)));
}
