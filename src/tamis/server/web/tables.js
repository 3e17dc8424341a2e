// Patterns, tables and the lists at the side.

import { clock, family, FAMILY_ORDER, make, number } from "./dom.js";

/** One pattern; a click asks for its records. */
export function patternRow(pattern, most, choose) {
  const share = make("span", { class: "share", title: Object.entries(pattern.levels).map(([level, count]) => `${level || "no level"}: ${number(count)}`).join("\n") });
  const counts = {};
  for (const [level, count] of Object.entries(pattern.levels)) counts[family(level)] = (counts[family(level)] || 0) + count;
  for (const name of [...FAMILY_ORDER].reverse()) {
    if (!counts[name]) continue;
    const part = make("span", { class: `l-${name}` });
    part.style.width = `${Math.max(2, (counts[name] / most) * 100)}%`;
    share.append(part);
  }
  const pieces = pattern.template.split("<*>").flatMap((piece, at) => (at ? [make("span", { class: "hole" }, "∗"), piece] : [piece]));
  const services = Object.keys(pattern.services).filter(Boolean);
  return make("button", { class: "pattern", type: "button", title: pattern.example, onclick: () => choose(pattern.id) },
    make("span", { class: "number" }, number(pattern.count)), share,
    make("span", { class: "template" }, ...pieces),
    make("span", { class: "seen", title: `last seen ${clock(pattern.last_seen)}` }, services.slice(0, 2).join(", ") + (services.length > 2 ? ` +${services.length - 2}` : "")));
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

/** The values of a field, most frequent first, as buttons; the rest as one line. */
export function facetRows(answer, add, condition) {
  const rows = answer.values.map(({ value, count }) => make("li", {}, make("button", { type: "button", onclick: () => add(condition(answer.field, value)) },
    answer.field === "level" ? make("span", { class: `dot l-${family(value)}` }) : null,
    make("span", { class: "label", title: String(value) }, typeof value === "string" ? value : JSON.stringify(value)),
    make("span", { class: "number" }, number(count)))));
  if (answer.missing) {
    rows.push(make("li", {}, make("button", { type: "button", onclick: () => add(condition(answer.field, null)) },
      make("span", { class: "label none" }, "without"), make("span", { class: "number" }, number(answer.missing)))));
  }
  if (rows.length === 0) rows.push(make("li", { class: "none" }, "–"));
  return rows;
}
