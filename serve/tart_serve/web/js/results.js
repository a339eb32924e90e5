/** The results: one column, or two with lines between them. */

import { Column, letter } from "./column.js";
import { byId, counted, h } from "./dom.js";
import { wordPattern } from "./highlight.js";
import { direction, Lines } from "./lines.js";
import { difference, inWords } from "./moves.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./types.js").Side} Side */
/** @typedef {import("./types.js").SideName} SideName */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Comparison} Comparison */
/** @typedef {import("./search.js").Search} Search */
/** @typedef {import("./moves.js").Difference} Difference */

/** @typedef {import("./notices.js").NoticeEvents & {onFilter: (added: Comparison) => void}} ResultEvents */

export class Results {
  /** @param {ResultEvents} events */
  constructor(events) {
    this._events = events;
    this._frame = byId("columns");
    this.columns = { left: new Column("left", events), right: new Column("right", events) };
    this._frame.append(this.columns.left.element, this.columns.right.element);
    this._lines = new Lines(this._frame, this.columns.left.list, this.columns.right.list);
    /** @type {Set<string>} */
    this._unfolded = new Set();
    for (const name of /** @type {const} */ (["mouseover", "focusin"])) this._frame.addEventListener(name, (event) => this._pick(event));
    this._frame.addEventListener("mouseleave", () => this._lines.pick(null));
  }

  /** @param {Search} search */
  show(search) {
    const { state, sides } = search;
    byId("results").hidden = state === null;
    byId("results").setAttribute("aria-busy", String(search.isWaiting));
    if (state === null) return this._clear();
    const found = settled(sides) ? difference(sides.left?.hits ?? [], sides.right?.hits ?? []) : null;
    this._frame.classList.toggle("compare", state.compare);
    this._showColumn("left", state, sides.left, found);
    this._showColumn("right", state, sides.right, found);
    this._lines.show(found?.common ?? []);
    byId("result-count").textContent = found ? inWords(found) : countInWords(sides.left);
    byId("results-head").hidden = search.all.every((side) => side.status === "failed");
    byId("result-note").textContent = state.compare ? "" : noteOf(sides.left);
    showMore(search);
  }

  _clear() {
    this.columns.left.clear();
    this.columns.right.clear();
    this._unfolded.clear();
    this._lines.show([]);
  }

  /**
   * @param {SideName} name
   * @param {State} state
   * @param {Side | undefined} side
   * @param {Difference | null} found
   */
  _showColumn(name, state, side, found) {
    const column = this.columns[name];
    column.element.hidden = side === undefined;
    if (side === undefined) return column.clear();
    column.show(side, state, {
      pattern: wordPattern(state.query),
      filters: state.filters,
      onFilter: this._events.onFilter,
      unfolded: this._unfolded,
      badge: (hit) => (found ? this._badge(name, hit, found) : null),
    });
  }

  /**
   * @param {SideName} name
   * @param {Hit} hit
   * @param {Difference} found
   * @returns {HTMLElement}
   */
  _badge(name, hit, found) {
    const move = found.common.find(({ id }) => id === hit.id);
    if (!move) return h("span", { class: "badge only", title: `Not among the hits of the other column` }, `only ${letter(name)}`);
    const other = name === "left" ? "right" : "left";
    const title = `${spoken(move)}; go to it in column ${letter(other)}`;
    const jump = { type: "button", class: `badge ${direction(move.delta)}`, title, "data-delta": move.delta };
    const text = name === "left" ? `→ ${move.right}` : arrow(move.delta);
    return h("button", { ...jump, "aria-label": title, onclick: () => this.focusHit(other, hit.id) }, text);
  }

  /**
   * @param {SideName} name
   * @param {string} id
   */
  focusHit(name, id) {
    const card = [...this.columns[name].list.children].find((one) => one.getAttribute("data-id") === id);
    if (card instanceof HTMLElement) card.focus();
  }

  /** @param {Event} event */
  _pick(event) {
    const card = event.target instanceof Element ? event.target.closest(".hit") : null;
    this._lines.pick(card?.getAttribute("data-id") ?? null);
  }
}

/**
 * @param {Partial<Record<SideName, Side>>} sides
 * @returns {boolean} Whether there are two, and both are answered.
 */
function settled({ left, right }) {
  return left?.status === "done" && right?.status === "done";
}

/**
 * @param {import("./moves.js").Move} move
 * @returns {string}
 */
function spoken({ left, right, delta }) {
  const way = { up: `up ${delta}`, down: `down ${-delta}`, same: "unmoved" }[direction(delta)];
  return `Rank ${left} under A, ${right} under B: ${way}`;
}

/**
 * @param {number} delta
 * @returns {string}
 */
function arrow(delta) {
  return { up: `▲ ${delta}`, down: `▼ ${-delta}`, same: "=" }[direction(delta)];
}

/**
 * @param {Side | undefined} side
 * @returns {string}
 */
function countInWords(side) {
  if (!side || side.status === "failed" || !side.reply) return "";
  return side.reply.has_more ? `The best ${counted(side.hits.length, "hit")}` : counted(side.hits.length, "hit");
}

/**
 * @param {Side | undefined} side
 * @returns {string}
 */
function noteOf(side) {
  if (!side?.reply || side.status === "failed") return "";
  const { index, model, instruction_applied: applied } = side.reply;
  return `${applied ? `“${applied}”` : "no instruction"} · ${index.name}, version ${index.version} · ${model}`;
}

/** @param {Search} search */
function showMore(search) {
  const button = /** @type {HTMLButtonElement} */ (byId("more"));
  button.hidden = !search.all.some((side) => side.status === "done" && side.reply?.has_more);
  button.disabled = search.isWaiting;
}
