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

/** The conditions that a filter joins, with their places: parted by white space outside quotes and brackets. */
function conditions(filter) {
  const found = [];
  let depth = 0, inside = false, from = null;
  const close = (at) => {
    if (from === null) return;
    const last = found[found.length - 1];
    const text = filter.slice(from, at);
    if (last?.text === "NOT") Object.assign(last, { text: `NOT ${text}`, to: at });
    else found.push({ text, from, to: at });
    from = null;
  };
  for (let at = 0; at < filter.length; at += 1) {
    const char = filter[at];
    if (!inside && depth === 0 && /\s/.test(char)) { close(at); continue; }
    if (from === null) from = at;
    if (char === "\\") at += 1;
    else if (char === '"') inside = !inside;
    else if (!inside && /[([{]/.test(char)) depth += 1;
    else if (!inside && /[)\]}]/.test(char)) depth -= 1;
  }
  close(filter.length);
  return found;
}

const isEither = (all) => all.some((one) => one.text === "OR");

/** Where in the query the condition stands by itself; null when it is none that all records must meet. */
function place(query, text) {
  const all = conditions(split(query)[0]);
  return isEither(all) ? null : all.find((one) => one.text === text) || null;
}

export const has = (query, text) => place(query, text) !== null;

/** The query with one more condition before its stages. */
export function narrowed(query, extra) {
  if (has(query, extra)) return query;
  const [filter, stages] = split(query);
  const whole = isEither(conditions(filter)) ? `(${filter})` : filter;
  const kept = whole === "*" ? "" : whole;
  return [kept, extra, stages].filter(Boolean).join(" ");
}

/** The query with the condition, or without it when it has it. */
export function toggled(query, text) {
  const found = place(query, text);
  if (!found) return narrowed(query, text);
  const [filter, stages] = split(query);
  const left = [filter.slice(0, found.from).trim(), filter.slice(found.to).trim()].filter((one) => one && one !== "AND");
  return [...(left.length || !stages ? left : ["*"]), stages].filter(Boolean).join(" ").replace(/^AND\s+|\s+AND$/g, "");
}

/** The words and phrases that a query looks for in messages, to mark them there. */
export function words(query) {
  const found = [];
  let isSkipped = false;
  for (const [token] of split(query)[0].matchAll(/"(?:[^"\\]|\\.)*"|[^\s()"]+/g)) {
    const isName = /^-?[\w.@$/-]+(:|[<>]=?)[=~]?/.exec(token);
    const text = /^message:~?[^=]/.test(token) ? token.replace(/^message:~?/, "") : token;
    if (isSkipped || (isName && text === token) || /^(NOT|AND|OR|-.*)$/.test(token)) {
      isSkipped = token === "NOT" || (isName !== null && isName[0] === token && token !== "message:");
      continue;
    }
    const plain = text.startsWith('"') ? text.slice(1, -1).replace(/\\(["\\/])/g, "$1") : text.replace(/\*$/, "");
    if (/[\p{L}\p{N}]/u.test(plain)) found.push(plain);
  }
  return found;
}
