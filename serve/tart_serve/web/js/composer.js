/** The composer: an instruction from its three parts, intent, domain and unit. */

import { byId, h } from "./dom.js";

/** @typedef {import("./types.js").Served["vocabulary"]} Vocabulary */

const PARTS = /** @type {const} */ (["domain", "unit", "intent"]);
const SUGGESTED = 8;

/** @typedef {typeof PARTS[number]} Part */

export class Composer {
  /** @param {(text: string) => void} onUse */
  constructor(onUse) {
    this._dialog = /** @type {HTMLDialogElement} */ (byId("composer"));
    this._preview = byId("composer-preview");
    this._use = /** @type {HTMLButtonElement} */ (byId("composer-use"));
    this._onUse = onUse;
    for (const part of PARTS) this._field(part).addEventListener("input", () => this._show());
    byId("composer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this._dialog.close();
      onUse(this._text());
    });
  }

  /** @param {Vocabulary} vocabulary */
  open(vocabulary) {
    this._suggest("domain", vocabulary.domains);
    this._suggest("unit", vocabulary.units);
    this._suggest("intent", vocabulary.intents);
    this._show();
    this._dialog.showModal();
  }

  /**
   * @param {Part} part
   * @returns {HTMLInputElement}
   */
  _field(part) {
    return /** @type {HTMLInputElement} */ (byId(`composer-${part}`));
  }

  /**
   * @param {Part} part
   * @param {readonly string[]} words
   */
  _suggest(part, words) {
    byId(`composer-${part}-words`).replaceChildren(...words.map((word) => h("option", { value: word })));
    byId(`composer-${part}-chips`).replaceChildren(...words.slice(0, SUGGESTED).map((word) => this._chip(part, word)));
  }

  /**
   * @param {Part} part
   * @param {string} word
   * @returns {HTMLElement}
   */
  _chip(part, word) {
    const choose = () => {
      const field = this._field(part);
      field.value = field.value === word ? "" : word;
      this._show();
    };
    return h("button", { type: "button", class: "choice", "data-word": word, onclick: choose }, word);
  }

  /** @returns {string} */
  _text() {
    return composed(this._field("intent").value, this._field("domain").value, this._field("unit").value);
  }

  _show() {
    const text = this._text();
    this._preview.textContent = text || "Choose at least what the document should do.";
    this._preview.classList.toggle("muted", !text);
    this._use.disabled = !text;
    for (const part of PARTS) {
      for (const chip of byId(`composer-${part}-chips`).children) {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("data-word") === this._field(part).value));
      }
    }
  }
}

/**
 * The same words as the service's own `Instruction.compose`.
 *
 * @param {string} intent
 * @param {string} domain
 * @param {string} unit
 * @returns {string} Empty without an intent.
 */
export function composed(intent, domain, unit) {
  if (!intent.trim()) return "";
  const noun = [domain.trim(), unit.trim() || "document"].filter(Boolean).join(" ");
  const article = /^[aeiou]/i.test(noun) ? "an" : "a";
  return `Retrieve ${article} ${noun} that ${intent.trim()}`;
}
