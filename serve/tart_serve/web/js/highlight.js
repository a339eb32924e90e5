/** Which parts of a text are words of the query, and text with such parts as elements. */

import { h } from "./dom.js";

/** @typedef {{start: number, end: number, name: string}} Span Half open; of class `name`. */

const COMMON = new Set(
  ("a an and are as at be but by can do does for from how i if in into is it its me my of on or our so that the their " +
    "them then there these this to was we what when where which who why will with you your").split(" "),
);
const ENDINGS = /(?:ies|ing|ed|es|s|y|e)$/;
const MOST_WORDS = 24;

/**
 * @param {string} query
 * @returns {RegExp | null} Finds the query's words by their stems; null where it has no word worth marking.
 */
export function wordPattern(query) {
  const stems = words(query).filter((word) => !COMMON.has(word)).map(stem);
  const distinct = [...new Set(stems)].slice(0, MOST_WORDS).sort((one, other) => other.length - one.length);
  if (distinct.length === 0) return null;
  return new RegExp(distinct.map(pattern).join("|"), "giu");
}

/**
 * @param {RegExp | null} pattern
 * @param {string} text
 * @returns {Span[]}
 */
export function marks(pattern, text) {
  if (pattern === null) return [];
  return [...text.matchAll(pattern)].map((match) => ({ start: match.index, end: match.index + match[0].length, name: "mark" }));
}

/**
 * @param {string} text
 * @param {Span[]} tokens In order, without overlap.
 * @param {Span[]} marked The same.
 * @returns {(Node | string)[]} The text in pieces, tokens as `span`, marked parts as `mark`.
 */
export function dressed(text, tokens, marked) {
  const cuts = [...tokens, ...marked].flatMap(({ start, end }) => [start, end]);
  const ends = [...new Set([...cuts, text.length])].filter((end) => end > 0).sort((one, other) => one - other);
  const [token, mark] = [follower(tokens), follower(marked)];
  let start = 0;
  return ends.map((end) => {
    const piece = text.slice(start, end);
    const name = token(start);
    const isMarked = mark(start) !== null;
    start = end;
    const inner = isMarked ? h("mark", {}, piece) : piece;
    return name === null ? inner : h("span", { class: `token-${name}` }, inner);
  });
}

/**
 * @param {Span[]} spans
 * @returns {(position: number) => string | null} The class at positions that only grow.
 */
function follower(spans) {
  let next = 0;
  return (position) => {
    while (next < spans.length && spans[next].end <= position) next += 1;
    return next < spans.length && spans[next].start <= position ? spans[next].name : null;
  };
}

/**
 * @param {string} text
 * @returns {string[]}
 */
function words(text) {
  const pieces = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text.toLowerCase());
  const found = [...pieces].filter((piece) => piece.isWordLike).flatMap((piece) => piece.segment.split(/[._]+/));
  return found.filter((word) => word.length > 1 || /[^\p{ASCII}]/u.test(word));
}

/**
 * @param {string} word
 * @returns {string}
 */
function stem(word) {
  const cut = word.replace(ENDINGS, "");
  return cut.length >= 4 ? cut : word;
}

/**
 * @param {string} word
 * @returns {string} From a word's start to its end; inside names such as `read_lines` as well.
 */
function pattern(word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (/[^\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{N}]/u.test(word)) return escaped;
  return word.length >= 4 ? `(?<!\\p{L})${escaped}\\p{L}{0,5}(?!\\p{L})` : `(?<!\\p{L})${escaped}(?!\\p{L})`;
}
