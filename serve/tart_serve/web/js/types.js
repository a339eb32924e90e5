/**
 * The shapes that several modules share; there is no code here.
 *
 * @typedef {string | number | boolean} Scalar
 * @typedef {"eq" | "ne" | "gt" | "gte" | "lt" | "lte"} Operator
 * @typedef {{type: Operator, key: string, value: Scalar}} Comparison
 *
 * What the reader asks for: the index's default, nothing, one of the index's named instructions, or own words.
 * @typedef {{kind: "default"} | {kind: "none"} | {kind: "named", name: string} | {kind: "text", text: string}} Instruction
 *
 * @typedef {"left" | "right"} SideName
 *
 * Everything that decides what the page shows; it stands in the address.
 * @typedef {object} State
 * @property {string} query
 * @property {Instruction} left
 * @property {Instruction} right Used in compare mode only.
 * @property {boolean} compare
 * @property {string} index Empty for the first one.
 * @property {Comparison[]} filters
 * @property {number} topK Hits a page.
 * @property {number} pages How many pages are shown.
 * @property {number | null} threshold
 * @property {boolean} rerank
 *
 * @typedef {object} Hit
 * @property {number} rank
 * @property {string} id
 * @property {number} score
 * @property {number} [retrieval_score]
 * @property {string} [title]
 * @property {string} [text]
 * @property {Record<string, unknown>} [metadata]
 *
 * @typedef {object} Reply
 * @property {Hit[]} data
 * @property {boolean} has_more
 * @property {string} model
 * @property {string} instruction_applied
 * @property {{name: string, version: string, fingerprint: string}} index
 * @property {Record<string, number>} timing_ms
 * @property {string} request_id
 *
 * @typedef {{pointer: string, detail: string}} Fault
 *
 * What the service says of itself.
 * @typedef {object} Served
 * @property {string[]} names Of the indexes.
 * @property {Record<string, {default: string, named: Record<string, string>}>} instructions By index.
 * @property {{intents: string[], domains: string[], units: string[]}} vocabulary
 * @property {string[]} examples
 * @property {boolean | null} rerank Whether a reranker is served; null where that is not known.
 *
 * What an index says of a key of its documents' metadata.
 * @typedef {object} KeyFacts
 * @property {string} key
 * @property {Record<string, number>} types How many documents have a value of which type.
 * @property {{value: Scalar, documents: number}[] | null} values All of them, where they are few.
 *
 * One column of results.
 * @typedef {object} Side
 * @property {"waiting" | "done" | "failed"} status
 * @property {Hit[]} hits
 * @property {Reply | null} reply The latest.
 * @property {number} roundTrip Milliseconds of the latest.
 * @property {import("./api.js").ApiError | null} error
 * @property {boolean} loadingMore
 */
export {};
