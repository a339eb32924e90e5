/** The state of the page, and its form in the address. */

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Instruction} Instruction */
/** @typedef {import("./types.js").Comparison} Comparison */

export const PAGE_SIZES = [5, 10, 20, 50, 100];
export const MOST_HITS = 1000;
const OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte"];

/** @type {Readonly<State>} */
export const START = Object.freeze({
  query: "",
  left: Object.freeze({ kind: "default" }),
  right: Object.freeze({ kind: "none" }),
  compare: false,
  index: "",
  filters: [],
  topK: 10,
  pages: 1,
  threshold: null,
  rerank: false,
});

/**
 * The part after `#`: it never leaves the browser, so queries do not land in the logs of servers on the way.
 *
 * @param {State} state
 * @returns {string}
 */
export function toHash(state) {
  const parameters = new URLSearchParams();
  if (state.query) parameters.set("q", state.query);
  writeInstruction(parameters, "i", state.left, START.left);
  if (state.compare) parameters.set("compare", "1");
  if (state.compare) writeInstruction(parameters, "i2", state.right, START.right);
  if (state.index) parameters.set("index", state.index);
  for (const { type, key, value } of state.filters) parameters.append("f", JSON.stringify([type, key, value]));
  if (state.topK !== START.topK) parameters.set("k", String(state.topK));
  if (state.pages > 1) parameters.set("pages", String(state.pages));
  if (state.threshold !== null) parameters.set("min", String(state.threshold));
  if (state.rerank) parameters.set("rerank", "1");
  const text = parameters.toString();
  return text ? `#${text}` : "";
}

/**
 * Anybody can write an address: what makes no sense in it is passed over.
 *
 * @param {string} hash
 * @returns {State}
 */
export function fromHash(hash) {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const topK = Number(parameters.get("k"));
  const pages = whole(parameters.get("pages"), 1, MOST_HITS);
  return {
    query: parameters.get("q") ?? "",
    left: readInstruction(parameters, "i", START.left),
    right: readInstruction(parameters, "i2", START.right),
    compare: parameters.get("compare") === "1",
    index: parameters.get("index") ?? "",
    filters: parameters.getAll("f").flatMap(readComparison),
    topK: PAGE_SIZES.includes(topK) ? topK : START.topK,
    pages,
    threshold: readThreshold(parameters.get("min")),
    rerank: parameters.get("rerank") === "1",
  };
}

/**
 * @param {Instruction} one
 * @param {Instruction} other
 * @returns {boolean}
 */
export function sameInstruction(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * @param {URLSearchParams} parameters
 * @param {string} name
 * @param {Instruction} instruction
 * @param {Instruction} usual
 */
function writeInstruction(parameters, name, instruction, usual) {
  if (sameInstruction(instruction, usual)) return;
  if (instruction.kind === "named") parameters.set(`${name}.name`, instruction.name);
  else if (instruction.kind === "default") parameters.set(`${name}.default`, "1");
  else parameters.set(name, instruction.kind === "text" ? instruction.text : "");
}

/**
 * @param {URLSearchParams} parameters
 * @param {string} name
 * @param {Instruction} usual
 * @returns {Instruction}
 */
function readInstruction(parameters, name, usual) {
  const named = parameters.get(`${name}.name`);
  if (named) return { kind: "named", name: named };
  if (parameters.has(`${name}.default`)) return { kind: "default" };
  const text = parameters.get(name);
  if (text === null) return usual;
  return text.trim() ? { kind: "text", text } : { kind: "none" };
}

/**
 * @param {string} text
 * @returns {Comparison[]} One, or none where it is not a comparison.
 */
function readComparison(text) {
  try {
    const [type, key, value] = JSON.parse(text);
    const isScalar = ["string", "number", "boolean"].includes(typeof value);
    return OPERATORS.includes(type) && typeof key === "string" && isScalar ? [{ type, key, value }] : [];
  } catch {
    return [];
  }
}

/**
 * @param {string | null} text
 * @returns {number | null}
 */
function readThreshold(text) {
  const value = Number(text);
  return text === null || text === "" || !(Math.abs(value) <= 1) ? null : value;
}

/**
 * @param {string | null} text
 * @param {number} least
 * @param {number} most
 * @returns {number}
 */
function whole(text, least, most) {
  const value = Math.trunc(Number(text));
  return value >= least && value <= most ? value : least;
}
