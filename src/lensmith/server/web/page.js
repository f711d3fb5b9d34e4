// From pictures that a person gives to what the model says of them. What is shown follows from `state` alone.

import { ask, keepToken, openReport, Trouble } from "./ask.js";
import { answerOf, drawAnswer, drawFigures, lookSays, make, whyOf } from "./draw.js";
import { askRight, rightOf } from "./mark.js";
import { list, number, say, sayPage, sentences, share, switchLanguage } from "./say.js";

const NAMES = 12; // classes named at the top
const KEPT = 24; // pictures that can be gone back to
const MB = 2 ** 20;
const state = { facts: null, entries: [], current: null, status: null, troubles: [], tokenWrong: false };
let waiting = Promise.resolve();

const at = (selector) => document.querySelector(selector);

async function start() {
  state.troubles = [];
  try {
    state.facts = await ask("v1/page");
    state.tokenWrong = false;
  } catch (trouble) {
    fail(trouble, start);
  }
  render();
  if (!state.facts) at("#token-value").focus();
}

// Pictures are asked about one after the other, each once the one before has its answer.
function give(files) {
  const pictures = [...files];
  if (!state.facts) return;
  state.troubles = [];
  if (!pictures.length) fail(new Trouble("no_file"));
  for (const file of pictures) {
    const entry = { file, name: file.name || "picture", url: URL.createObjectURL(file) };
    waiting = waiting.then(() => answerFor(entry));
  }
  render();
}

async function answerFor(entry) {
  if (!state.facts) return; // the token went meanwhile
  state.status = ["looking_at", { name: entry.name }];
  render();
  try {
    const body = await bytesOf(entry);
    entry.answer = await ask("v1/predict", body, sayBusy);
    entry.view = await ask("v1/view", body, sayBusy);
    remember(entry);
    state.status = null;
  } catch (trouble) {
    state.status = null;
    state.current = null; // no earlier answer stands under what is said of this picture
    fail(trouble, () => answerFor(entry), entry);
  }
  render();
}

function remember(entry) {
  state.current = entry;
  state.entries = [entry, ...state.entries.filter((other) => other !== entry)];
  for (const old of state.entries.splice(KEPT)) URL.revokeObjectURL(old.url);
}

// Read here and not on the way out, so that a file that is gone is not taken for a server that is.
async function bytesOf({ file, name }) {
  const most = state.facts.most;
  if (file.size > most) throw new Trouble("too_large");
  try {
    return await file.arrayBuffer();
  } catch {
    throw new Trouble("unreadable", `${name} is no longer there`);
  }
}

function sayBusy() {
  state.status = ["busy", {}];
  render();
}

function fail(found, again = null, entry = null) {
  const trouble = found instanceof Trouble ? found : new Trouble("failed", String(found));
  if (trouble.key === "token") {
    state.tokenWrong = Boolean(at("#token-value").value);
    state.facts = null;
    return;
  }
  const retry = ["gone", "busy_still", "slow", "failed"].includes(trouble.key) ? again : null;
  state.troubles.push({ key: trouble.key, detail: trouble.detail, again: retry, entry });
}

async function tryAgain() {
  const all = state.troubles.map((trouble) => trouble.again).filter(Boolean);
  state.troubles = [];
  for (const again of all) await again();
}

// Where the likeliest name rests, or the one that is named; asked again, the colours go.
async function look(label = "") {
  const entry = state.current;
  if (entry.looking) return;
  entry.explained ??= new Map();
  state.troubles = [];
  const found = entry.explained.get(label);
  if (found) entry.heat = entry.heat === found ? null : found;
  else await explain(entry, label);
  render();
}

async function explain(entry, label) {
  entry.looking = true;
  render();
  try {
    const query = label ? `?label=${encodeURIComponent(label)}` : "";
    entry.heat = await ask(`v1/explain${query}`, await bytesOf(entry));
    for (const key of [label, entry.heat.label]) entry.explained.set(key, entry.heat);
  } catch (trouble) {
    fail(trouble, () => look(label), entry);
  }
  entry.looking = false;
}

async function mark(event) {
  event.preventDefault();
  const entry = state.current;
  const { query, words } = rightOf(at("#right"), state.facts.task);
  state.troubles = [];
  try {
    await ask(`v1/feedback?${query}`, await bytesOf(entry));
    entry.marked = words;
    entry.marking = false;
  } catch (trouble) {
    fail(trouble, null, entry);
  }
  render();
  if (!entry.marking) at("#wrong").focus();
}

function render() {
  const { facts, current } = state;
  at("#token").hidden = facts !== null || state.troubles.length > 0;
  at("#token-wrong").textContent = state.tokenWrong ? say("token_wrong") : "";
  at("#give").hidden = facts === null;
  at("#result").hidden = facts === null || current === null;
  at("#report").hidden = !facts?.report;
  renderStatus();
  if (facts) renderFacts(facts);
  if (facts && current) renderCurrent(current, facts);
  renderEarlier();
}

function renderFacts(facts) {
  document.body.classList.toggle("asked", state.entries.length > 0);
  const shown = facts.classes.slice(0, NAMES);
  const more = facts.classes.length - shown.length;
  const names = more ? say("lead_more", { names: list(shown), more }) : list(shown);
  const about = say(`lead_${facts.task}`, { count: number(facts.classes.length), names });
  at("#lead").textContent = sentences(about, measuredOf(facts));
  const most = number(facts.most / MB, 3);
  at("#limits").textContent = sentences(say("limits", { most }), facts.feedback && say("limits_feedback"));
}

function measuredOf({ measured }) {
  if (!measured?.held_out || !["accuracy", "mean_ap", "mae"].includes(measured.figure)) return "";
  const form = measured.figure === "accuracy" ? share : number;
  const figures = [measured.value, measured.low, measured.high];
  const [value, low, high] = figures.map((one) => (one === null ? "–" : form(one)));
  return say(`measured_${measured.figure}`, { count: number(measured.count, 9), value, low, high });
}

function renderStatus() {
  const { status, troubles, current, facts } = state;
  const answered = current && !troubles.length ? `${answerOf(current)}. ${whyOf(current, facts)}` : "";
  at("#said").textContent = facts ? (status ? say(...status) : answered) : "";
  at("#said").classList.toggle("unseen", !status);
  document.body.classList.toggle("waiting", Boolean(status));
  at("#trouble").hidden = !troubles.length;
  const said = new Map(troubles.map((trouble) => [wordsOf(trouble), trouble.detail])); // each once
  at("#troubles").replaceChildren(...[...said].flatMap(([words, detail]) => [
    make("p", {}, words),
    make("p", { className: "hint", lang: "en" }, detail),
  ]));
  at("#again").hidden = !troubles.some((trouble) => trouble.again);
}

function wordsOf({ key, entry }) {
  const [size, most] = [entry?.file.size ?? 0, state.facts?.most ?? 0].map((bytes) => number(bytes / MB, 3));
  return say(key, { name: entry?.name, size, most });
}

function renderCurrent(entry, facts) {
  drawAnswer(entry, facts, look);
  drawFigures(entry);
  at("#look").setAttribute("aria-disabled", String(Boolean(entry.looking))); // disabled, it would lose the focus
  at("#look").textContent = say(entry.looking ? "look_busy" : entry.heat && !entry.heat.flat ? "look_plain" : "look");
  at("#looked").textContent = entry.heat ? lookSays(entry.heat) : "";
  at("#wrong").hidden = facts.feedback === null;
  at("#wrong").setAttribute("aria-expanded", String(Boolean(entry.marking)));
  at("#mark").hidden = !entry.marking;
  at("#marked").textContent = entry.marked ? say("saved", { label: entry.marked }) : "";
  const asked = entry.marking ? entry.url : "";
  if (asked && at("#mark").dataset.of !== asked) askRight(at("#right"), entry, facts);
  at("#mark").dataset.of = asked; // what is chosen already stays when all is drawn again
}

function renderEarlier() {
  const others = state.entries.filter((entry) => entry !== state.current);
  at("#earlier").hidden = !state.facts || !others.length;
  at("#earlier ul").replaceChildren(...others.map((entry) => {
    const picture = make("img", { src: entry.view.picture, alt: "" });
    const button = make("button", { type: "button", title: entry.name }, picture, make("span", {}, answerOf(entry)));
    button.addEventListener("click", () => {
      state.current = entry;
      state.troubles = [];
      render();
      at("#answer").focus();
    });
    return make("li", {}, button);
  }));
}

function listen() {
  for (const input of [at("#files"), at("#photo")]) {
    input.addEventListener("change", () => {
      if (input.files.length) give(input.files);
      input.value = ""; // so that the same picture can be chosen again
    });
  }
  at("#camera").hidden = !matchMedia("(pointer: coarse)").matches;
  document.addEventListener("paste", (event) => {
    if (event.target.closest("input, select")) return;
    give(event.clipboardData.files);
  });
  const over = (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", event.type === "dragover");
  };
  for (const kind of ["dragover", "dragleave", "drop"]) document.addEventListener(kind, over);
  document.addEventListener("drop", (event) => give(event.dataTransfer.files));
  at("#again").addEventListener("click", tryAgain);
  at("#look").addEventListener("click", () => {
    const { heat } = state.current;
    look(heat && !heat.flat ? (heat.label ?? "") : "");
  });
  at("#mark").addEventListener("submit", mark);
  at("#report").addEventListener("click", openReport);
  at("#wrong").addEventListener("click", () => {
    state.current.marking = !state.current.marking;
    render();
    if (state.current.marking) at("#right select, #right input").focus();
  });
  at("#token").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(at("#token-value").value);
    start();
  });
  at("#language").addEventListener("click", () => {
    switchLanguage();
    render();
  });
}

sayPage();
listen();
start();
