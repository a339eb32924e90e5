/** Asks for an API key. It is kept for this tab only, and sent to nobody but the service. */

import { storedKey, storeKey } from "./api.js";
import { byId } from "./dom.js";

export class KeyDialog {
  /** @param {() => void} onKey Called with the key stored. */
  constructor(onKey) {
    this._dialog = /** @type {HTMLDialogElement} */ (byId("key-dialog"));
    this._field = /** @type {HTMLInputElement} */ (byId("key"));
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      storeKey(this._field.value.trim());
      this._dialog.close();
      onKey();
    });
    byId("key-cancel").addEventListener("click", () => this._dialog.close());
  }

  /** Asks, unless it asks already. */
  open() {
    if (this._dialog.open) return;
    byId("key-refused").hidden = !storedKey();
    this._field.value = "";
    this._dialog.showModal();
    this._field.focus();
  }
}
