// Records as rows that open.

import { ask } from "./api.js";
import { clock, family, make } from "./dom.js";
import { condition } from "./query.js";

const CORE = ["timestamp", "received", "level", "service", "host", "logger", "message", "trace_id", "span_id", "correlation_id", "pattern", "id"];

/** A record as a row; `add(text)` puts a condition into the query. */
export function recordRow(record, add) {
  const name = family(record.level);
  const row = make("button", { class: "row", type: "button", "aria-expanded": "false" },
    make("span", { class: `bar l-${name}` }),
    make("time", { datetime: record.timestamp, title: record.timestamp }, clock(record.timestamp)),
    make("span", { class: `level t-${name}` }, record.level || "–"),
    make("span", { class: "service", title: record.service || "" }, record.service || "–"),
    make("span", { class: "message" }, record.message || brief(record.attributes)));
  const box = make("div", { class: "record" }, row);
  row.addEventListener("click", () => {
    const open = box.classList.toggle("open");
    row.setAttribute("aria-expanded", String(open));
    if (open && box.children.length === 1) box.append(details(record, add));
    else if (box.children[1]) box.children[1].hidden = !open;
  });
  return box;
}

/** What stands in for a message that is empty. */
function brief(attributes) {
  return Object.entries(attributes || {}).slice(0, 8).map(([name, value]) => `${name}=${shown(value)}`).join(" ");
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function details(record, add) {
  const rows = CORE.filter((name) => record[name] !== null && record[name] !== undefined && record[name] !== "")
    .map((name) => fieldRow(name, record[name], record, add));
  for (const [path, value] of leaves(record.attributes || {}, "")) rows.push(fieldRow(path, value, record, add));
  const neighbours = make("div", { class: "neighbours", hidden: true });
  const tools = make("div", { class: "tools" },
    make("button", { class: "button", type: "button", onclick: () => showNeighbours(record, neighbours, add) }, "Before and after"),
    make("button", { class: "button", type: "button", onclick: () => add(`pattern:${record.pattern}`) }, "Others like this"),
    make("button", { class: "button", type: "button", onclick: (event) => copy(record, event.target) }, "Copy JSON"));
  return make("div", { class: "details" }, make("table", {}, make("tbody", {}, ...rows)), tools, neighbours);
}

/** Attributes by the names that a query uses: nested objects with dots. */
function* leaves(attributes, before) {
  for (const [name, value] of Object.entries(attributes)) {
    const path = before + name;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) yield* leaves(value, `${path}.`);
    else yield [CORE.includes(path) ? `attributes.${path}` : path, value];
  }
}

function fieldRow(name, value, record, add) {
  const text = text_of(name, value, record);
  return make("tr", {}, make("td", {}, name), make("td", {},
    make("button", { class: "value", type: "button", title: "Add to the query", onclick: () => add(text) }, shown(value)),
    make("button", { class: "without", type: "button", title: "Leave out of the query", onclick: () => add(`NOT ${text}`) }, "≠")));
}

function text_of(name, value, record) {
  if (name === "pattern") return `pattern:${value}`;
  if (name === "timestamp" || name === "received") return `${name}>="${value}"`;
  if (name === "id") return `pattern:${record.pattern}`;
  return condition(name, value);
}

async function showNeighbours(record, box, add) {
  if (!box.hidden) { box.hidden = true; return; }
  const answer = await ask("context", { id: record.id, before: 8, after: 8 });
  const rows = [...answer.before, answer.record, ...answer.after].map((one) => {
    const row = recordRow(one, add);
    if (one.id === record.id) row.classList.add("this");
    return row;
  });
  box.replaceChildren(...rows);
  box.hidden = false;
}

async function copy(record, button) {
  await navigator.clipboard.writeText(JSON.stringify(record, null, 2));
  button.textContent = "Copied";
}
