// Draws what the server said about one picture. Everything goes in as text, never as markup.

import { number, say, share } from "./say.js";

const SHOWN = 5; // names with a bar of their own
const SMALL = 128; // pixels across, under which they are shown as the squares that they are
const ENOUGH = 0.1; // probability of a name that can be asked about: of less, too little can be taken away

const at = (selector) => document.querySelector(selector);

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// The answer in a few words, for the heading and for who listens.
export function answerOf({ answer }) {
  if (answer.value !== undefined) return say("answer_number", { value: number(answer.value) });
  if (!answer.sure) return say("unsure");
  return likeliest(answer);
}

export function whyOf({ answer }, { threshold }) {
  if (answer.unlike) return answer.value !== undefined ? say("unlike_number") : say("unlike", { label: likeliest(answer) });
  if (answer.value !== undefined || answer.sure) return "";
  const values = { label: answer.label, share: share(answer.probability), threshold: share(threshold) };
  return say(answer.labels ? "unsure_labels" : "unsure_why", values);
}

function likeliest({ labels, label, probability }) {
  if (labels) return labels.length ? label : say("none");
  return say("answer", { label, share: share(probability) });
}

export function drawAnswer(entry, facts, lookFor) {
  const heading = at("#answer");
  const words = answerOf(entry);
  const { label, probability } = entry.answer;
  // The share of a single name stands lighter beside it.
  const split = words === say("answer", { label, share: share(probability ?? 0) });
  const lighter = () => make("span", { className: "share" }, share(probability));
  heading.replaceChildren(...(split ? [label, " ", lighter()] : [words]));
  heading.classList.toggle("unsure", entry.answer.sure === false || entry.answer.unlike === true);
  at("#why").textContent = whyOf(entry, facts);
  const bars = at("#bars");
  const drawn = `${entry.url} ${document.documentElement.lang}`;
  if (bars.dataset.of !== drawn) drawBars(bars, entry.answer, facts, lookFor);
  bars.dataset.of = drawn; // drawn once, so that a name that has the focus keeps it
}

function drawBars(bars, { top = [], labels }, { classes }, lookFor) {
  const count = labels ? Math.max(labels.length, SHOWN) : SHOWN;
  const shown = top.slice(0, count);
  bars.replaceChildren(...shown.map(([name, value]) => {
    const words = labels?.includes(name) ? `✓ ${name}` : name;
    if (value < ENOUGH) return barOf(words, value);
    const title = say("look_for", { label: name });
    const ask = make("button", { type: "button", className: "link", title }, words);
    ask.addEventListener("click", () => lookFor(name));
    return barOf(ask, value);
  }));
  bars.setAttribute("aria-label", say("bars"));
  bars.hidden = !shown.length;
  const others = classes.length - shown.length;
  if (!shown.length || others < 1) return;
  // Names of one picture share 1 among them; labels do not.
  const sum = shown.reduce((total, [, value]) => total + value, 0);
  const left = labels ? top[count][1] : Math.max(0, 1 - sum);
  const rest = barOf(say(labels ? "rest_labels" : "rest", { count: others }), left);
  rest.classList.add("rest");
  bars.append(rest);
}

function barOf(name, value) {
  const fill = make("span");
  fill.style.width = `${100 * value}%`;
  const bar = make("span", { className: "bar", ariaHidden: "true" }, fill);
  return make("li", {}, make("span", { className: "name" }, name), make("span", { className: "share" }, share(value)), bar);
}

export function drawFigures(entry) {
  const { view, name } = entry;
  const [height, width] = view.input;
  const seen = at("#seen img");
  const heat = entry.heat && !entry.heat.flat ? entry.heat.overlay : null;
  seen.src = heat ?? view.picture;
  seen.alt = heat ? say("look_alt", { name }) : say("seen_alt", { name, width, height });
  seen.classList.toggle("squares", !heat && width < SMALL);
  at("#seen b").textContent = say(heat ? "looked_at" : "seen");
  at("#seen figcaption span").textContent = say("pixels", { width, height });
  drawOriginal(entry);
}

// The picture as given, what is cut off shaded. A browser that cannot show it, or turns it another way, shows none.
function drawOriginal({ view, name, url }) {
  const figure = at("#yours");
  const image = at("#yours img");
  const [height, width] = view.size;
  const [top, left, rows, columns] = view.shown;
  image.alt = say("yours_alt", { name });
  const lost = 1 - (rows * columns) / (height * width);
  const key = lost > 0.0005 ? "cut" : { crop: "whole", pad: "pad", squish: "squish" }[view.fit];
  at("#yours figcaption span").textContent = say(key, { share: share(lost) });
  at("#yours .kept").hidden = key !== "cut";
  const kept = at("#yours .kept").style;
  Object.assign(kept, { top: `${(100 * top) / height}%`, height: `${(100 * rows) / height}%` });
  Object.assign(kept, { left: `${(100 * left) / width}%`, width: `${(100 * columns) / width}%` });
  const check = () => {
    const turned = image.naturalWidth * height - image.naturalHeight * width;
    figure.hidden = !image.naturalWidth || Math.abs(turned) > Math.max(height, width);
  };
  if (image.src === url) return;
  image.onload = check;
  image.onerror = () => { figure.hidden = true; };
  figure.hidden = false;
  image.src = url;
}

export function lookSays({ label, flat, largest }) {
  if (label === null) return say(flat ? "look_flat_number" : "look_number", { points: number(largest, 3) });
  return say(flat ? "look_flat" : "look_says", { label, points: number(100 * largest, 2) });
}
