// Making elements. Text goes in as text and nothing else: names come from models, and models from anywhere.

export const byId = (id) => document.getElementById(id);

/** Return a new element with attributes (functions are listeners, true is a bare attribute) and children. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for pictures. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const button = (text, pressed, kind = "") => el("button", { type: "button", class: kind, click: pressed }, text);

/** Return a list of lines, nothing where there are none. */
export const lines = (texts) => texts.map((text) => el("p", {}, text));

/** Return a table that scrolls inside itself where the page is narrow. */
export function table(caption, heads, rows) {
  const head = el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text))));
  const body = el("tbody", {}, rows.map((cells) => el("tr", {}, cells)));
  const whole = el("table", {}, el("caption", {}, caption), head, body);
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption }, whole);
}

export const cell = (...content) => el("td", {}, ...content);
export const number = (...content) => el("td", { class: "number" }, ...content);
export const tag = (text, kind) => el("span", { class: `tag ${kind}` }, text);

/** Return a moment as a short time of the day, with the date where it is another day. */
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  const today = at.toDateString() === new Date().toDateString();
  const shown = today ? { hour: "2-digit", minute: "2-digit" } : { dateStyle: "medium", timeStyle: "short" };
  return el("time", { datetime: at.toISOString() }, new Intl.DateTimeFormat(undefined, shown).format(at));
}

let waiting = null;

/** Have a screen reader say a line, politely, and the last one alone where several come at once. */
export function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => { byId("announcer").textContent = text; }, 150);
}
