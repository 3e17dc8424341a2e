// Renders /openapi.json.

import { byId, make } from "./dom.js";

/** Text whose backticks enclose code. */
const written = (text) => (text || "").replace(/\s+/g, " ").split("`").map((piece, at) => (at % 2 ? make("code", {}, piece) : piece));

const paragraph = (text) => make("p", { class: "soft" }, ...written(text));

function type(schema) {
  if (!schema) return "";
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(type).join(" or ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of ${type(schema.items) || "any"}`;
  return schema.type || "any";
}

function table(head, rows) {
  if (rows.length === 0) return null;
  const line = (tag, cells) => make("tr", {}, ...cells.map((text) => make(tag, {}, ...written(text))));
  return make("table", { class: `of-${head.length}` }, make("thead", {}, line("th", head)), make("tbody", {}, ...rows.map((row) => line("td", row))));
}

function parameters(operation) {
  const rows = (operation.parameters || []).map((one) => [one.name, type(one.schema), String(one.schema.default ?? ""), one.description]);
  return table(["parameter", "type", "default", ""], rows);
}

function answers(operation, schemas) {
  const rows = Object.entries(operation.responses).map(([status, one]) => [status, one.description.split(".")[0]]);
  const good = operation.responses["200"]?.content?.["application/json"]?.schema?.$ref;
  const schema = good ? schemas[good.split("/").pop()] : null;
  const fields = schema ? Object.entries(schema.properties || {}).map(([name, one]) => [name, type(one), one.description]) : [];
  const shown = fields.length ? make("details", {}, make("summary", {}, "Fields of the answer"), table(["field", "type", ""], fields)) : null;
  return [table(["status", ""], rows), shown];
}

const EXAMPLES = {
  "/api/v1/context": "id=4f2a91c7-1234",
  "/api/v1/facets": "field=service",
  "/api/v1/stats": "q=* | stats count(), p95(duration_ms) by service",
};

function example(path, verb, operation) {
  const body = operation.requestBody?.content?.["application/x-ndjson"]?.example;
  const token = '-H "Authorization: Bearer $TAMIS_TOKEN"';
  if (body) return make("pre", {}, `curl ${token} --data-binary '${body.trim()}' ${window.location.origin}${path}`);
  if (verb === "put" || verb === "delete") return make("pre", {}, `curl ${token} -X ${verb.toUpperCase()} ${window.location.origin}${path}`);
  if (verb === "post") return make("pre", {}, `curl ${token} --json '{"q": "level:debug", "end": "-7d"}' ${window.location.origin}${path}`);
  return make("pre", {}, `curl -G ${token} ${window.location.origin}${path} --data-urlencode '${EXAMPLES[path] || "q=level>=warning"}'`);
}

function section(path, verbs, schemas) {
  const names = Object.keys(verbs);
  const verb = ["get", "post"].find((one) => verbs[one]) || names[0];
  const first = verbs[verb];
  return make("section", { id: path.replace(/\W+/g, "-") },
    make("h2", {}, ...names.map((verb) => make("span", { class: `verb ${verb}` }, verb.toUpperCase())), path),
    paragraph(first.description), parameters(first), example(path, verb, first), ...answers(first, schemas));
}

const answer = await fetch("/openapi.json");
const document_ = await answer.json();
for (const [path, verbs] of Object.entries(document_.paths).sort()) {
  const names = Object.keys(verbs);
  byId("index").append(make("a", { href: `#${path.replace(/\W+/g, "-")}` }, make("span", { class: `verb ${names[0]}` }, names[0].toUpperCase()), path));
  byId("operations").append(section(path, verbs, document_.components.schemas));
}
