// The search page: what is asked stands in the address, so that every view is a link.

import { ask, Problem } from "./api.js";
import { byId, family, make, number } from "./dom.js";
import { drawHistogram } from "./histogram.js";
import { condition, narrowed, split } from "./query.js";
import { recordRow } from "./records.js";
import { facetRows, patternRow, statsTable } from "./tables.js";

const PAGE = 100, PATTERNS = 200, FIELDS = 40;
const state = { q: "", start: "", end: "", tab: "records" };
let running = new AbortController();
let cursor = null;
let histogram = null;

const params = () => ({ q: state.q, start: state.start, end: state.end });
const filterOnly = () => ({ ...params(), q: split(state.q)[0] });

/** Take what is asked from the address. */
function readAddress() {
  const given = new URLSearchParams(window.location.search);
  state.q = given.get("q") || "";
  state.start = given.get("start") || "";
  state.end = given.get("end") || "";
  state.tab = given.get("tab") || "records";
}

/** Put what is asked into the address. */
function writeAddress() {
  const given = new URLSearchParams();
  for (const name of ["q", "start", "end"]) if (state[name]) given.set(name, state[name]);
  if (state.tab === "patterns") given.set("tab", "patterns");
  const text = given.toString();
  const url = text ? `/?${text}` : "/";
  if (url !== window.location.pathname + window.location.search) window.history.pushState(null, "", url);
}

function showForm() {
  byId("q").value = state.q;
  const range = byId("range");
  const known = !state.end && [...range.options].some((option) => option.value === state.start && option.value !== "custom");
  range.value = known ? state.start : "custom";
  byId("custom").hidden = known;
  byId("from").value = state.start;
  byId("to").value = state.end;
  document.title = state.q ? `${state.q} · Tamis` : "Tamis";
  for (const link of document.querySelectorAll("[data-format]")) {
    const given = Object.entries({ ...params(), format: link.dataset.format }).filter(([, value]) => value);
    link.setAttribute("href", `/api/v1/export?${new URLSearchParams(given)}`);
    link.setAttribute("download", "");
  }
}

/** Ask anew for everything that the page shows. */
async function search() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const stages = split(state.q)[1];
  const isTable = /^\|\s*stats\b/.test(stages);
  if (/^\|\s*patterns\b/.test(stages)) state.tab = "patterns";
  writeAddress();
  showForm();
  byId("tab-table").hidden = !isTable;
  showTab(isTable ? "table" : state.tab === "table" ? "records" : state.tab);
  document.querySelector(".results").classList.add("busy");
  const began = performance.now();
  try {
    await Promise.all([showMain(signal, isTable), showChart(signal), showSides(signal)]);
    hideProblem();
    byId("took").textContent = `${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    if (error.name !== "AbortError") showProblem(error);
  } finally {
    if (!signal.aborted) document.querySelector(".results").classList.toggle("busy", !byId("problem").hidden);
  }
}

async function showMain(signal, isTable) {
  byId("more").replaceChildren();
  if (isTable) {
    const answer = await ask("stats", params(), signal);
    byId("table").replaceChildren(answer.rows.length ? statsTable(answer) : empty());
    showWarnings(answer);
  } else if (state.tab === "patterns") await showPatterns(signal);
  else await showRecords(signal);
}

async function showRecords(signal) {
  const answer = await ask("search", { ...params(), q: withoutFields(state.q), limit: PAGE }, signal);
  const box = byId("records");
  box.replaceChildren(...answer.records.map((record) => recordRow(record, add)));
  if (answer.records.length === 0) box.replaceChildren(empty());
  cursor = answer.next_cursor;
  showEnd(answer.records.length);
  showWarnings(answer);
}

/** Rows open on all fields, so `| fields` has nothing to leave out here. */
const withoutFields = (query) => query.replace(/\|\s*fields\s[^|]*$/, "");

async function showMore() {
  if (cursor === null) return;
  const from = cursor;
  cursor = null;
  const answer = await ask("search", { ...params(), q: withoutFields(state.q), limit: PAGE, cursor: from }, running.signal);
  byId("records").append(...answer.records.map((record) => recordRow(record, add)));
  cursor = answer.next_cursor;
  showEnd(byId("records").children.length);
}

function showEnd(count) {
  if (cursor !== null) byId("more").replaceChildren(make("button", { class: "button", type: "button", onclick: showMore }, "Show more"));
  else byId("more").replaceChildren(count > 20 ? "That is all." : "");
}

async function showPatterns(signal) {
  const answer = await ask("patterns", { ...filterOnly(), limit: PATTERNS }, signal);
  const most = answer.patterns.length ? answer.patterns[0].count : 1;
  const choose = (id) => { state.tab = "records"; add(`pattern:${id}`); };
  const rows = answer.patterns.map((pattern) => patternRow(pattern, most, choose));
  byId("patterns").replaceChildren(...(rows.length ? rows : [empty()]));
  byId("more").replaceChildren(answer.unmatched ? `${number(answer.unmatched)} records in rarer patterns` : "");
  showWarnings(answer);
}

async function showChart(signal) {
  const answer = await ask("histogram", filterOnly(), signal);
  histogram = answer;
  redraw();
  const totals = {};
  let total = 0;
  for (const bucket of answer.buckets) {
    for (const [level, count] of Object.entries(bucket.counts)) {
      totals[family(level)] = (totals[family(level)] || 0) + count;
      total += count;
    }
  }
  byId("count").textContent = `${number(total)} ${total === 1 ? "record" : "records"}`;
  byId("span").textContent = answer.buckets.length ? `${duration(answer.interval_s)} a bar` : "";
  const families = ["critical", "error", "warning", "info", "debug", "trace", "none"].filter((name) => totals[name]);
  byId("legend").replaceChildren(...families.map((name) => make("span", {}, make("i", { class: `dot l-${name}` }), `${name === "none" ? "no level" : name} ${number(totals[name])}`)));
}

const duration = (seconds) => [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]
  .filter(([size]) => seconds >= size && seconds % size === 0).map(([size, unit]) => `${seconds / size} ${unit}`)[0] || `${seconds * 1000} ms`;

function redraw() {
  if (histogram) drawHistogram(byId("histogram"), byId("tip"), histogram, chooseRange);
}

function chooseRange(start, end) {
  state.start = new Date(start).toISOString();
  state.end = new Date(end).toISOString();
  search();
}

async function showSides(signal) {
  const [levels, services, fields] = await Promise.all([
    ask("facets", { ...filterOnly(), field: "level", limit: 12 }, signal),
    ask("facets", { ...filterOnly(), field: "service", limit: 12 }, signal),
    ask("fields", filterOnly(), signal),
  ]);
  byId("levels").replaceChildren(...facetRows(levels, add, condition));
  byId("services").replaceChildren(...facetRows(services, add, condition));
  const known = new Set(["level", "service", "message"]);
  const others = fields.fields.filter((one) => !known.has(one.name)).sort((a, b) => b.count - a.count).slice(0, FIELDS);
  byId("fields").replaceChildren(...others.map(fieldItem));
}

function fieldItem(one) {
  const values = make("ul", { class: "values", hidden: true });
  const button = make("button", { type: "button", "aria-expanded": "false", onclick: () => toggleValues(one.name, values, button) },
    make("span", { class: "label", title: one.name }, one.name), make("span", { class: "number" }, number(one.count)));
  return make("li", {}, button, values);
}

async function toggleValues(field, box, button) {
  box.hidden = !box.hidden;
  button.setAttribute("aria-expanded", String(!box.hidden));
  if (box.hidden || box.children.length) return;
  const answer = await ask("facets", { ...filterOnly(), field, limit: 8 }, running.signal);
  box.replaceChildren(...facetRows(answer, add, condition));
}

/** Add a condition to the query and ask. */
function add(text) {
  state.q = narrowed(byId("q").value, text);
  search();
  window.scrollTo({ top: 0 });
}

function empty() {
  return make("div", { class: "empty" }, make("b", {}, "Nothing found"), "Try a longer time range, or fewer words.");
}

function showWarnings(answer) {
  byId("warnings").hidden = answer.warnings.length === 0;
  byId("warnings").replaceChildren(...answer.warnings.map((text) => make("div", {}, text)));
}

function showProblem(error) {
  const box = byId("problem");
  const body = error instanceof Problem ? error.body : {};
  box.replaceChildren(make("p", {}, body.reason ? sentence(body.reason) : error.message));
  if (body.column) {
    const chars = Array.from(state.q);
    const at = body.column - 1;
    const here = make("span", { class: "here" }, chars[at] || " ");
    box.append(make("pre", {}, chars.slice(0, at).join(""), here, chars.slice(at + 1).join(""), "\n", " ".repeat(at), make("span", { class: "caret" }, "▲")));
    if (body.suggestion) box.append(make("p", {}, body.suggestion));
  }
  byId("q").classList.toggle("wrong", Boolean(body.column));
  box.hidden = false;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function hideProblem() {
  byId("problem").hidden = true;
  byId("q").classList.remove("wrong");
}

function showTab(name) {
  for (const tab of ["records", "patterns", "table"]) {
    byId(tab).hidden = tab !== name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
  }
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  state.q = byId("q").value.trim();
  search();
});
byId("range").addEventListener("change", (event) => {
  if (event.target.value === "custom") {
    byId("custom").hidden = false;
    byId("from").focus();
    return;
  }
  Object.assign(state, { q: byId("q").value.trim(), start: event.target.value, end: "" });
  search();
});
byId("custom").addEventListener("submit", (event) => {
  event.preventDefault();
  Object.assign(state, { start: byId("from").value.trim(), end: byId("to").value.trim() });
  search();
});
byId("custom-clear").addEventListener("click", () => { Object.assign(state, { start: "", end: "" }); search(); });
for (const tab of ["records", "patterns"]) {
  byId(`tab-${tab}`).addEventListener("click", () => {
    state.tab = tab;
    if (split(state.q)[1]) state.q = split(state.q)[0];
    search();
  });
}
document.addEventListener("keydown", (event) => {
  const writing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId("q").focus();
    byId("q").select();
  } else if (event.key === "Escape" && writing) document.activeElement.blur();
});
document.addEventListener("click", (event) => {
  const menu = byId("export-menu");
  if (menu.open && !menu.querySelector("summary").contains(event.target)) menu.open = false;
});
new IntersectionObserver((entries) => { if (entries[0].isIntersecting && state.tab === "records") showMore(); }, { rootMargin: "300px" }).observe(byId("more"));
new ResizeObserver(redraw).observe(byId("histogram"));
window.addEventListener("popstate", () => { readAddress(); search(); });
readAddress();
search();
