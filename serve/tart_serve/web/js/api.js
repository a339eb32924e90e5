/** Requests to the service. Addresses are relative to the page, so that it works behind a path prefix. */

/** @typedef {import("./types.js").Fault} Fault */

const KEY = "tart.key";

/** A request that was not answered: by the service's own words, or because nothing answered at all. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where nothing answered.
   * @param {string} title
   * @param {string} detail
   * @param {{faults?: Fault[], retryAfter?: number, requestId?: string}} [more]
   */
  constructor(status, title, detail, { faults = [], retryAfter = 0, requestId = "" } = {}) {
    super(detail);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.faults = faults;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }
}

/** @returns {string} The key of this tab; empty where none was given. */
export function storedKey() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} key */
export function storeKey(key) {
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // A browser that keeps nothing asks again after the next reload.
  }
}

/** @returns {string} */
export function serviceAddress() {
  return new URL(".", location.href.split("#")[0]).href;
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function get(path, signal) {
  return send(path, { signal });
}

/**
 * @param {string} path
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return send(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>}
 */
async function send(path, init) {
  const headers = new Headers(init.headers);
  if (storedKey()) headers.set("Authorization", `Bearer ${storedKey()}`);
  try {
    const response = await fetch(path, { ...init, headers });
    if (!response.ok) throw await refusal(response);
    return await response.json();
  } catch (error) {
    if (error instanceof ApiError || init.signal?.aborted) throw error;
    throw new ApiError(0, "No answer", "The service cannot be reached. Is it running, and are you online?");
  }
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const title = typeof problem?.title === "string" ? problem.title : response.statusText || `Error ${response.status}`;
  const detail = typeof problem?.detail === "string" ? problem.detail : "The service gave no reason.";
  return new ApiError(response.status, title, detail, {
    faults: Array.isArray(problem?.errors) ? problem.errors : [],
    retryAfter: seconds(response.headers.get("Retry-After")),
    requestId: response.headers.get("X-Request-ID") ?? "",
  });
}

/**
 * @param {string | null} retryAfter Seconds, or a date (RFC 9110, section 10.2.3).
 * @returns {number}
 */
function seconds(retryAfter) {
  if (retryAfter === null) return 0;
  const value = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(value) && value > 0 ? Math.ceil(value) : 0;
}
