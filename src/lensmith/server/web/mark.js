// The question what a picture does show, as the task has it: one name, some of several, or a number.

import { make } from "./draw.js";
import { list, number, say } from "./say.js";

const NAME = "right-name"; // the words of the question

export function askRight(place, { answer }, { task, feedback }) {
  if (task === "regression") {
    const field = make("input", { type: "number", step: "any", required: true });
    place.replaceChildren(field);
  } else if (task === "multilabel") {
    place.replaceChildren(...feedback.map((name) => {
      const box = make("input", { type: "checkbox", value: name, checked: answer.labels.includes(name) });
      return make("label", { className: "choice" }, box, name);
    }));
  } else {
    const first = make("option", { value: "", disabled: true, selected: true }, say("right_choose"));
    const options = feedback.map((name) => make("option", { value: name }, name));
    place.replaceChildren(make("select", { required: true }, first, ...options));
  }
  for (const field of place.querySelectorAll("select, [type=number]")) field.setAttribute("aria-labelledby", NAME);
}

// What was chosen: as the server wants it, and in words.
export function rightOf(place, task) {
  if (task === "regression") {
    const { value, valueAsNumber } = place.querySelector("input");
    return { query: `value=${encodeURIComponent(value)}`, words: number(valueAsNumber) };
  }
  const names = [...place.querySelectorAll("select, input:checked")].map((one) => one.value);
  const query = names.map((name) => `label=${encodeURIComponent(name)}`).join("&");
  return { query, words: names.length ? list(names) : say("none") };
}
