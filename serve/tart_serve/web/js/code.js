/** Recognising code, and the little colouring that helps to read it. Any language with common words and quotes. */

/** @typedef {import("./highlight.js").Span} Span */
/** @typedef {import("./types.js").Hit} Hit */

const KEYWORDS =
  "and as async await bool break case catch char class const continue def default del do double elif else enum except " +
  "export extends False false finally float fn for from func function global if impl import in int interface is lambda " +
  "let long match mut new nil None nonlocal not null or package pass private protected pub public raise return self " +
  "static struct super switch this throw True true try type undefined use var void while with yield";
const TOKENS = new RegExp(
  [
    String.raw`(?<comment>(?<=^|\s)#[^\n]*|(?<=^[ \t]*|[;{}][ \t]*)//[^\n]*|/\*[\s\S]*?\*/)`,
    String.raw`(?<string>"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')`,
    String.raw`(?<number>\b\d[\w.]*)`,
    String.raw`(?<keyword>\b(?:${KEYWORDS.replaceAll(" ", "|")})\b)`,
  ].join("|"),
  "gm",
);
const CODE_LINE =
  /^\s*(?:(?:async\s+)?def \w+\(|class \w+.*:|from [\w.]+ import |import [\w.]+$|(?:export )?(?:async )?function\b|#include|@\w+|return\b.*[()[\]]|(?:const|let|var) \w+ =|(?:public|private|static) .*[({]|SELECT .* FROM )|[{;]\s*$|^\s*}\s*;?$/;
const CODE_WORDS = new Set(["code", "function", "method", "snippet", "source"]);
const PROSE_WORDS = new Set(["documentation", "guide", "doc", "docs", "page", "article"]);

/**
 * By its metadata where that tells, else by the looks of its lines.
 *
 * @param {Hit} hit
 * @returns {boolean}
 */
export function isCode(hit) {
  const said = [hit.metadata?.kind, hit.metadata?.type].filter((value) => typeof value === "string");
  if (said.some((value) => CODE_WORDS.has(value))) return true;
  if (said.some((value) => PROSE_WORDS.has(value))) return false;
  const lines = (hit.text ?? "").split("\n").filter((line) => line.trim()).slice(0, 30);
  return lines.filter((line) => CODE_LINE.test(line)).length * 4 > lines.length;
}

/**
 * @param {string} text
 * @returns {Span[]}
 */
export function codeTokens(text) {
  return [...text.matchAll(TOKENS)].map((match) => {
    const [name] = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined) ?? ["keyword"];
    return { start: match.index, end: match.index + match[0].length, name };
  });
}
