// What the page says to its server, and the troubles that it may meet, each by the key of its words.

let token = "";

const BY_STATUS = { 401: "token", 408: "slow", 413: "too_large", 503: "busy_still", 507: "no_room" };
const BY_CODE = {
  unreadable_picture: "unreadable",
  empty_body: "unreadable",
  unusable_label: "no_save",
  not_saved: "no_save",
};
const TRIES = 4;

export class Trouble extends Error {
  // key: of the words for it; detail: what the server said, in English.
  constructor(key, detail = "") {
    super(key);
    this.key = key;
    this.detail = detail;
  }
}

export function keepToken(given) {
  token = given;
}

// JSON from `path`; `body` makes it a POST. A server that is busy is asked again after the time that it names.
export async function ask(path, body = undefined, onBusy = () => {}) {
  for (let tries = 1; ; tries += 1) {
    const answer = await reach(path, body);
    if (answer.ok) return read(answer);
    if (answer.status !== 503 || tries === TRIES) throw await troubleOf(answer);
    onBusy();
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    await new Promise((wake) => setTimeout(wake, 1000 * Math.min(seconds, 10) * tries));
  }
}

// The report opens by a link. A link cannot carry the token, so with one the page posts a form instead.
export function openReport(event) {
  if (!token) return;
  event.preventDefault();
  const form = document.createElement("form");
  const field = document.createElement("input");
  Object.assign(form, { method: "post", action: event.currentTarget.href, target: "_blank", rel: "noopener" });
  Object.assign(field, { type: "hidden", name: "token", value: token });
  form.append(field);
  document.body.append(form);
  form.submit();
  form.remove();
}

async function reach(path, body) {
  // Headers hold bytes: a token of other letters goes as its UTF-8.
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  const headers = token ? { Authorization: `Bearer ${bytes}` } : {};
  if (body) headers["Content-Type"] = "application/octet-stream";
  try {
    return await fetch(path, { method: body ? "POST" : "GET", body, headers, cache: "no-store" });
  } catch {
    throw new Trouble("gone");
  }
}

async function read(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Trouble("gone");
  }
}

async function troubleOf(answer) {
  const error = await answer.json().then((said) => said.error ?? {}, () => ({}));
  return new Trouble(BY_CODE[error.code] ?? BY_STATUS[answer.status] ?? "failed", error.message ?? "");
}
