"use strict";
// One decision for each picture, however many findings show it; all cards of a picture say the same.
const facts = JSON.parse(document.getElementById("facts").textContent);
const decided = new Map();
const cards = [...document.querySelectorAll(".pick")];
const place = (id) => `lensmith decisions ${facts.key} ${id}`;

function remember() {
  // Some browsers refuse to keep anything for a page that is a file; then a reload forgets.
  try {
    localStorage.setItem(place("all"), JSON.stringify([...decided]));
  } catch {}
}

function recall() {
  try {
    for (const [id, one] of JSON.parse(localStorage.getItem(place("all")) ?? "[]")) {
      if (id in facts.pictures && ["keep", "drop", "relabel"].includes(one.word)) decided.set(id, one);
    }
  } catch {}
}

function isMeant(label) {
  if (facts.task === "regression") return label.trim() !== "" && Number.isFinite(Number(label));
  if (facts.task === "classification") return facts.classes.includes(label);
  return label.split(";").every((name) => !name.trim() || facts.classes.includes(name.trim()));
}

function editor(card) {
  const id = card.dataset.id;
  const field = document.createElement(facts.task === "classification" ? "select" : "input");
  if (field.tagName === "SELECT") {
    field.append(...facts.classes.map((name) => new Option(name, name)));
  } else {
    field.type = facts.task === "regression" ? "number" : "text";
    field.step = "any";
  }
  field.setAttribute("aria-label", `New label of ${facts.pictures[id].path}`);
  field.addEventListener("input", () => decide(id, "relabel", field.value));
  return field;
}

function show(card) {
  const one = decided.get(card.dataset.id);
  for (const radio of card.querySelectorAll("input[type=radio]")) radio.checked = radio.value === one?.word;
  card.dataset.word = one?.word ?? "";
  const box = card.querySelector(".label");
  box.hidden = one?.word !== "relabel";
  if (!box.hidden) {
    if (!box.firstChild) box.append(editor(card));
    if (box.firstChild.value !== one.label) box.firstChild.value = one.label;
    box.firstChild.setAttribute("aria-invalid", String(!isMeant(one.label)));
  }
  card.querySelector(".undo").hidden = !one;
}

function count() {
  const words = { drop: "to drop", relabel: "to relabel", keep: "kept" };
  const total = Object.keys(facts.pictures).length;
  const parts = Object.entries(words)
    .map(([word, said]) => [[...decided.values()].filter((one) => one.word === word).length, said])
    .filter(([number]) => number)
    .map(([number, said]) => `${number} ${said}`);
  const wrong = [...decided].filter(([, one]) => one.word === "relabel" && !isMeant(one.label));
  const left = total - decided.size;
  let text = parts.length ? `${parts.join(", ")}; ${left} left` : "Nothing is decided yet";
  if (wrong.length) text = `${facts.pictures[wrong[0][0]].path}: that is no label of these data`;
  document.getElementById("tally").value = text;
  document.getElementById("save").disabled = !decided.size || wrong.length > 0;
  document.getElementById("clear").hidden = !decided.size;
}

function decide(id, word, label = facts.pictures[id].suggestion || facts.pictures[id].label) {
  if (word) decided.set(id, { word, label: word === "relabel" ? label : "" });
  else decided.delete(id);
  cards.filter((card) => card.dataset.id === id).forEach(show);
  count();
  remember();
}

function table() {
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const rows = [...decided].map(([id, one]) => {
    const { path, sha256 } = facts.pictures[id];
    return [path, sha256, one.word, one.label].map(quoted).join(",");
  });
  return ["path,sha256,decision,label", ...rows, ""].join("\n");
}

for (const card of cards) {
  card.addEventListener("change", (event) => {
    if (event.target.type === "radio") decide(card.dataset.id, event.target.value);
  });
  card.querySelector(".undo").addEventListener("click", () => {
    decide(card.dataset.id, "");
    card.querySelector("input").focus();
  });
}

document.addEventListener("keydown", (event) => {
  const card = event.target.closest?.(".pick");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input:not([type=radio])")) return;
  const word = { k: "keep", d: "drop", r: "relabel" }[event.key];
  const step = { n: 1, p: -1 }[event.key];
  if (word) decide(card.dataset.id, word);
  else if (step) {
    const next = cards[cards.indexOf(card) + step];
    (next?.querySelector("input:checked") ?? next?.querySelector("input"))?.focus();
    next?.scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
});

document.getElementById("bar").addEventListener("submit", (event) => {
  event.preventDefault();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

document.getElementById("clear").addEventListener("click", () => {
  if (!confirm(`Forget all ${decided.size} decisions?`)) return;
  for (const id of [...decided.keys()]) decide(id, "");
});

recall();
cards.forEach(show);
count();
document.body.classList.add("ready");
