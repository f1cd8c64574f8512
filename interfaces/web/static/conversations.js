// The list of conversations, and which one is shown; the address says it, so that reloading and going back work.

import { byId, button, el, moment } from "./dom.js";
import { call } from "./server.js";

export class Conversations {
  /** @param opened is told the id of the conversation that is shown now, null for a new one. */
  constructor(opened) {
    this.opened = opened;
    this.shown = undefined;
    this.menu = byId("menu");
    this.menu.addEventListener("click", () => this.unfold(this.menu.getAttribute("aria-expanded") === "false"));
    byId("new").addEventListener("click", () => this.go(null));
    window.addEventListener("hashchange", () => this.changed());
  }

  get id() {
    return /^#[\w-]{1,80}$/.test(location.hash) ? location.hash.slice(1) : null;
  }

  go(id) {
    this.unfold(false);
    if (id !== this.id) location.hash = id ?? "";
    this.open(id);
  }

  /** Show a conversation that has just begun; going back does not lead to the empty page before it. */
  begin(id) {
    history.replaceState(null, "", `#${id}`);
    this.open(id);
  }

  // The event comes late: by then what it tells of is shown already, unless the person went back or wrote an address.
  changed() {
    if (this.id !== this.shown) this.open(this.id);
  }

  open(id) {
    this.shown = id;
    this.opened(id);
    this.mark();
  }

  unfold(on) {
    this.menu.setAttribute("aria-expanded", String(on));
    byId("conversations").classList.toggle("shown", on);
  }

  /** Read the list anew. */
  async refresh() {
    const found = await call("/api/conversations");
    byId("list").replaceChildren(...found.map((each) => this.item(each)));
    this.mark();
  }

  item(each) {
    const open = button("", () => this.go(each.id));
    open.dataset.id = each.id;
    open.append(el("span", { class: "title" }, each.title), el("small", {}, each.state ? `${each.state} · ` : "", moment(each.at)));
    return el("li", {}, open);
  }

  mark() {
    for (const each of byId("list").querySelectorAll("button")) {
      if (each.dataset.id === this.id) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
  }
}
