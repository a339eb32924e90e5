/** The body of a search request. */

import { toFilter } from "./filters.js";
import { MOST_HITS } from "./state.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Instruction} Instruction */

const RERANKED = 50;

/**
 * @param {State} state
 * @param {Instruction} instruction
 * @param {number} offset
 * @param {number} count Hits wanted.
 * @returns {Record<string, unknown>}
 */
export function searchBody(state, instruction, offset, count) {
  const topK = Math.max(1, Math.min(count, MOST_HITS - offset));
  const filter = toFilter(state.filters);
  return {
    query: state.query,
    ...instructionFields(instruction),
    ...(state.index && { index: state.index }),
    top_k: topK,
    ...(offset > 0 && { offset }),
    ...(filter && { filter }),
    ...(state.threshold !== null && { score_threshold: state.threshold }),
    ...(state.rerank && { rerank: { top_n: Math.max(RERANKED, offset + topK) } }),
  };
}

/**
 * @param {Instruction} instruction
 * @returns {Record<string, string>}
 */
function instructionFields(instruction) {
  if (instruction.kind === "text") return { instruction: instruction.text };
  if (instruction.kind === "named") return { prompt_name: instruction.name };
  return instruction.kind === "none" ? { instruction: "" } : {};
}
