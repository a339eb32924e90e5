/** What the service says of itself: its indexes, their instructions and metadata, the words for new instructions. */

import { ApiError, get } from "./api.js";

/** @typedef {import("./types.js").Served} Served */
/** @typedef {import("./types.js").IndexFacts} IndexFacts */

/** @type {Served} */
export const NOTHING_KNOWN = {
  names: [],
  instructions: {},
  vocabulary: { intents: [], domains: [], units: [] },
  examples: [],
  facts: {},
  rerank: null,
};

/**
 * Asks for all of it at once. What cannot be had is left empty, the page can do without; but not without a key.
 *
 * @returns {Promise<Served>}
 * @throws {ApiError} A key is wanted.
 */
export async function askServed() {
  const paths = ["v1/instructions", "v1/indexes", "v1/models"];
  const [instructions, indexes, models] = await Promise.all(paths.map(getOrNull));
  const facts = Object.fromEntries((indexes?.data ?? []).map((/** @type {any} */ one) => [indexName(one), indexFacts(one)]));
  return {
    names: Object.keys({ ...facts, ...instructions?.indexes }),
    instructions: instructions?.indexes ?? {},
    vocabulary: instructions?.vocabulary ?? NOTHING_KNOWN.vocabulary,
    examples: instructions?.examples ?? [],
    facts,
    rerank: servesReranker(models),
  };
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
async function getOrNull(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw error;
    return null;
  }
}

/**
 * @param {any} index
 * @returns {string}
 */
function indexName(index) {
  return String(index.name ?? index.id);
}

/**
 * @param {any} index
 * @returns {IndexFacts}
 */
function indexFacts(index) {
  return { documents: index.documents ?? index.count ?? null, keys: index.metadata ?? {} };
}

/**
 * @param {any} models
 * @returns {boolean | null}
 */
function servesReranker(models) {
  if (!Array.isArray(models?.data)) return null;
  return models.data.some((/** @type {any} */ model) => model.kind === "reranker");
}
