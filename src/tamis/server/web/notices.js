// What went wrong, what to know, and what to do when nothing was found.

import { Problem } from "./api.js";
import { byId, make } from "./dom.js";

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** An error, with its place in the query when it has one; `retry` asks again. */
export function showProblem(error, query, retry) {
  const box = byId("problem");
  const body = error instanceof Problem ? error.body : {};
  const text = error instanceof Problem ? error.message : "The server does not answer. Is it running?";
  box.replaceChildren(make("p", {}, body.reason ? sentence(body.reason) : text));
  if (body.column) box.append(placed(query, body.column - 1));
  else box.append(make("button", { class: "button", type: "button", onclick: retry }, "Try again"));
  if (body.column && body.suggestion) box.append(make("p", {}, body.suggestion));
  byId("q").classList.toggle("wrong", Boolean(body.column));
  byId("q").setAttribute("aria-invalid", String(Boolean(body.column)));
  box.hidden = false;
}

function placed(query, at) {
  const chars = Array.from(query);
  const here = make("span", { class: "here" }, chars[at] || " ");
  return make("pre", {}, chars.slice(0, at).join(""), here, chars.slice(at + 1).join(""), "\n", " ".repeat(at), make("span", { class: "caret" }, "▲"));
}

export function hideProblem() {
  byId("problem").hidden = true;
  byId("q").classList.remove("wrong");
  byId("q").removeAttribute("aria-invalid");
}

export function showWarnings(answer) {
  byId("warnings").hidden = answer.warnings.length === 0;
  byId("warnings").replaceChildren(...answer.warnings.map((text) => make("div", {}, text)));
}

/** Nothing found: a new server is told how to fill it, a narrow question how to widen it. */
export function empty({ q, start, end }, everywhere) {
  if (!q && !start && !end) {
    return make("div", { class: "empty" }, make("b", {}, "No records yet"), "Take in some files:", make("code", {}, "tamis ingest /var/log/*.log"));
  }
  const hint = start || end ? "Nothing in this time range matches." : "No record matches; try fewer conditions.";
  const button = start || end ? make("button", { class: "button", type: "button", onclick: everywhere }, "Search all time") : null;
  return make("div", { class: "empty" }, make("b", {}, "Nothing found"), hint, button);
}
