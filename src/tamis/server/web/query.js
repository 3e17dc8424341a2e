// Conditions as text of the query language.

const PLAIN_NAME = /^[A-Za-z_@$][\w.@$-]*$/;
const ESCAPES = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r" };

/** A text in quotes, as the language reads it. */
export function quoted(text) {
  // eslint-disable-next-line no-control-regex
  const body = text.replace(/[\x00-\x1f"\\\x7f-\x9f\u2028\u2029]/g, (char) =>
    ESCAPES[char] || "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
  return `"${body}"`;
}

const name = (field) => (PLAIN_NAME.test(field) ? field : quoted(field));

/** The condition that a field has exactly this value; a missing one is asked for as missing, a list by its first. */
export function condition(field, value) {
  if (value === null || value === undefined) return `NOT ${name(field)}:*`;
  if (typeof value === "number" || typeof value === "boolean") return `${name(field)}:=${quoted(String(value))}`;
  if (field === "level" && /^[A-Z]+[234]?$/.test(value)) return `level:${value}`;
  if (Array.isArray(value)) return value.length ? condition(field, value[0]) : `${name(field)}:*`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `${name(field)}:=${/^[\w-]+$/.test(text) ? text : quoted(text)}`;
}

/** A query, split before its stages (a `|` that stands in no quotes). */
export function split(query) {
  let inside = false;
  for (let at = 0; at < query.length; at += 1) {
    if (query[at] === "\\") at += 1;
    else if (query[at] === '"') inside = !inside;
    else if (query[at] === "|" && !inside) return [query.slice(0, at).trim(), query.slice(at)];
  }
  return [query.trim(), ""];
}

/** The query with one more condition before its stages. */
export function narrowed(query, extra) {
  const [filter, stages] = split(query);
  if (filter.includes(extra)) return query;
  const whole = /\sOR\s/.test(filter) ? `(${filter})` : filter;
  const kept = whole === "*" ? "" : whole;
  return [kept, extra, stages].filter(Boolean).join(" ");
}
