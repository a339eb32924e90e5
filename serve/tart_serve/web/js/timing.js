/** Where the time of a search went. */

import { h } from "./dom.js";

/** @typedef {import("./types.js").Side} Side */

const STAGES = ["queue", "encode", "search", "fetch", "rerank"];
const MEANINGS = {
  queue: "waiting for the model",
  encode: "reading instruction and query",
  search: "finding the nearest vectors",
  fetch: "reading the documents",
  rerank: "scoring the hits again",
  network: "everything outside the stages: network, HTTP, this browser",
};

/**
 * @param {Side} side
 * @returns {HTMLElement | null}
 */
export function timingStrip(side) {
  if (!side.reply) return null;
  const times = stages(side.reply.timing_ms, side.roundTrip);
  const spoken = times.map(([name, ms]) => `${name} ${milliseconds(ms)}`).join(", ");
  return h(
    "div",
    { class: "timing", role: "group", "aria-label": `Round trip ${milliseconds(side.roundTrip)}: ${spoken}` },
    h("div", { class: "timing-bar", "aria-hidden": "true" }, times.map(segment)),
    h(
      "div",
      { class: "timing-legend", "aria-hidden": "true" },
      h("span", { class: "timing-total" }, milliseconds(side.roundTrip)),
      times.map(([name, ms]) => legend(name, ms)),
    ),
  );
}

/**
 * @param {Record<string, number>} served Milliseconds by stage.
 * @param {number} roundTrip
 * @returns {[string, number][]}
 */
export function stages(served, roundTrip) {
  /** @type {[string, number][]} */
  const times = STAGES.filter((name) => name in served).map((name) => [name, served[name]]);
  const rest = roundTrip - times.reduce((sum, [, ms]) => sum + ms, 0);
  return [...times, ["network", Math.max(0, rest)]];
}

/**
 * @param {[string, number]} stage
 * @returns {HTMLElement}
 */
function segment([name, ms]) {
  const element = h("span", { class: `stage-${name}` });
  element.style.flexGrow = String(ms);
  return element;
}

/**
 * @param {string} name
 * @param {number} ms
 * @returns {HTMLElement}
 */
function legend(name, ms) {
  const meaning = MEANINGS[/** @type {keyof typeof MEANINGS} */ (name)];
  return h("span", { class: "timing-stage", title: meaning }, h("i", { class: `stage-${name}` }), `${name} ${digits(ms)}`);
}

/**
 * @param {number} ms
 * @returns {string}
 */
export function milliseconds(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${digits(ms)} ms`;
}

/**
 * @param {number} ms
 * @returns {string}
 */
function digits(ms) {
  if (ms >= 100) return ms.toFixed(0);
  return ms.toFixed(ms >= 1 ? 1 : 2);
}
