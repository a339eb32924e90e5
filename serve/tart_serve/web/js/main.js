/** The page, put together. */

import { ApiError } from "./api.js";
import { Composer } from "./composer.js";
import { Controls, storedInstructions } from "./controls.js";
import { byId, counted, redraw } from "./dom.js";
import { facets, showFacets } from "./facets.js";
import { clearFaults, markFaults } from "./faults.js";
import { showFilterChips } from "./filter_chips.js";
import { FilterEntry } from "./filter_entry.js";
import { withComparison } from "./filters.js";
import { meant } from "./instruction_box.js";
import { KeyDialog } from "./key_dialog.js";
import { bindKeys, moveToColumn, moveToHit, unfoldHit } from "./keyboard.js";
import { Results } from "./results.js";
import { Search } from "./search.js";
import { askKeys, askServed, NOTHING_KNOWN } from "./served.js";
import { SnippetDialog } from "./snippet_dialog.js";
import { fromHash, MOST_HITS, sameInstruction, toHash } from "./state.js";
import { flipTheme } from "./theme.js";
import { examples, welcome } from "./welcome.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").SideName} SideName */
/** @typedef {import("./types.js").Comparison} Comparison */

class Page {
  constructor() {
    this._state = fromHash(location.hash);
    this._served = NOTHING_KNOWN;
    /** By index, once it was asked for them. @type {Map<string, import("./types.js").KeyFacts[]>} */
    this._keys = new Map();
    this._search = new Search(() => this._showResults());
    this._controls = new Controls({ onCommit: (patch) => this._commit(patch), onCompose: (side) => this._compose(side) });
    this._results = new Results({
      onRetry: () => this._run(),
      onKey: () => this._keyDialog.open(),
      onLoosen: () => this._commit({ filters: [], threshold: null }),
      onFilter: (added) => this._add(added),
    });
    this._entry = new FilterEntry((added) => this._add(added));
    this._keyDialog = new KeyDialog(() => this._start());
    this._snippets = new SnippetDialog();
    /** @type {SideName} */
    this._composed = "left";
    this._composer = new Composer((text) => this._controls.boxes[this._composed].choose({ kind: "text", text }));
    this._listen();
  }

  /** Asks the service what it has, and what the address says. */
  async _start() {
    this._show();
    if (!this._state.query) this._controls.query.focus();
    try {
      this._served = await askServed();
      await this._restore();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this._keyDialog.open();
    }
    byId("page").setAttribute("aria-busy", "false");
  }

  /**
   * What the reader asked for becomes the state, an entry of the history, and a search.
   *
   * @param {Partial<State>} patch
   */
  _commit(patch) {
    const before = this._state;
    this._state = fitting({ ...before, ...this._controls.drafts, pages: 1, ...patch }, before, this._served);
    if (toHash(this._state) !== toHash(before)) history.pushState(null, "", toHash(this._state) || location.pathname);
    this._show();
    void this._run();
    if (!this._state.query) this._controls.query.focus();
  }

  /** @param {Comparison} added */
  _add(added) {
    this._commit({ filters: withComparison(this._state.filters, added) });
  }

  async _run() {
    clearFaults();
    if (this._state.query) await this._search.run(this._state);
    else this._search.clear();
  }

  _more() {
    const shown = this._results.columns.left.list.children.length;
    this._state = { ...this._state, pages: this._state.pages + 1 };
    history.replaceState(null, "", toHash(this._state));
    void this._search.more(this._state).then(() => {
      const next = this._results.columns.left.list.children[shown];
      if (next instanceof HTMLElement) next.focus({ preventScroll: true });
    });
  }

  _show() {
    const { query } = this._state;
    document.title = query ? `${query} · tart` : "tart · search that is told what to find";
    this._controls.show(this._state, this._served);
    showFilterChips(this._state.filters, (filters) => this._commit({ filters }));
    byId("welcome").hidden = query !== "";
    byId("page").classList.toggle("asking", query !== "");
    if (!query) this._showWelcome();
    this._showFacets();
  }

  _showWelcome() {
    const offered = examples(storedInstructions(this._state, this._served), this._served.examples);
    const compare = () => this._compare();
    redraw(byId("welcome"), welcome(offered, (instruction) => this._controls.boxes.left.choose(instruction), compare));
  }

  _showFacets() {
    const index = this._state.index || this._served.names[0];
    if (index !== undefined) void this._learnKeys(index);
    const hits = new Map(this._search.all.flatMap((side) => side.hits.map((hit) => [hit.id, hit])));
    const found = facets([...hits.values()], this._keys.get(index) ?? []);
    showFacets(found, { filters: this._state.filters, onFilters: (filters) => this._commit({ filters }) });
    this._entry.show(found);
  }

  /** @param {string} index */
  async _learnKeys(index) {
    if (this._keys.has(index) || !this._state.query) return;
    this._keys.set(index, []);
    this._keys.set(index, await askKeys(index));
    this._showFacets();
  }

  _showResults() {
    this._results.show(this._search);
    this._showFacets();
    byId("progress").hidden = !this._search.isWaiting;
    for (const [name, side] of Object.entries(this._search.sides)) {
      if (side.status !== "failed" || !side.error) continue;
      markFaults(side.error.faults, /** @type {SideName} */ (name));
      if (side.error.status === 401) this._keyDialog.open();
    }
    if (!this._search.isWaiting) byId("status").textContent = spoken(this._search);
  }

  /** @param {SideName} side */
  _compose(side) {
    this._composed = side;
    this._composer.open(this._served.vocabulary);
  }

  _toggleCompare() {
    if (this._state.compare) this._commit({ compare: false });
    else this._compare();
  }

  /** Two sides that ask the same show nothing: the right one then begins with an instruction that is stored. */
  _compare() {
    const { left, right } = { ...this._state, ...this._controls.drafts };
    const stored = storedInstructions(this._state, this._served);
    const [name] = Object.keys(stored.named);
    const same = sameInstruction(meant(left, stored), meant(right, stored));
    this._commit(same && name !== undefined ? { compare: true, right: { kind: "named", name } } : { compare: true });
  }

  _toggleRefine() {
    const isOpen = byId("page").classList.toggle("refining");
    byId("refine-toggle").setAttribute("aria-expanded", String(isOpen));
  }

  _listen() {
    const help = /** @type {HTMLDialogElement} */ (byId("help"));
    /** @type {Record<string, () => void>} */
    const clicks = {
      compare: () => this._toggleCompare(),
      copy: () => this._snippets.open(this._state),
      "help-open": () => help.showModal(),
      more: () => this._more(),
      "refine-toggle": () => this._toggleRefine(),
      skip: () => byId("results").focus(),
      theme: flipTheme,
    };
    for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
    for (const button of document.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog")?.close());
    }
    addEventListener("popstate", () => this._restore());
    this._bindKeys(help);
  }

  /** @param {HTMLDialogElement} help */
  _bindKeys(help) {
    const focus = (/** @type {HTMLElement & {select(): void}} */ field) => (/** @type {KeyboardEvent} */ event) => {
      event.preventDefault();
      field.focus();
      field.select();
    };
    bindKeys({
      "/": focus(this._controls.query),
      i: focus(this._controls.boxes.left.field),
      j: (event) => moveToHit(event, 1),
      ArrowDown: (event) => isOnHit() && moveToHit(event, 1),
      k: (event) => moveToHit(event, -1),
      ArrowUp: (event) => isOnHit() && moveToHit(event, -1),
      h: (event) => moveToColumn(event, "left"),
      ArrowLeft: (event) => moveToColumn(event, "left"),
      l: (event) => moveToColumn(event, "right"),
      ArrowRight: (event) => moveToColumn(event, "right"),
      Enter: unfoldHit,
      c: () => this._toggleCompare(),
      t: flipTheme,
      "?": () => help.showModal(),
    });
  }

  /** What the address says: at the start, and after back and forward. */
  async _restore() {
    this._state = this._named(fromHash(location.hash));
    this._show();
    await this._run();
  }

  /**
   * @param {State} state
   * @returns {State} The same; where several indexes are served, one of them must be named.
   */
  _named(state) {
    const { names } = this._served;
    return names.length > 1 && !state.index ? { ...state, index: names[0] } : state;
  }
}

/** @returns {boolean} Elsewhere the arrow keys scroll, as always. */
function isOnHit() {
  return document.activeElement?.classList.contains("hit") ?? false;
}

/**
 * Another index has other metadata and other named instructions.
 *
 * @param {State} state
 * @param {State} before
 * @param {import("./types.js").Served} served
 * @returns {State}
 */
function fitting(state, before, served) {
  const pages = Math.min(state.pages, Math.ceil(MOST_HITS / state.topK));
  if (state.index === before.index) return { ...state, pages };
  const { named } = storedInstructions(state, served);
  const [left, right] = [state.left, state.right].map((one) =>
    one.kind === "named" && !(one.name in named) ? /** @type {const} */ ({ kind: "default" }) : one,
  );
  return { ...state, pages, left, right, filters: [] };
}

/**
 * @param {Search} search
 * @returns {string} For screen readers.
 */
function spoken(search) {
  const [left, right] = search.all;
  if (!left || left.status !== "done") return "";
  if (right) return byId("result-count").textContent ?? "";
  return left.hits.length ? `${counted(left.hits.length, "hit")} for ${search.state?.query}` : "No hits";
}

void new Page()._start();
