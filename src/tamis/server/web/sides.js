// The fields at the side, with their values.

import { ask } from "./api.js";
import { byId, make, number } from "./dom.js";
import { condition } from "./query.js";
import { facetRows } from "./tables.js";

const FIELDS = 40, VALUES = 12, VALUES_OF_FIELD = 8;
const KNOWN = new Set(["level", "service", "message"]);

/** Show levels, services and fields of what `asked` finds. `choice` is {toggle(text), isOn(text)}. */
export async function showSides(asked, choice, signal) {
  const [levels, services, fields] = await Promise.all([
    ask("facets", { ...asked, field: "level", limit: VALUES }, signal),
    ask("facets", { ...asked, field: "service", limit: VALUES }, signal),
    ask("fields", asked, signal),
  ]);
  byId("levels").replaceChildren(...facetRows(levels, choice, condition));
  byId("services").replaceChildren(...facetRows(services, choice, condition));
  const others = fields.fields.filter((one) => !KNOWN.has(one.name)).sort((a, b) => b.count - a.count).slice(0, FIELDS);
  const items = others.map((one) => fieldItem(one, asked, choice, signal));
  byId("fields").replaceChildren(...(items.length ? items : [make("li", { class: "none" }, "–")]));
}

function fieldItem(one, asked, choice, signal) {
  const values = make("ul", { class: "values", hidden: true });
  const open = () => toggleValues(values, button, () => ask("facets", { ...asked, field: one.name, limit: VALUES_OF_FIELD }, signal), choice);
  const button = make("button", { type: "button", class: "field", "aria-expanded": "false", onclick: open },
    make("span", { class: "label", title: one.name }, one.name), make("span", { class: "number" }, number(one.count)));
  return make("li", {}, button, values);
}

async function toggleValues(box, button, load, choice) {
  box.hidden = !box.hidden;
  button.setAttribute("aria-expanded", String(!box.hidden));
  if (box.hidden || box.children.length) return;
  try {
    box.replaceChildren(...facetRows(await load(), choice, condition));
  } catch (error) {
    if (error.name !== "AbortError") box.replaceChildren(make("li", { class: "none" }, error.message));
  }
}
