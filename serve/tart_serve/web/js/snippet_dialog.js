/** The dialog that shows the current request as curl or Python, to copy. */

import { serviceAddress, storedKey } from "./api.js";
import { byId } from "./dom.js";
import { searchBody } from "./search_body.js";
import { asCurl, asPython } from "./snippets.js";

/** @typedef {import("./types.js").State} State */

const FORMS = { curl: asCurl, python: asPython };

export class SnippetDialog {
  constructor() {
    this._dialog = /** @type {HTMLDialogElement} */ (byId("snippets"));
    this._form = /** @type {HTMLFormElement} */ (byId("snippet-form"));
    this._text = byId("snippet-text");
    this._copy = byId("snippet-copy");
    /** @type {State | null} */
    this._state = null;
    this._form.addEventListener("change", () => this._show());
    this._copy.addEventListener("click", () => this._copyText());
  }

  /** @param {State} state */
  open(state) {
    this._state = state;
    byId("snippet-sides").hidden = !state.compare;
    this._show();
    this._dialog.showModal();
  }

  _show() {
    if (this._state === null) return;
    const chosen = new FormData(this._form);
    const side = this._state.compare && chosen.get("side") === "right" ? "right" : "left";
    const body = searchBody(this._state, this._state[side], 0, this._state.topK * this._state.pages);
    const form = chosen.get("form") === "python" ? "python" : "curl";
    this._text.textContent = FORMS[form](serviceAddress(), body, storedKey() !== "");
    this._copy.textContent = "Copy";
  }

  async _copyText() {
    const isCopied = await copied(this._text);
    this._copy.textContent = isCopied ? "Copied" : "Press Ctrl+C";
  }
}

/**
 * @param {HTMLElement} element
 * @returns {Promise<boolean>} Whether its text was copied; it is selected where the browser does not let the page copy.
 */
async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(element);
    return false;
  }
}
