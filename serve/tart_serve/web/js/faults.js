/** The fields that a refusal blames, marked. */

import { byId } from "./dom.js";

/** @typedef {import("./types.js").Fault} Fault */
/** @typedef {import("./types.js").SideName} SideName */

/** By the first step of the pointer. @type {Record<string, string>} */
const FIELDS = {
  query: "query",
  index: "index",
  top_k: "top-k",
  offset: "top-k",
  score_threshold: "threshold",
  rerank: "rerank",
  filter: "filters",
};
const INSTRUCTION = ["instruction", "prompt_name"];

/** Takes all marks away. */
export function clearFaults() {
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const line of document.querySelectorAll(".fault")) {
    line.textContent = "";
    /** @type {HTMLElement} */ (line).hidden = true;
  }
}

/**
 * @param {readonly Fault[]} faults
 * @param {SideName} side Whose instruction is meant.
 */
export function markFaults(faults, side) {
  for (const { pointer, detail } of faults) {
    const id = fieldOf(pointer, side);
    if (id === null) continue;
    byId(id).setAttribute("aria-invalid", "true");
    const line = byId(`${id}-fault`);
    line.textContent = line.textContent ? `${line.textContent}; ${detail}` : detail;
    line.hidden = false;
  }
}

/**
 * @param {string} pointer RFC 6901 in a URI fragment: "#/filter/filters/0/key".
 * @param {SideName} side
 * @returns {string | null} The id of a field of the page.
 */
export function fieldOf(pointer, side) {
  const name = String(pointer).split("/")[1] ?? "";
  return INSTRUCTION.includes(name) ? `instruction-${side}` : (FIELDS[name] ?? null);
}
