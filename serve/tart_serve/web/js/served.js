/** What the service says of itself: its indexes, their instructions and metadata, the words for new instructions. */

import { ApiError, get } from "./api.js";

/** @typedef {import("./types.js").Served} Served */
/** @typedef {import("./types.js").KeyFacts} KeyFacts */

/** @type {Served} */
export const NOTHING_KNOWN = {
  names: [],
  instructions: {},
  vocabulary: { intents: [], domains: [], units: [] },
  examples: [],
  rerank: null,
};

/**
 * Asks for all of it at once. What cannot be had is left empty, the page can do without; but not without a key.
 *
 * @returns {Promise<Served>}
 * @throws {ApiError} A key is wanted.
 */
export async function askServed() {
  const [instructions, models] = await Promise.all([getOrNull("v1/instructions"), getOrNull("v1/models")]);
  return {
    names: Object.keys(instructions?.indexes ?? {}),
    instructions: instructions?.indexes ?? {},
    vocabulary: instructions?.vocabulary ?? NOTHING_KNOWN.vocabulary,
    examples: instructions?.examples ?? [],
    rerank: servesReranker(models),
  };
}

/**
 * @param {string} index
 * @returns {Promise<KeyFacts[]>} What filters on an index may use; nothing where it does not say.
 */
export async function askKeys(index) {
  const described = await getOrNull(`v1/indexes/${encodeURIComponent(index)}`).catch(() => null);
  return described?.metadata ?? [];
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
 * @param {any} models
 * @returns {boolean | null}
 */
function servesReranker(models) {
  if (!Array.isArray(models?.data)) return null;
  return models.data.some((/** @type {any} */ model) => model.kind === "reranker");
}
