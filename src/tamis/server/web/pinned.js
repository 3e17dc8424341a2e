// One record that the address names, with what stands around it in its service and host.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { recordRow } from "./records.js";

const AROUND = 8;

/** Show the record in the box, open, between its neighbours; say so when it is not there. */
export async function showPinned(id, box, { add, signal }) {
  box.hidden = false;
  try {
    const answer = await ask("context", { id, before: AROUND, after: AROUND }, signal);
    const rows = [...answer.before, answer.record, ...answer.after].map((one) => {
      const row = recordRow(one, add);
      if (one.id === answer.record.id) {
        row.classList.add("this");
        row.firstChild.click();
      }
      return row;
    });
    box.replaceChildren(make("div", { class: "neighbours" }, ...rows));
  } catch (error) {
    if (!signal.aborted) box.replaceChildren(make("p", { class: "soft" }, error.message));
  }
}
