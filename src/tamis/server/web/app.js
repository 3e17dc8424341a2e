// The search page: what is asked stands in the address, so that every view is a link.

import { ask } from "./api.js";
import { byId, family, make, number, span, zone } from "./dom.js";
import { drawHistogram } from "./histogram.js";
import { listen } from "./keys.js";
import { empty, hideProblem, showProblem, showWarnings } from "./notices.js";
import { showPinned } from "./pinned.js";
import { has, narrowed, split, toggled, words } from "./query.js";
import { recordRow } from "./records.js";
import { showSides } from "./sides.js";
import { patternRow, statsTable } from "./tables.js";
import { finder } from "./text.js";

const PAGE = 100, PATTERNS = 200;
const state = { q: "", start: "", end: "", tab: "records", id: "", asOf: "", idWith: "" };
let running = new AbortController();
let cursor = null;
let histogram = null;
let found = finder([]);

const plain = () => ({ q: state.q, start: state.start, end: state.end });
/** What is asked; of a link that says as of when, only what was there then. */
const params = () => (state.asOf && state.idWith === asked() ? { ...plain(), as_of: state.asOf } : plain());
const filterOnly = () => ({ ...params(), q: split(state.q)[0] });

/** Take what is asked from the address. */
function readAddress() {
  const given = new URLSearchParams(window.location.search);
  state.q = given.get("q") || "";
  state.start = given.get("start") || "";
  state.end = given.get("end") || "";
  state.tab = given.get("tab") || "records";
  state.id = given.get("id") || "";
  state.asOf = given.get("as_of") || "";
  state.idWith = asked();
}

/** The record of the address is shown, and the moment of the address holds, as long as nothing else is asked. */
const asked = () => JSON.stringify(plain());

/** Put what is asked into the address. */
function writeAddress() {
  const given = new URLSearchParams();
  if (state.idWith !== asked()) state.id = state.asOf = "";
  if (state.id) given.set("id", state.id);
  for (const name of ["q", "start", "end"]) if (state[name]) given.set(name, state[name]);
  if (state.asOf) given.set("as_of", state.asOf);
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
  if (known) byId("custom").hidden = true;
  byId("change").hidden = known;
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
  document.body.classList.add("busy");
  const began = performance.now();
  try {
    byId("pinned").hidden = true;
    const pinned = state.id ? [showPinned(state.id, byId("pinned"), { add, signal })] : [];
    await Promise.all([...pinned, showMain(signal, isTable), showChart(signal), showSides(filterOnly(), choice, signal)]);
    hideProblem();
    document.body.classList.remove("stale");
    byId("took").textContent = `${Math.round(performance.now() - began)} ms · times in ${zone()}`;
  } catch (error) {
    if (!signal.aborted) fail(error, search);
  } finally {
    if (!signal.aborted) document.body.classList.remove("busy");
  }
}

/** Say what went wrong; what was found before stays, dimmed. */
function fail(error, retry) {
  running.abort();
  document.body.classList.remove("busy");
  document.body.classList.add("stale");
  showProblem(error, state.q, retry);
}

async function showMain(signal, isTable) {
  byId("more").replaceChildren();
  if (isTable) {
    const answer = await ask("stats", params(), signal);
    byId("table").replaceChildren(answer.rows.length ? statsTable(answer) : nothing());
    showWarnings(answer);
  } else if (state.tab === "patterns") await showPatterns(signal);
  else await showRecords(signal);
  document.body.classList.remove("blank");
}

async function showRecords(signal) {
  const answer = await ask("search", { ...params(), q: withoutFields(state.q), limit: PAGE }, signal);
  const box = byId("records");
  found = finder(words(state.q));
  box.replaceChildren(...answer.records.map((record) => recordRow(record, add, found)));
  if (answer.records.length === 0) box.replaceChildren(nothing());
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
  const { signal } = running;
  try {
    const answer = await ask("search", { ...params(), q: withoutFields(state.q), limit: PAGE, cursor: from }, signal);
    byId("records").append(...answer.records.map((record) => recordRow(record, add, found)));
    cursor = answer.next_cursor;
    showEnd(byId("records").children.length);
  } catch (error) {
    if (error.name === "AbortError") return;
    cursor = from;
    byId("more").replaceChildren(`${error.message} `, make("button", { class: "button", type: "button", onclick: showMore }, "Try again"));
  }
}

function showEnd(count) {
  if (cursor !== null) byId("more").replaceChildren(make("button", { class: "button", type: "button", onclick: showMore }, "Show more"));
  else byId("more").replaceChildren(count > 20 ? "That is all." : "");
}

async function showPatterns(signal) {
  const answer = await ask("patterns", { ...filterOnly(), limit: PATTERNS }, signal);
  const most = answer.patterns.length ? answer.patterns[0].count : 1;
  const choose = (id) => { state.tab = "records"; add(`pattern:${id}`); };
  const total = answer.patterns.reduce((sum, one) => sum + one.count, answer.unmatched);
  const rows = answer.patterns.map((pattern) => patternRow(pattern, { most, total }, choose));
  byId("patterns").replaceChildren(...(rows.length ? rows : [nothing()]));
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
  const { buckets, interval_s: step } = answer;
  const [first, last] = buckets.length ? [buckets[0].start, ending(Date.parse(buckets[buckets.length - 1].start), step * 1000)] : [];
  byId("span").textContent = buckets.length ? `${span(answer.start || first, answer.end || last, step)} · ${duration(step)} a bar` : "";
  const families = ["critical", "error", "warning", "info", "debug", "trace", "none"].filter((name) => totals[name]);
  byId("legend").replaceChildren(...families.map((name) => make("span", {}, make("i", { class: `dot l-${name}` }), `${name === "none" ? "no level" : name} ${number(totals[name])}`)));
}

/** Where a last bar ends; it goes no further than now, unless its records do. */
const ending = (start, length) => (Date.now() > start ? Math.min(Date.now(), start + length) : start + length);

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

/** Add a condition to the query and ask. */
function add(text) {
  state.q = narrowed(byId("q").value, text);
  search();
  window.scrollTo({ top: 0 });
}

/** What a value at the side does: it puts its condition into the query, or takes it out. */
const choice = {
  isOn: (text) => has(state.q, text),
  toggle: (text) => {
    state.q = toggled(byId("q").value, text);
    search();
  },
};

function everywhere() {
  Object.assign(state, { start: "", end: "" });
  search();
}

const nothing = () => empty(state, everywhere);

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
  Object.assign(state, { q: byId("q").value.trim(), start: byId("from").value.trim(), end: byId("to").value.trim() });
  search();
});
byId("custom-clear").addEventListener("click", everywhere);
byId("change").addEventListener("click", () => {
  byId("custom").hidden = !byId("custom").hidden;
  if (!byId("custom").hidden) byId("from").focus();
});
for (const tab of ["records", "patterns"]) {
  byId(`tab-${tab}`).addEventListener("click", () => {
    state.tab = tab;
    if (split(state.q)[1]) state.q = split(state.q)[0];
    search();
  });
}
listen();
document.addEventListener("click", (event) => {
  const menu = byId("export-menu");
  if (menu.open && !menu.querySelector("summary").contains(event.target)) menu.open = false;
});
new IntersectionObserver((entries) => { if (entries[0].isIntersecting && state.tab === "records") showMore(); }, { rootMargin: "300px" }).observe(byId("more"));
new ResizeObserver(redraw).observe(byId("histogram"));
window.addEventListener("popstate", () => { readAddress(); search(); });
readAddress();
search();
