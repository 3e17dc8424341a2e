// Patterns, tables and the lists at the side.

import { clock, family, FAMILY_ORDER, make, number, selecting } from "./dom.js";
import { finder, pieces } from "./text.js";

const PLAIN = finder([]), TITLE_CHARS = 2000;

const shareOf = (part, whole) => `${((part / whole) * 100).toLocaleString("en-US", { maximumSignificantDigits: 2 })} %`;

/** One pattern; a click asks for its records. `most` is the largest count, `total` that of all. */
export function patternRow(pattern, { most, total }, choose) {
  const levels = Object.entries(pattern.levels).map(([level, count]) => `${level || "no level"}: ${number(count)}`);
  const services = Object.entries(pattern.services).filter(([name]) => name).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const others = services.length > 2 ? ` +${services.length - 2}` : "";
  const parts = pattern.template.split("<*>").flatMap((piece, at) => (at ? [make("span", { class: "hole" }, "∗"), ...pieces(piece, PLAIN)] : pieces(piece, PLAIN)));
  return make("button", { class: "pattern", type: "button", title: pattern.example.slice(0, TITLE_CHARS), onclick: (event) => { if (!selecting(event.currentTarget)) choose(pattern.id); } },
    make("span", { class: "number" }, number(pattern.count), make("small", {}, shareOf(pattern.count, total))),
    make("span", { class: "share", title: levels.join("\n") }, ...shares(pattern.levels, most)),
    make("span", { class: "template" }, ...parts),
    make("span", { class: "seen", title: `first ${clock(pattern.first_seen)}\nlast ${clock(pattern.last_seen)}` },
      make("span", {}, services.slice(0, 2).join(", ") + others), make("small", {}, `last ${clock(pattern.last_seen).slice(0, -4)}`)));
}

/** The bar of a pattern: its levels, the worst first. */
function shares(levels, most) {
  const counts = {};
  for (const [level, count] of Object.entries(levels)) counts[family(level)] = (counts[family(level)] || 0) + count;
  return [...FAMILY_ORDER].reverse().filter((name) => counts[name]).map((name) => {
    const part = make("span", { class: `l-${name}` });
    part.style.width = `${Math.max(2, (counts[name] / most) * 100)}%`;
    return part;
  });
}

/** The table of `| stats`. */
export function statsTable(answer) {
  const isNumber = answer.columns.map((_, at) => answer.rows.some((row) => typeof row[at] === "number"));
  const side = (at) => (isNumber[at] ? "right" : "");
  const head = make("tr", {}, ...answer.columns.map((name, at) => make("th", { class: side(at) }, name)));
  const rows = answer.rows.map((row) => make("tr", {}, ...row.map((value, at) => make("td", { class: side(at) }, cell(value)))));
  return make("table", { class: "grid" }, make("thead", {}, head), make("tbody", {}, ...rows));
}

function cell(value) {
  if (value === null) return "–";
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The values of a field, most frequent first, as buttons that put their condition into the query or take it out. */
export function facetRows(answer, { toggle, isOn }, condition) {
  const row = (value, count, label) => {
    const text = condition(answer.field, value);
    const dot = answer.field === "level" && value !== null ? make("span", { class: `dot l-${family(value)}` }) : null;
    return make("li", {}, make("button", { type: "button", "aria-pressed": String(isOn(text)), onclick: () => toggle(text) },
      dot, label, make("span", { class: "number" }, number(count))));
  };
  const rows = answer.values.map(({ value, count }) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return row(value, count, make("span", { class: "label", title: text }, text || "(empty)"));
  });
  if (answer.other) rows.push(make("li", { class: "none rest" }, make("span", { class: "label" }, "others"), make("span", { class: "number" }, number(answer.other))));
  if (answer.missing) rows.push(row(null, answer.missing, make("span", { class: "label none" }, "without")));
  if (rows.length === 0) rows.push(make("li", { class: "none" }, "–"));
  return rows;
}
