// The files of the next message: uploaded, dropped, or chosen from the workspace.

import { announce, byId, button, el } from "./dom.js";
import { call, upload } from "./server.js";

// Weights beside a model, and data, go first: a model is looked at when it arrives.
const later = (file) => /\.(onnx|pt2)$/i.test(file.name);

const newBatch = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Chosen {
  /** @param trouble is told in one line what went wrong. */
  constructor(trouble) {
    this.trouble = trouble;
    this.model = null;
    this.data = null;
    byId("upload").addEventListener("click", () => byId("picked").click());
    byId("picked").addEventListener("change", (event) => {
      this.send([...event.target.files]);
      event.target.value = "";
    });
    byId("choose").addEventListener("click", () => this.browse());
    this.acceptDrops(document.querySelector("main"));
    this.show();
  }

  clear() {
    this.model = this.data = null;
    this.show();
  }

  get isEmpty() {
    return !this.model && !this.data;
  }

  put(part, file) {
    this[part] = file;
    this.show();
  }

  show() {
    const item = (part) => {
      const file = this[part];
      if (!file) return null;
      const remove = button("Remove", () => this.put(part, null), "quiet");
      remove.setAttribute("aria-label", `Remove the ${part} ${file.name}`);
      return el("li", {}, `${part}: ${file.name.split("/").at(-1)}${file.about ? ` (${file.about})` : ""}`, remove);
    };
    byId("chosen").replaceChildren(...["model", "data"].map(item).filter(Boolean));
    byId("chosen").hidden = this.isEmpty;
  }

  acceptDrops(place) {
    const over = (on) => (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      place.classList.toggle("dropping", on);
    };
    place.addEventListener("dragover", over(true));
    place.addEventListener("dragleave", over(false));
    place.addEventListener("drop", (event) => {
      over(false)(event);
      this.send([...event.dataTransfer.files]);
    });
  }

  /** Send files, one after the other; what is refused is told, and the others go on. */
  async send(files) {
    if (!files.length) return;
    const batch = newBatch(), refused = [];
    this.trouble("");
    byId("sending").hidden = false;
    for (const file of files.sort((one, other) => later(one) - later(other))) {
      try {
        const sent = await upload(batch, file, (share) => this.progress(file, share));
        if (sent.kind !== "beside") this.put(sent.kind, sent);
        announce(`${file.name} was received: ${sent.about}`);
      } catch (error) {
        refused.push(error.message);
      }
    }
    byId("sending").hidden = true;
    this.trouble(refused.join(" "));
  }

  progress(file, share) {
    byId("sent").value = share;
    document.querySelector("label[for=sent]").textContent =
      share < 1 ? `Sending ${file.name}` : `Looking at ${file.name}`;
  }

  /** Choose from what lies in the workspace. */
  async browse() {
    try {
      const found = await call("/api/workspace");
      const fill = (select, files, none) =>
        byId(select).replaceChildren(
          el("option", { value: "" }, files.length ? none : "There is none in the workspace"),
          ...files.map((file) => el("option", { value: file.path }, file.name)),
        );
      fill("model", found.models, "As it is");
      fill("data", found.data, "As it is");
    } catch (error) {
      this.trouble(error.message);
      return;
    }
    const dialog = byId("workspace");
    dialog.returnValue = "";
    dialog.onclose = () => dialog.returnValue === "take" && this.taken();
    dialog.showModal();
  }

  taken() {
    for (const part of ["model", "data"]) {
      const { value, selectedOptions } = byId(part);
      if (value) this.put(part, { path: value, name: selectedOptions[0].textContent });
    }
  }
}
