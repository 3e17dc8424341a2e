// The keyboard: / writes a query, arrows or j and k walk through the rows, Enter opens one, Escape leaves.

import { byId } from "./dom.js";

const rows = () => [...document.querySelectorAll(".list:not([hidden]) > .record > .row, .list:not([hidden]) > .pattern")];

function walk(by) {
  const all = rows();
  const at = all.findIndex((row) => row.parentElement.contains(document.activeElement) && (row.matches(".row") || row === document.activeElement));
  const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))];
  if (next) next.focus();
}

const STEPS = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 };

function pressed(event) {
  const active = document.activeElement;
  const isWriting = /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  const isArrow = event.key.startsWith("Arrow");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && isWriting) active.blur();
  else if (event.key === "/" && !isWriting) {
    event.preventDefault();
    byId("q").focus();
    byId("q").select();
  } else if (event.key in STEPS && (isArrow ? active.matches("#q, .row, .pattern") : !isWriting)) {
    if (active.id === "q" && event.key !== "ArrowDown") return;
    event.preventDefault();
    walk(STEPS[event.key]);
  }
}

export const listen = () => document.addEventListener("keydown", pressed);
