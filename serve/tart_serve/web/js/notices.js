/** What stands in place of hits: while there are none yet, none at all, or something went wrong. */

import { h, icon } from "./dom.js";

/** @typedef {import("./api.js").ApiError} ApiError */
/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Instruction} Instruction */

/**
 * @typedef {object} NoticeEvents
 * @property {() => void} onRetry
 * @property {() => void} onKey
 * @property {() => void} onLoosen Takes filters and threshold away.
 */

/**
 * @param {State} state
 * @param {NoticeEvents} events
 * @returns {HTMLElement}
 */
export function noHits(state, events) {
  const narrowed = state.filters.length > 0 || state.threshold !== null;
  return h(
    "div",
    { class: "notice", "data-notice": "no-hits" },
    h("h2", {}, "No hits"),
    h("p", {}, narrowed ? "No document fits the filters and the score you ask for." : "The index gave nothing back for this query."),
    narrowed ? h("button", { type: "button", class: "secondary", onclick: events.onLoosen }, "Search without them") : null,
  );
}

/** @returns {HTMLElement} */
export function skeleton() {
  const card = () => h("div", { class: "skeleton" }, h("i", {}), h("i", {}), h("i", {}));
  return h("div", { "aria-hidden": "true" }, card(), card(), card());
}

/**
 * @param {ApiError} error
 * @param {NoticeEvents} events
 * @returns {HTMLElement}
 */
export function failure(error, events) {
  const actions = h("div", { class: "notice-actions" });
  const countdown = h("p", { class: "countdown", hidden: true });
  const notice = h(
    "div",
    { class: "notice error", role: "alert", "data-notice": `error-${error.status}` },
    h("h2", {}, icon("warning"), headline(error)),
    h("p", {}, error.detail),
    countdown,
    actions,
    error.requestId ? h("p", { class: "request-id" }, `Request ${error.requestId}`) : null,
  );
  if (error.status === 401 || error.status === 403) actions.append(button("Enter a key", events.onKey));
  else if (error.status !== 422) actions.append(button("Try again", events.onRetry));
  if (error.retryAfter > 0) countDown(error.retryAfter, notice, countdown, events.onRetry);
  return notice;
}

/**
 * @param {string} label
 * @param {() => void} onClick
 * @returns {HTMLElement}
 */
function button(label, onClick) {
  return h("button", { type: "button", class: "secondary", onclick: onClick }, label);
}

/**
 * @param {ApiError} error
 * @returns {string}
 */
function headline(error) {
  /** @type {Record<number, string>} */
  const words = {
    0: "The service does not answer",
    401: "A key is needed",
    403: "This key may not search here",
    404: "That is not served here",
    422: "The request cannot be answered as it stands",
    429: "The service is busy",
    503: "The service is not ready",
    504: "The search took too long",
  };
  return words[error.status] ?? error.title;
}

/**
 * Counts the seconds down and tries again then, as long as the notice is shown.
 *
 * @param {number} seconds
 * @param {HTMLElement} notice
 * @param {HTMLElement} line
 * @param {() => void} onRetry
 */
function countDown(seconds, notice, line, onRetry) {
  const end = Date.now() + seconds * 1000;
  line.hidden = false;
  line.textContent = inSeconds(seconds);
  const timer = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (!notice.isConnected) clearInterval(timer);
    else if (left > 0) line.textContent = inSeconds(left);
    else {
      clearInterval(timer);
      onRetry();
    }
  }, 250);
}

/**
 * @param {number} seconds
 * @returns {string}
 */
function inSeconds(seconds) {
  return `Tries again by itself in ${seconds} s.`;
}
