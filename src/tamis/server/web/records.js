// Records as rows that open.

import { ask } from "./api.js";
import { clock, family, make, selecting } from "./dom.js";
import { condition } from "./query.js";
import { finder, pieces } from "./text.js";

const CORE = ["message", "timestamp", "received", "level", "service", "host", "logger", "trace_id", "span_id", "correlation_id", "pattern", "id"];
const ROW_CHARS = 1000, CONDITION_CHARS = 1500;
const PLAIN = finder([]);

/** A record as a row; `add(text)` puts a condition into the query, `found` finds what to mark. */
export function recordRow(record, add, found = PLAIN) {
  const name = family(record.level);
  const text = (record.message || brief(record.attributes)).slice(0, ROW_CHARS);
  const row = make("button", { class: "row", type: "button", "aria-expanded": "false" },
    make("span", { class: `bar l-${name}` }),
    make("time", { datetime: record.timestamp, title: record.timestamp }, clock(record.timestamp)),
    make("span", { class: `level t-${name}` }, record.level || "–"),
    make("span", { class: "service", title: record.service || "" }, ...pieces(record.service || "–", PLAIN)),
    make("span", { class: "message" }, ...pieces(text, found)));
  const box = make("div", { class: "record" }, row);
  row.addEventListener("click", () => {
    if (selecting(row)) return;
    const open = box.classList.toggle("open");
    row.setAttribute("aria-expanded", String(open));
    if (open && box.children.length === 1) box.append(details(record, add, found));
    else if (box.children[1]) box.children[1].hidden = !open;
  });
  return box;
}

/** What stands in for a message that is empty. */
function brief(attributes) {
  return Object.entries(attributes || {}).slice(0, 8).map(([name, value]) => `${name}=${shown(value)}`).join(" ");
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function details(record, add, found) {
  const rows = CORE.filter((name) => record[name] !== null && record[name] !== undefined && record[name] !== "")
    .map((name) => fieldRow(name, record[name], record, { add, found: name === "message" ? found : PLAIN }));
  for (const [path, value] of leaves(record.attributes || {}, "")) rows.push(fieldRow(path, value, record, { add, found: PLAIN }));
  const neighbours = make("div", { class: "neighbours", hidden: true });
  const tools = make("div", { class: "tools" },
    make("button", { class: "button", type: "button", onclick: () => showNeighbours(record, neighbours, add) }, "Before and after"),
    make("button", { class: "button", type: "button", onclick: () => add(`pattern:${record.pattern}`) }, "Others like this"),
    make("a", { class: "button", href: `/?id=${encodeURIComponent(record.id)}` }, "Link"),
    make("button", { class: "button", type: "button", onclick: (event) => copy(JSON.stringify(record, null, 2), event.target) }, "Copy JSON"));
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

/** A field with its value, which asks for its like. What is too long for an address is only shown. */
function fieldRow(name, value, record, { add, found }) {
  const text = conditionOf(name, value, record);
  const isShort = text.length <= CONDITION_CHARS;
  const body = pieces(shown(value), found);
  const only = (event) => { if (!selecting(event.currentTarget)) add(text); };
  const shownValue = isShort
    ? make("button", { class: "value", type: "button", title: "Only records with this", onclick: only }, ...body)
    : make("div", { class: "value long", tabindex: "0" }, ...body);
  return make("tr", {}, make("td", {}, ...pieces(name, PLAIN)), make("td", {}, shownValue,
    isShort ? make("button", { class: "tool", type: "button", title: "Only records without this", onclick: () => add(`NOT ${text}`) }, "≠") : null,
    make("button", { class: "tool", type: "button", title: "Copy the value", onclick: (event) => copy(shown(value), event.target) }, "copy")));
}

function conditionOf(name, value, record) {
  if (name === "pattern") return `pattern:${value}`;
  if (name === "timestamp" || name === "received") return `${name}>="${value}"`;
  if (name === "id") return `pattern:${record.pattern}`;
  return condition(name, value);
}

async function showNeighbours(record, box, add) {
  if (!box.hidden) { box.hidden = true; return; }
  box.hidden = false;
  try {
    const answer = await ask("context", { id: record.id, before: 8, after: 8 });
    box.replaceChildren(...[...answer.before, answer.record, ...answer.after].map((one) => {
      const row = recordRow(one, add);
      if (one.id === record.id) row.classList.add("this");
      return row;
    }));
  } catch (error) {
    box.replaceChildren(make("p", { class: "soft" }, error.message));
  }
}

/** Copy, also where the browser gives the clipboard to secure addresses only. */
async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", {});
    area.value = text;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}
