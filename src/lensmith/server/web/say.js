// Words in the language of the page, and numbers as that language writes them.

import words from "./words.js";

const language = () => (document.documentElement.lang.startsWith("zh") ? "zh" : "en");

export function say(key, values = {}) {
  return words[language()][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// 0.934 as "93.4%".
export function share(value) {
  const digits = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language(), digits).format(value);
}

export function number(value, digits = 4) {
  return new Intl.NumberFormat(language(), { maximumSignificantDigits: digits }).format(value);
}

export function list(names) {
  return names.join(language() === "zh" ? "、" : ", ");
}

// Sentences one after the other; those that are empty are left out.
export function sentences(...parts) {
  return parts.filter(Boolean).join(language() === "zh" ? "" : " ");
}

// The words that stand in the page from the start.
export function sayPage() {
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  document.title = say("title");
}

// The other language; the address remembers it, so that it stays when the page is loaded again.
export function switchLanguage() {
  const next = language() === "zh" ? "en" : "zh";
  document.documentElement.lang = words[next].lang;
  const address = new URL(location.href);
  address.searchParams.set("lang", next);
  history.replaceState(null, "", address);
  sayPage();
  const button = document.getElementById("language");
  button.textContent = say("other_language");
  button.lang = say("other_lang");
}
