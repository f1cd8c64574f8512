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
let stream = null, shown = null, entries = null;

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

const path = (rest) => `/api/conversations/${shown}/${rest}`;

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

/** Say something in the conversation that is shown; one that is new is begun first. */
async function say(text, files) {
  if (!shown) {
    const { id } = await call("/api/conversations", {});
    conversations.begin(id);
  }
  await call(path("messages"), { text, model: files.model ?? null, data: files.data ?? null });
}

/** Show a conversation; null begins a new one. */
function open(id) {
  stream?.end();
  stream = null;
  shown = id;
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
      if (shown === id) take(all);
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

byId("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = words.value.trim();
  if (!text && chosen.isEmpty) return words.focus();
  const files = { model: chosen.model?.path, data: chosen.data?.path };
  byId("send").disabled = true;
  if (await actions.say(text, files)) {
    words.value = "";
    chosen.take();
  }
  byId("send").disabled = false;
  words.focus();
});

words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

attempt(() => conversations.refresh());
conversations.changed();
document.body.removeAttribute("aria-busy");
