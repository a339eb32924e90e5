/** What the page shows before anything was searched: what an instruction is, and some to begin with. */

import { h, icon } from "./dom.js";

/** @typedef {import("./types.js").Instruction} Instruction */
/** @typedef {{name: string, instruction: Instruction, text: string}} Example */

const MOST_EXAMPLES = 6;

/**
 * The instructions of the index first, then some that suit many.
 *
 * @param {{default: string, named: Record<string, string>}} stored
 * @param {readonly string[]} others
 * @returns {Example[]}
 */
export function examples(stored, others) {
  /** @type {Example[]} */
  const named = Object.entries(stored.named).map(([name, text]) => ({ name, text, instruction: { kind: "named", name } }));
  const known = new Set(Object.values(stored.named));
  const free = others.filter((text) => !known.has(text));
  /** @type {Example[]} */
  const rest = free.map((text) => ({ name: "", text, instruction: { kind: "text", text } }));
  return [...named, ...rest].slice(0, Math.max(MOST_EXAMPLES, named.length));
}

/**
 * @param {Example[]} offered
 * @param {(instruction: Instruction) => void} onChoose
 * @param {() => void} onCompare
 * @returns {HTMLElement}
 */
export function welcome(offered, onChoose, onCompare) {
  return h(
    "div",
    { class: "welcome" },
    h("h1", {}, "Search that is told what to find"),
    h(
      "p",
      { class: "welcome-lead" },
      "The query says what it is about. The instruction says what kind of document should answer. ",
      "Change the instruction, and the same query finds other documents.",
    ),
    anatomy(),
    offered.length ? h("h2", {}, "Begin with an instruction") : null,
    h("div", { class: "examples" }, offered.map((example) => card(example, onChoose))),
    h("p", { class: "welcome-hint" }, "Or ", compareButton(onCompare), " and see which hits move."),
  );
}

/** @returns {HTMLElement} */
function anatomy() {
  const part = (/** @type {string} */ name, /** @type {string} */ words) =>
    h("span", { class: `part part-${name}` }, h("span", { class: "part-words" }, words), h("span", { class: "part-name" }, name));
  const label = "An instruction names a domain, a unit and an intent, as in: Retrieve a Python function that implements this";
  return h(
    "div",
    { class: "anatomy", role: "img", "aria-label": label },
    "Retrieve a ",
    part("domain", "Python"),
    part("unit", "function"),
    "that ",
    part("intent", "implements this"),
  );
}

/**
 * @param {Example} example
 * @param {(instruction: Instruction) => void} onChoose
 * @returns {HTMLElement}
 */
function card({ name, instruction, text }, onChoose) {
  return h(
    "button",
    { type: "button", class: "example", onclick: () => onChoose(instruction) },
    h("span", { class: "example-text" }, text),
    h("span", { class: "example-name" }, name ? `${name} · of this index` : "example", icon("arrow")),
  );
}

/**
 * @param {() => void} onCompare
 * @returns {HTMLElement}
 */
function compareButton(onCompare) {
  return h("button", { type: "button", class: "link", onclick: onCompare }, "compare two instructions side by side");
}
