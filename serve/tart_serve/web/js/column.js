/** One column of results: its heading, its timing strip, its hits or what stands in their place. */

import { h, redraw } from "./dom.js";
import { hitCard, offerUnfolding } from "./hit_card.js";
import { failure, noHits, skeleton } from "./notices.js";
import { timingStrip } from "./timing.js";

/** @typedef {import("./types.js").Side} Side */
/** @typedef {import("./types.js").SideName} SideName */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./hit_card.js").CardForm} CardForm */
/** @typedef {import("./notices.js").NoticeEvents} NoticeEvents */

export class Column {
  /**
   * @param {SideName} name
   * @param {NoticeEvents} events
   */
  constructor(name, events) {
    this._name = name;
    this._events = events;
    /** One notice an error, so that its countdown goes on however often the column is drawn. @type {WeakMap<Error, HTMLElement>} */
    this._failures = new WeakMap();
    this._head = h("div", { class: "column-head" });
    this._notice = h("div", { class: "column-notice" });
    this.list = h("ol", { class: "hits" });
    this.element = h("section", { class: `column column-${name}` }, this._head, this.list, this._notice);
  }

  /**
   * @param {Side} side
   * @param {State} state
   * @param {CardForm} form
   */
  show(side, state, form) {
    const failed = side.status === "failed";
    this.element.setAttribute("aria-label", state.compare ? `Hits under instruction ${letter(this._name)}` : "Hits");
    this.element.classList.toggle("stale", side.status === "waiting" && side.hits.length > 0);
    redraw(this._head, state.compare && this._heading(side), !failed && timingStrip(side));
    redraw(this.list, failed && !side.loadingMore ? [] : side.hits.map((hit) => hitCard(hit, form)));
    redraw(this._notice, this._instead(side, state));
    offerUnfolding(this.list);
  }

  /** Takes everything out. */
  clear() {
    for (const part of [this._head, this.list, this._notice]) part.replaceChildren();
  }

  /**
   * @param {Side} side
   * @returns {HTMLElement}
   */
  _heading(side) {
    const applied = side.reply?.instruction_applied;
    return h(
      "h2",
      { class: "column-title" },
      h("span", { class: `side-letter side-${this._name}` }, letter(this._name)),
      h("span", {}, applied || (side.reply ? "No instruction" : "…")),
    );
  }

  /**
   * @param {Side} side
   * @param {State} state
   * @returns {HTMLElement | null}
   */
  _instead(side, state) {
    if (side.error && side.status === "failed") return this._failure(side.error);
    if (side.hits.length > 0) return null;
    return side.status === "waiting" ? skeleton() : noHits(state, this._events);
  }

  /**
   * @param {import("./api.js").ApiError} error
   * @returns {HTMLElement}
   */
  _failure(error) {
    const notice = this._failures.get(error) ?? failure(error, this._events);
    this._failures.set(error, notice);
    return notice;
  }
}

/**
 * @param {SideName} name
 * @returns {string}
 */
export function letter(name) {
  return name === "left" ? "A" : "B";
}
