/** The fields of the page, set from the state and read into it. */

import { byId, h } from "./dom.js";
import { InstructionBox } from "./instruction_box.js";
import { PAGE_SIZES, START } from "./state.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Served} Served */
/** @typedef {import("./types.js").SideName} SideName */

/**
 * @typedef {object} ControlEvents
 * @property {(patch: Partial<State>) => void} onCommit Something was asked for.
 * @property {(side: SideName) => void} onCompose
 */

export class Controls {
  /** @param {ControlEvents} events */
  constructor(events) {
    this._events = events;
    this.query = /** @type {HTMLInputElement} */ (byId("query"));
    this.boxes = { left: this._box("left"), right: this._box("right") };
    this._index = /** @type {HTMLSelectElement} */ (byId("index"));
    this._topK = /** @type {HTMLSelectElement} */ (byId("top-k"));
    this._threshold = /** @type {HTMLInputElement} */ (byId("threshold"));
    this._rerank = /** @type {HTMLInputElement} */ (byId("rerank"));
    this._topK.append(...PAGE_SIZES.map((size) => h("option", { value: String(size) }, size)));
    this._listen();
  }

  /** @returns {Pick<State, "query" | "left" | "right">} As they stand in the fields now. */
  get drafts() {
    return { query: this.query.value.trim(), left: this.boxes.left.value, right: this.boxes.right.value };
  }

  /**
   * @param {State} state
   * @param {Served} served
   */
  show(state, served) {
    const stored = storedInstructions(state, served);
    this.query.value = state.query;
    this.boxes.left.show(state.left, stored);
    this.boxes.right.show(state.right, stored);
    byId("ask").classList.toggle("compare", state.compare);
    byId("box-right").hidden = !state.compare;
    byId("swap").hidden = !state.compare;
    byId("compare").setAttribute("aria-pressed", String(state.compare));
    this._showIndexes(state, served);
    this._topK.value = String(state.topK);
    this._threshold.value = state.threshold === null ? "" : String(state.threshold);
    this._rerank.checked = state.rerank;
    byId("rerank-option").hidden = served.rerank === false && !state.rerank;
  }

  /**
   * @param {State} state
   * @param {Served} served
   */
  _showIndexes(state, served) {
    const names = served.names.includes(state.index) || !state.index ? served.names : [...served.names, state.index];
    byId("index-choice").hidden = names.length < 2;
    this._index.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    this._index.value = state.index || (names[0] ?? "");
  }

  /**
   * @param {SideName} side
   * @returns {InstructionBox}
   */
  _box(side) {
    const events = { onSubmit: () => this._events.onCommit({}), onCompose: () => this._events.onCompose(side) };
    return new InstructionBox(byId(`box-${side}`), side, events);
  }

  _listen() {
    const { onCommit } = this._events;
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      onCommit({});
    });
    byId("swap").addEventListener("click", () => onCommit({ left: this.boxes.right.value, right: this.boxes.left.value }));
    this._index.addEventListener("change", () => onCommit({ index: this._index.value }));
    this._topK.addEventListener("change", () => onCommit({ topK: Number(this._topK.value) }));
    this._rerank.addEventListener("change", () => onCommit({ rerank: this._rerank.checked }));
    this._threshold.addEventListener("change", () => {
      const value = this._threshold.value;
      onCommit({ threshold: value === "" ? START.threshold : Number(value) });
    });
  }
}

/**
 * @param {State} state
 * @param {Served} served
 * @returns {{default: string, named: Record<string, string>}}
 */
export function storedInstructions(state, served) {
  return served.instructions[state.index || served.names[0]] ?? { default: "", named: {} };
}
