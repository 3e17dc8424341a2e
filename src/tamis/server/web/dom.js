// Small pieces of the page. Every text of a record goes in by textContent, so that none is ever read as HTML.

/** An element with properties and children; children that are no elements become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** The same for drawings. */
export function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

const FAMILIES = [
  ["critical", ["CRITICAL", "ALERT", "EMERGENCY"]],
  ["error", ["ERROR"]],
  ["warning", ["WARNING"]],
  ["info", ["INFO", "NOTICE"]],
  ["debug", ["DEBUG"]],
  ["trace", ["TRACE"]],
];

/** The family of a level, which decides its colour: `ERROR2` is an error. */
export function family(level) {
  const name = (level || "").replace(/[234]$/, "");
  const found = FAMILIES.find(([, names]) => names.includes(name));
  return found ? found[0] : "none";
}

export const FAMILY_ORDER = ["none", "trace", "debug", "info", "warning", "error", "critical"];

export const number = (count) => count.toLocaleString("en-US");

const two = (value) => String(value).padStart(2, "0");

/** A time of an answer on the reader's clock: date, time, three digits. */
export function clock(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const milliseconds = String(at.getMilliseconds()).padStart(3, "0");
  return `${day(at)} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`;
}

export const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

/** A mark on an axis: the day at midnight, else as much of the time as its step needs. */
export function mark(at, stepSeconds) {
  if (stepSeconds >= 86400 || (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0)) return day(at);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return stepSeconds >= 60 ? time : `${time}:${two(at.getSeconds())}`;
}

/** From one time to another, without what need not be said. */
export function span(start, end, stepSeconds) {
  const [from, to] = [new Date(start), new Date(end)];
  if (stepSeconds >= 86400) return `${day(from)} – ${day(to)}`;
  const length = stepSeconds >= 60 ? 16 : 19;
  const first = clock(from).slice(0, length);
  return `${first} – ${clock(to).slice(day(from) === day(to) ? 11 : 0, length)}`;
}

/** The reader's zone, as an offset. */
export function zone(at = new Date()) {
  const minutes = -at.getTimezoneOffset();
  const size = Math.abs(minutes);
  return minutes ? `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}` : "UTC";
}

/** Whether the click only ended a selection of text inside the element. */
export function selecting(element) {
  const chosen = window.getSelection();
  return !chosen.isCollapsed && element.contains(chosen.anchorNode);
}
