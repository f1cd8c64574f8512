// Entries of a conversation as elements; what a run tells goes to its card.

import { announce, button, cell, el, lines, moment, table, tag } from "./dom.js";
import { RunCard } from "./run.js";

const GROUPS = { asked: "asked", product: "product", constraint: "bound", recipe: "recipe", layer: "layer", attempt: "attempt", effort: "effort" };

export class Entries {
  /** @param list the element that entries are added to. */
  constructor(list, actions) {
    this.list = list;
    this.actions = { ...actions, fileList: (files) => this.fileList(files), compare: (card) => this.compare(card) };
    this.runs = new Map();
    this.results = [];
  }

  /** Add an entry, or change what it speaks of. */
  take(entry) {
    this[entry.kind]?.(entry);
  }

  add(entry, className, ...content) {
    const item = el("li", { class: className, "data-number": entry.number }, content);
    this.list.append(item);
    return item;
  }

  card(entry, kind, title, ...content) {
    const head = el("div", { class: "head" }, el("h2", {}, title), moment(entry.at));
    return this.add(entry, `card ${kind}`, head, content);
  }

  said(entry) {
    const words = el("p", {}, entry.text);
    const files = entry.files.length ? el("p", { class: "quiet-text" }, `with ${entry.files.join(", ")}`) : "";
    const cut = entry.left_out ? el("p", { class: "quiet-text" }, `… and ${entry.left_out.toLocaleString()} more characters`) : "";
    this.add(entry, "said", el("span", { class: "unseen" }, "You: "), entry.text ? words : "", files, cut, moment(entry.at));
    this.lastWords = entry.text ? words : null;
  }

  understood(entry) {
    if (this.lastWords) this.lastWords.replaceChildren(...marked(this.lastWords.textContent, entry));
    this.lastWords = null;
    const read = entry.marks.map((mark) => [
      el("dt", {}, el("mark", {}, mark.span)),
      el("dd", {}, `${mark.field} ${mark.value}${mark.by === "model" ? " (read by the language model)" : ""}`),
    ]);
    const stands = entry.request.map((each) => [el("dt", {}, each.label), el("dd", {}, each.value)]);
    const unread = entry.unread.map((text) => el("p", {}, "Not understood: ", el("mark", { class: "unread" }, text)));
    this.card(
      entry, "", "Understood",
      read.length ? el("dl", { class: "facts" }, read) : "",
      unread, lines(entry.problems), entry.changed.map((text) => el("p", { class: "quiet-text" }, text)),
      el("details", entry.marks.length ? {} : { open: true }, el("summary", {}, "The request as it stands"), el("dl", { class: "facts" }, stands)),
      entry.notes.map((text) => el("p", { class: "note" }, text)),
      el("div", { class: "row" }, button("Correct this", () => this.actions.propose("make it 8 MB instead"), "quiet")),
    );
    announce(`Understood: ${entry.marks.map((mark) => `${mark.field} ${mark.value}`).join(", ") || "no bounds"}`);
  }

  prompt(entry) {
    const yesNo = ["start", "restart"].includes(entry.about);
    const replies = yesNo
      ? [button("Yes", () => this.actions.say("yes")), button("No", () => this.actions.say("no"), "quiet")]
      : [];
    const wanted = { model: entry.models, data: entry.data }[entry.about] ?? [];
    const choices = wanted.slice(0, 8).map((file) => button(file.name, () => this.actions.say("", { [entry.about]: file.path }), "quiet"));
    this.asking?.remove();
    this.asking = el("div", { class: "row" }, replies, choices);
    this.card(entry, "open", "Your turn", lines(entry.text.split("\n")), this.asking);
    announce(entry.text);
  }

  started(entry) {
    const known = this.runs.get(entry.run);
    if (known) return known.started(entry);
    const card = new RunCard(entry, this.actions);
    this.runs.set(entry.run, card);
    this.add(entry, "", card.card);
    announce(`Run ${entry.ordinal} began`);
  }

  event(entry) { this.runs.get(entry.run)?.happened(entry); }
  question(entry) { this.runs.get(entry.run)?.question(entry); }
  answered(entry) { this.runs.get(entry.run)?.answered(entry); }
  interrupted(entry) { this.runs.get(entry.run)?.interrupted(entry); }

  result(entry) {
    this.runs.get(entry.run)?.result(entry);
    this.results.push(entry.run);
  }

  explained(entry) {
    this.card(entry, "", "Why", lines(entry.lines));
    announce(entry.lines[0] ?? "Explained");
  }

  what_if(entry) {
    const words = { met: "measured: it holds", likely: "likely", unlikely: "unlikely" }[entry.outcome];
    this.card(
      entry, entry.outcome === "unlikely" ? "open" : "good", `What if: ${entry.edits.join("; ")}`,
      el("p", {}, tag(words, entry.outcome === "unlikely" ? "open" : "met")), lines(entry.lines),
    );
    announce(entry.lines[0] ?? words);
  }

  compared(entry) {
    const rows = entry.rows.map((row) => [
      cell(GROUPS[row.group]), cell(row.label), cell(row.first), cell(row.second),
      cell(row.better === null ? row.change : tag(row.change, row.better ? "met" : "open")),
    ]);
    const [first, second] = entry.titles;
    this.card(entry, "", `${first} and ${second}`, lines(entry.problems), table("Two results side by side", ["of", "what", first, second, "change"], rows));
    announce(`Compared ${first} with ${second}`);
  }

  files(entry) {
    this.card(entry, "", "Files", entry.files.length ? this.fileList(entry.files) : el("p", {}, "Nothing was made so far."));
  }

  refused(entry) {
    this.card(entry, "bad", "That cannot be done", lines(entry.text.split("\n")));
    this.lastWords = null;
    announce(`That cannot be done: ${entry.text}`);
  }

  notice(entry) {
    this.add(entry, "note", lines(entry.lines));
    announce(entry.lines.join(" "));
  }

  /** Return the product and the report as links, and everything else behind one more step. */
  fileList(files) {
    if (!files.length) return "";
    const link = (file) =>
      el("a", { class: "button quiet", href: this.actions.fileLink(file.path), download: file.name },
        `Download ${file.about === "model" ? "the product" : `the ${file.about}`}: ${file.name} (${file.size})`);
    const first = files.filter((file) => file.about === "model" || file.name.endsWith(".html"));
    const rest = files.filter((file) => !first.includes(file));
    return el("div", { class: "files" },
      el("div", { class: "row" }, first.map(link)),
      rest.length ? el("details", {}, el("summary", {}, "More files"), el("div", { class: "row" }, rest.map(link))) : "");
  }

  /** Ask for this run beside another; which one is asked where there are several. */
  compare(card) {
    const others = this.results.filter((run) => run !== card.id).map((run) => this.runs.get(run).ordinal);
    const say = (other) => this.actions.say(`compare run ${other} and run ${card.ordinal}`);
    if (others.length === 1) say(others[0]);
    else this.actions.propose(`compare run ${others.at(-1) ?? "1"} and run ${card.ordinal}`);
  }
}

/** Return words with what was understood of them marked, and what was not. */
export function marked(text, entry) {
  const wanted = [
    ...entry.marks.map((mark) => ({ span: mark.span, attributes: { title: `${mark.field} ${mark.value}` } })),
    ...entry.unread.map((span) => ({ span, attributes: { class: "unread", title: "not understood" } })),
  ];
  const places = [];
  for (const { span, attributes } of wanted) {
    const taken = (at) => places.some((place) => at < place.end && place.start < at + span.length);
    let at = text.indexOf(span);
    while (at >= 0 && taken(at)) at = text.indexOf(span, at + 1);
    if (span && at >= 0) places.push({ start: at, end: at + span.length, attributes });
  }
  places.sort((one, other) => one.start - other.start);
  const parts = [];
  let at = 0;
  for (const { start, end, attributes } of places) {
    parts.push(text.slice(at, start), el("mark", attributes, text.slice(start, end)));
    at = end;
  }
  return [...parts, text.slice(at)];
}
