/** The search that is shown: one column of results, or two. A reply that comes too late is never shown. */

import { ApiError, post } from "./api.js";
import { searchBody } from "./search_body.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Side} Side */
/** @typedef {import("./types.js").SideName} SideName */

export class Search {
  /** @param {() => void} onChange Called whenever a side changed. */
  constructor(onChange) {
    this._onChange = onChange;
    this._abort = new AbortController();
    /** @type {State | null} */
    this.state = null;
    /** @type {Partial<Record<SideName, Side>>} */
    this.sides = {};
  }

  /** @returns {Side[]} */
  get all() {
    return [this.sides.left, this.sides.right].filter((side) => side !== undefined);
  }

  /** @returns {boolean} */
  get isWaiting() {
    return this.all.some((side) => side.status === "waiting" || side.loadingMore);
  }

  /** Forgets everything; requests in flight are given up. */
  clear() {
    this._abort.abort();
    this.state = null;
    this.sides = {};
    this._onChange();
  }

  /**
   * Gives up what is in flight and asks anew. The old hits stay until the new ones are there.
   *
   * @param {State} state
   * @returns {Promise<void>}
   */
  async run(state) {
    this._abort.abort();
    this._abort = new AbortController();
    this.state = state;
    /** @type {SideName[]} */
    const names = state.compare ? ["left", "right"] : ["left"];
    this.sides = Object.fromEntries(names.map((name) => [name, { ...blank(), ...kept(this.sides[name]) }]));
    this._onChange();
    await Promise.all(names.map((name) => this._ask(name, state, 0, state.topK * state.pages)));
  }

  /**
   * Asks for the next page of each side.
   *
   * @param {State} state The same search, its number of pages one more.
   * @returns {Promise<void>}
   */
  async more(state) {
    this.state = state;
    const open = Object.entries(this.sides).filter(([, side]) => side.reply?.has_more && !side.loadingMore);
    for (const [, side] of open) side.loadingMore = true;
    this._onChange();
    await Promise.all(
      open.map(([name, side]) => this._ask(/** @type {SideName} */ (name), state, side.hits.length, state.topK)),
    );
  }

  /**
   * @param {SideName} name
   * @param {State} state
   * @param {number} offset
   * @param {number} count
   */
  async _ask(name, state, offset, count) {
    const { signal } = this._abort;
    const side = /** @type {Side} */ (this.sides[name]);
    const started = performance.now();
    try {
      const reply = await post("v1/search", searchBody(state, state[name], offset, count), signal);
      if (signal.aborted) return;
      const hits = offset ? [...side.hits, ...reply.data] : reply.data;
      Object.assign(side, { status: "done", hits, reply, error: null, roundTrip: performance.now() - started });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      Object.assign(side, { status: "failed", error });
    }
    side.loadingMore = false;
    this._onChange();
  }
}

/** @returns {Side} */
function blank() {
  return { status: "waiting", hits: [], reply: null, roundTrip: 0, error: null, loadingMore: false };
}

/**
 * @param {Side | undefined} side
 * @returns {Partial<Side>}
 */
function kept(side) {
  return side?.status === "failed" || !side ? {} : { hits: side.hits, reply: side.reply, roundTrip: side.roundTrip };
}
