/** A box for an instruction: own words, or one of the chips below it. */

import { h, icon, redraw } from "./dom.js";
import { sameInstruction } from "./state.js";

/** @typedef {import("./types.js").Instruction} Instruction */
/** @typedef {import("./types.js").SideName} SideName */
/** @typedef {{default: string, named: Record<string, string>}} Stored */

const UNNAMED = "What kind of document should answer? “Find the function that implements this”";

/**
 * @typedef {object} BoxEvents
 * @property {() => void} onSubmit Enter was pressed, or a chip chosen.
 * @property {() => void} onCompose
 */

export class InstructionBox {
  /**
   * @param {HTMLElement} frame
   * @param {SideName} side
   * @param {BoxEvents} events
   */
  constructor(frame, side, events) {
    this._events = events;
    /** @type {Stored} */
    this._stored = { default: "", named: {} };
    /** @type {Instruction} */
    this._chosen = { kind: "default" };
    const id = `instruction-${side}`;
    this.field = h("textarea", { id, class: "instruction-text", rows: 1, spellcheck: false, "aria-describedby": `${id}-fault` });
    this.field.addEventListener("input", () => this._typed());
    this.field.addEventListener("keydown", (event) => this._pressed(event));
    this._chips = h("div", { class: "instruction-chips", role: "group", "aria-label": "Stored instructions" });
    const letter = side === "left" ? "A" : "B";
    frame.append(
      h(
        "div",
        { class: "instruction-line" },
        h("span", { class: `side-letter side-${side}`, "aria-hidden": "true" }, letter),
        icon("target"),
        h("label", { class: "visually-hidden", for: id }, `Instruction ${letter}`),
        this.field,
      ),
      h("p", { class: "fault", id: `${id}-fault`, hidden: true }),
      this._chips,
    );
  }

  /** @returns {Instruction} As it stands in the box now. */
  get value() {
    return this._chosen;
  }

  /**
   * @param {Instruction} instruction
   * @param {Stored} stored
   */
  show(instruction, stored) {
    this._stored = stored;
    this._chosen = instruction;
    this.field.value = this._text(instruction);
    this.field.placeholder = this._placeholder();
    redraw(this._chips, this._allChips());
  }

  /** @param {Instruction} instruction */
  choose(instruction) {
    this.show(instruction, this._stored);
    this._events.onSubmit();
  }

  /**
   * @param {Instruction} instruction
   * @returns {string}
   */
  _text(instruction) {
    if (instruction.kind === "text") return instruction.text;
    return instruction.kind === "named" ? (this._stored.named[instruction.name] ?? "") : "";
  }

  /** @returns {string} */
  _placeholder() {
    const chosen = this._chosen;
    if (chosen.kind === "default" && this._stored.default) return `${this._stored.default} (the index’s default)`;
    if (chosen.kind === "named") return chosen.name;
    return UNNAMED;
  }

  _typed() {
    const text = this.field.value;
    this._chosen = text.trim() ? { kind: "text", text } : { kind: this._stored.default ? "default" : "none" };
    this.field.placeholder = this._placeholder();
    redraw(this._chips, this._allChips());
  }

  /** @param {KeyboardEvent} event */
  _pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this._events.onSubmit();
  }

  /** @returns {HTMLElement[]} */
  _allChips() {
    const { named } = this._stored;
    const chips = [this._chip("No instruction", { kind: "none" }, "The query alone")];
    if (this._stored.default) chips.push(this._chip("Default", { kind: "default" }, this._stored.default));
    for (const [name, text] of Object.entries(named)) chips.push(this._chip(name, { kind: "named", name }, text));
    const compose = h("button", { type: "button", class: "choice compose", onclick: this._events.onCompose }, icon("compose"), "Compose");
    return [...chips, compose];
  }

  /**
   * @param {string} label
   * @param {Instruction} instruction
   * @param {string} title
   * @returns {HTMLElement}
   */
  _chip(label, instruction, title) {
    const pressed = sameInstruction(meant(this._chosen, this._stored), instruction);
    const attributes = { type: "button", class: "choice", title, "aria-pressed": String(pressed), "data-focus": label };
    return h("button", { ...attributes, onclick: () => this.choose(instruction) }, label);
  }
}

/**
 * @param {Instruction} instruction
 * @param {Stored} stored
 * @returns {Instruction} The default of an index that has none is the same as no instruction.
 */
export function meant(instruction, stored) {
  return instruction.kind === "default" && !stored.default ? { kind: "none" } : instruction;
}
