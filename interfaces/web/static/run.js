// One run as a card that grows: what is being done, how far it is, every attempt, the picture, and the result.

import { announce, button, cell, el, lines, moment, number, table, tag } from "./dom.js";
import { scatter } from "./scatter.js";

// The share of an attempt that is done when a node begins.
const NODES = { admit: 0, intake: 0, profile: 0, recall: 0, plan: 0.05, prune: 0.15, quantize: 0.3, runtime: 0.55, validate: 0.7, conclude: 1, roll_back: 1 };
const MOST_LINES = 300;
const CAUSES = { stopped: "stopped", died: "its process died", closed: "interrupted", failed: "failed" };

export class RunCard {
  /** @param actions what can be asked for from the card: say, propose, answer, stop, resume, results, fileLink. */
  constructor(entry, actions) {
    this.id = entry.run;
    this.actions = actions;
    this.attempts = new Map();
    this.original = { bytes: null, p50: null };
    this.limits = entry.limits;
    this.fraction = 0;
    this.build(entry);
    this.started(entry);
  }

  build(entry) {
    const title = `run-${entry.ordinal}-title`;
    this.ordinal = entry.ordinal;
    this.tag = tag("working", "");
    this.now = el("p", { class: "now" });
    this.why = el("p", { class: "quiet-text" });
    this.bar = el("progress", { max: "1", value: "0", "aria-labelledby": `${title} run-${entry.ordinal}-now` });
    this.now.id = `run-${entry.ordinal}-now`;
    this.buttons = el("div", { class: "row" });
    this.asked = el("div");
    this.picture = el("figure", { class: "figure" });
    this.rows = el("div");
    this.log = el("ol", { class: "steps" });
    this.steps = el("details", {}, el("summary", {}, "Steps and measurements"), this.log);
    this.end = el("div", { class: "end" });
    this.notes = el("div", { class: "notes" });
    this.card = el(
      "article",
      { class: "card run", "aria-labelledby": title },
      el("div", { class: "head" }, el("h2", { id: title }, `Run ${entry.ordinal}: ${entry.model}`), this.tag, moment(entry.at)),
      el("p", { class: "quiet-text" }, entry.limits.asked.length ? `Asked: ${entry.limits.asked.join(", ")}` : "No bounds; everything is guarded"),
      this.now, this.bar, this.why, this.buttons, this.asked, this.notes, this.picture, this.rows, this.end, this.steps,
    );
  }

  started(entry) {
    this.limits = entry.limits;
    this.working = true;
    this.end.replaceChildren();
    this.status("working", "");
    this.tell(entry.resumed ? "goes on" : "begins");
    this.offer(button("Stop", () => this.actions.stop(this), "bad"));
    if (entry.resumed) announce(`Run ${this.ordinal} goes on`);
  }

  status(text, kind) {
    this.tag.textContent = text;
    this.tag.className = `tag ${kind}`;
  }

  offer(...buttons) {
    this.buttons.replaceChildren(...buttons);
  }

  tell(text) {
    this.now.textContent = text;
  }

  /** Take what the run told. */
  happened(entry) {
    const take = {
      node_started: () => this.node(entry),
      node_finished: () => entry.detail && this.step(`${entry.node}: ${entry.detail}`),
      progress: () => this.doing(entry),
      profiled: () => this.profiled(entry),
      noticed: () => this.notes.append(el("p", { class: "note" }, entry.text)),
      planned: () => this.planned(entry),
      measured: () => this.step(`${entry.name}: ${entry.text}`),
      attempt_finished: () => this.attempt(entry.attempt),
      attempt_judged_again: () => this.attempt(entry.attempt),
    }[entry.event];
    take?.();
  }

  node(entry) {
    if (entry.attempt) this.index = entry.attempt;
    this.nodeName = entry.node;
    this.reach(NODES[entry.node] ?? 0);
    this.show(entry.detail);
    this.step([entry.node, entry.detail].filter(Boolean).join(": "));
  }

  doing(entry) {
    const begun = NODES[this.nodeName] ?? 0;
    const room = (this.nodeName === "validate" ? 1 : 0.15) * (1 - begun);
    this.reach(begun + room * (entry.fraction ?? 0));
    const share = entry.fraction === null ? "" : ` ${Math.round(entry.fraction * 100)} %`;
    this.show(entry.waited ? `waits for other measurements to end (${entry.waited})` : `${entry.doing}${share}`);
  }

  /** Move the bar to a share of the present attempt; it never goes back. */
  reach(share) {
    const done = Math.min(1, (Math.max(0, (this.index ?? 1) - 1) + share) / this.limits.attempts);
    this.fraction = Math.max(this.fraction, done);
    this.bar.value = this.fraction;
  }

  show(detail) {
    const attempt = this.index ? `attempt ${this.index} of at most ${this.limits.attempts}` : "";
    this.tell([attempt, this.nodeName, detail].filter(Boolean).join(" · "));
  }

  step(text) {
    this.log.append(el("li", {}, text));
    if (this.log.childElementCount > MOST_LINES) this.log.firstElementChild.remove();
  }

  profiled(entry) {
    this.original.bytes ??= entry.size;
    this.step(entry.text);
    this.draw();
  }

  planned(entry) {
    this.index = entry.attempt;
    this.why.textContent = `Attempt ${entry.attempt} tries ${entry.plan}: ${entry.why}`;
    this.step(`plan of attempt ${entry.attempt}: ${entry.plan} (expected: ${entry.expected})`);
  }

  attempt(each) {
    this.attempts.set(each.index, each);
    this.original.bytes = each.original_bytes ?? this.original.bytes;
    this.original.p50 = each.original_p50_ms ?? this.original.p50;
    this.index = each.index;
    this.reach(1);
    this.step(`attempt ${each.index}: ${each.verdict}: ${each.reason}`);
    announce(`Attempt ${each.index}: ${each.verdict}. Size ${each.size}, speed ${each.speed}.`);
    this.draw();
  }

  draw() {
    const attempts = [...this.attempts.values()].sort((one, other) => one.index - other.index);
    this.picture.replaceChildren(scatter(attempts, this.limits, this.original));
    if (!attempts.length) return;
    const heads = ["#", "verdict", "size", "speed", "accuracy or fidelity", "what was tried", "why"];
    const rows = attempts.map((each) => [
      number(each.index), cell(tag(each.verdict, each.kind)), number(each.size), number(each.speed), number(each.quality),
      cell(each.plan, each.proposer ? ` (${each.proposer})` : ""), cell(each.reason),
    ]);
    this.rows.replaceChildren(table(`Attempts of run ${this.ordinal}`, heads, rows));
  }

  /** The run waits for a person. */
  question(entry) {
    this.limits = entry.limits; // as they were edited
    this.draw();
    this.status("waits for you", "open");
    const answer = (action) => this.actions.answer(action);
    const field = el("input", { id: `edit-${this.ordinal}`, placeholder: "max_size 8MB, max_drop 1%", autocomplete: "off" });
    const edit = (event) => {
      event.preventDefault();
      if (field.value.trim()) this.actions.say(field.value.trim());
    };
    const [first, ...rest] = entry.lines;
    this.asked.replaceChildren(
      el(
        "section",
        { class: "question", "aria-label": "A question to you" },
        el("h3", {}, first),
        el("pre", { tabindex: "0", "aria-label": "What is known" }, rest.join("\n")),
        el("div", { class: "row" },
          button("Approve", () => answer("go")),
          button("Reject", () => answer("reject"), "quiet"),
          button("Stop here", () => answer("stop"), "bad")),
        el("form", { class: "row", submit: edit },
          el("label", { for: field.id }, "Or change something"), field, el("button", { class: "quiet" }, "Change")),
      ),
    );
    announce(`Run ${this.ordinal} waits for your answer: ${first}`);
  }

  answered(entry) {
    this.asked.replaceChildren();
    this.status("working", "");
    this.notes.append(el("p", { class: "note" }, `${entry.done}${entry.edits.length ? `: ${entry.edits.join("; ")}` : ""}`));
  }

  interrupted(entry) {
    this.over(CAUSES[entry.cause], "open", entry.text);
    this.offer(button("Resume", () => this.actions.resume(this)));
    this.tell(entry.text);
  }

  over(word, kind, said) {
    this.working = false;
    this.asked.replaceChildren();
    this.status(word, kind);
    announce(`Run ${this.ordinal} ${word}. ${said}`);
  }

  result(entry) {
    this.over(entry.status.replace("_", " "), entry.status, entry.reason);
    this.bar.value = 1;
    this.tell("");
    this.why.textContent = "";
    this.card.classList.add(entry.status === "met" ? "good" : "open");
    this.offer();
    const heads = ["bound", "asked", "measured", "verdict"];
    const rows = entry.constraints.map((each) => [
      cell(each.label), number(each.bound), number(each.measured), cell(tag(each.met, each.kind), each.note ? ` ${each.note}` : ""),
    ]);
    this.end.replaceChildren(
      el("h3", {}, entry.title),
      el("p", {}, entry.reason),
      rows.length ? table(`Bounds and guards of run ${this.ordinal}`, heads, rows) : "",
      ...lines(entry.lines),
      entry.offers.length ? el("h3", {}, "Offers") : "",
      el("ul", { class: "bullets" }, entry.offers.map((text) => el("li", {}, text))),
      this.actions.fileList(entry.files),
      el("div", { class: "row" },
        button("Why this result?", () => this.actions.say(`why did run ${this.ordinal} end like this?`), "quiet"),
        button("What would another bound cost?", () => this.actions.propose("what would 5 MB cost?"), "quiet"),
        button("Compare with another run", () => this.actions.compare(this), "quiet")),
    );
  }
}
