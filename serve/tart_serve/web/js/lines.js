/** The lines between two columns of hits: one for each document that both hold. */

import { svg } from "./dom.js";

/** @typedef {import("./moves.js").Move} Move */

const ANCHOR = 24; // Pixels from the top of a card to the middle of its title.

export class Lines {
  /**
   * @param {HTMLElement} frame Holds both lists and the drawing between them.
   * @param {HTMLElement} left
   * @param {HTMLElement} right
   */
  constructor(frame, left, right) {
    this._frame = frame;
    this._lists = [left, right];
    this._drawing = svg("svg", { class: "lines", "aria-hidden": "true" });
    frame.append(this._drawing);
    /** @type {readonly Move[]} */
    this._moves = [];
    this._observer = new ResizeObserver(() => this.draw());
    for (const element of [frame, left, right]) this._observer.observe(element);
  }

  /** @param {readonly Move[]} moves */
  show(moves) {
    this._moves = moves;
    this.draw();
  }

  /** Draws anew, from where the cards are now. */
  draw() {
    const box = this._frame.getBoundingClientRect();
    this._drawing.setAttribute("width", String(box.width));
    this._drawing.setAttribute("height", String(box.height));
    this._drawing.replaceChildren(...this._moves.flatMap((move) => this._line(move, box)));
  }

  /** Ends the watch over the columns' sizes. */
  end() {
    this._observer.disconnect();
  }

  /**
   * Lets the line of one document stand out, and its cards.
   *
   * @param {string | null} id
   */
  pick(id) {
    this._frame.classList.toggle("picking", id !== null && this._moves.some((move) => move.id === id));
    const parts = [...this._drawing.children, ...this._lists.flatMap((list) => [...list.children])];
    for (const part of parts) part.classList.toggle("picked", id !== null && part.getAttribute("data-id") === id);
  }

  /**
   * @param {Move} move
   * @param {DOMRect} box
   * @returns {SVGElement[]}
   */
  _line(move, box) {
    const [from, to] = this._lists.map((list) => cardOf(list, move.id)?.getBoundingClientRect());
    if (!from || !to) return [];
    const [x1, x2] = [from.right - box.left, to.left - box.left];
    const [y1, y2] = [from.top - box.top + ANCHOR, to.top - box.top + ANCHOR];
    const bend = (x2 - x1) / 2;
    const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    return [svg("path", { d: path, class: `line ${direction(move.delta)}`, "data-id": move.id })];
  }
}

/**
 * @param {number} delta
 * @returns {"up" | "down" | "same"}
 */
export function direction(delta) {
  if (delta === 0) return "same";
  return delta > 0 ? "up" : "down";
}

/**
 * @param {HTMLElement} list
 * @param {string} id
 * @returns {Element | undefined}
 */
function cardOf(list, id) {
  return [...list.children].find((card) => card.getAttribute("data-id") === id);
}
