// The page: one conversation, the list of all of them, and the field to say something.

import { byId, el } from "./dom.js";
import { Conversations } from "./conversations.js";
import { Entries } from "./entries.js";
import { Chosen } from "./files.js";
import { call, Stream } from "./server.js";

const LINES = {
  open: "",
  lost: "The line is lost; trying again …",
  closed: "This link has ended. Open the one that the server printed last.",
};
const NEWS = new Set(["said", "started", "result", "interrupted", "question", "answered"]);

const log = byId("log"), words = byId("words");
let stream = null, entries = null;
// Where one is: a conversation, or a new one that has no id yet. What is said waits for its turn.
let place = { id: null }, turn = Promise.resolve();

function trouble(text) {
  byId("trouble").textContent = text;
}

function line(state) {
  byId("line").textContent = LINES[state];
  byId("line").className = state === "open" ? "" : "bad";
}

/** Do something that the server may refuse, and tell why where it does. */
async function attempt(action) {
  trouble("");
  try {
    return (await action()) ?? true;
  } catch (error) {
    trouble(error.message);
    return false;
  }
}

const path = (rest) => `/api/conversations/${place.id}/${rest}`;

const actions = {
  say: (text, files = {}) => attempt(() => say(text, files)),
  propose: (text) => {
    words.value = text;
    words.focus();
    words.select();
  },
  answer: (action) => attempt(() => call(path("answer"), { action })),
  stop: () => attempt(() => call(path("stop"), {})),
  resume: () => attempt(() => call(path("resume"), {})),
  fileLink: (file) => path(`files/${file.split("/").map(encodeURIComponent).join("/")}`),
};

/** Say something where it was meant to be said, after what was said before; a conversation that is new is begun first. */
function say(text, files) {
  const to = place;
  const said = turn.then(async () => {
    if (!to.id) {
      to.id = (await call("/api/conversations", {})).id;
      if (to === place) conversations.begin(to.id);
    }
    await call(`/api/conversations/${to.id}/messages`, { text, model: files.model ?? null, data: files.data ?? null });
  });
  turn = said.catch(() => {});
  return said;
}

/** Show a conversation; null begins a new one. */
function open(id) {
  stream?.end();
  stream = null;
  const here = (place = { id });
  byId("entries").replaceChildren();
  byId("welcome").hidden = Boolean(id);
  entries = new Entries(byId("entries"), actions);
  document.title = "shipfit";
  if (!id) return words.focus();
  let waiting = [];
  stream = new Stream(id, (entry) => {
    if (!waiting.length) setTimeout(() => {
      const all = waiting;
      waiting = [];
      if (place === here) take(all);
    });
    waiting.push(entry);
  }, line);
}

/** Add entries; the end stays in sight for whoever is there. */
function take(all) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  for (const entry of all) entries.take(entry);
  if (atEnd || all.some((entry) => entry.kind === "said")) log.scrollTop = log.scrollHeight;
  if (all.some((entry) => NEWS.has(entry.kind))) conversations.refresh().catch(() => {});
}

const conversations = new Conversations(open);
const chosen = new Chosen(trouble);

// The field is free for the next words at once; what could not be said comes back to it.
byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = words.value.trim(), { model, data } = chosen;
  words.focus();
  if (!text && chosen.isEmpty) return;
  words.value = "";
  chosen.clear();
  if (await actions.say(text, { model: model?.path, data: data?.path })) return;
  words.value ||= text;
  if (chosen.isEmpty) chosen.put("model", model), chosen.put("data", data);
});

words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

attempt(() => conversations.refresh());
conversations.changed();
document.body.removeAttribute("aria-busy");
