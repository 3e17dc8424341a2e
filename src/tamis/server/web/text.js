// Texts of records as pieces of the page: what was asked for is marked, what hides or turns letters is named.

import { make } from "./dom.js";

const ODD = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]";
const WORDS_MAX = 20;

/** What finds the words in a text, and the characters that nobody would see. */
export function finder(words) {
  const plain = [...words].sort((a, b) => b.length - a.length).slice(0, WORDS_MAX)
    .map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(plain.length ? `(${plain.join("|")})|${ODD}` : `()${ODD}`, "giu");
}

/** The text as nodes. */
export function pieces(text, found) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(found)) {
    if (match.index > from) nodes.push(text.slice(from, match.index));
    nodes.push(match[1] ? make("mark", {}, match[1]) : make("span", { class: "odd" }, named(match[0].codePointAt(0))));
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}

/** As a program would write it. */
function named(code) {
  const digits = code.toString(16);
  return code < 0x20 ? `\\x${digits.padStart(2, "0")}` : `U+${digits.toUpperCase().padStart(4, "0")}`;
}
