// Talking to the server: calls, uploads, and the stream of events that comes back after a lost line.

const LATER_MS = [300, 600, 1200, 2500, 5000];

/** A call that the server answered with a reason why not. */
export class Refused extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** Call the server and return its document. */
export async function call(path, body, method = body === undefined ? "GET" : "POST") {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  let response;
  try {
    response = await fetch(path, { method, ...json });
  } catch {
    throw new Refused("The server cannot be reached; your words are still here.", 0);
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(document.error || `The server answered ${response.status}.`, response.status);
  return document;
}

/** Send a file; `told` hears the share that is sent. */
export function upload(batch, file, told) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads/${batch}?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => event.lengthComputable && told(event.loaded / event.total));
    request.addEventListener("error", () => failed(new Refused(`${file.name} could not be sent: the line was lost.`, 0)));
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (request.status < 300) done(answer);
      else failed(new Refused(answer.error || `The server answered ${request.status}.`, request.status));
    });
    request.send(file);
  });
}

/**
 * Follow a conversation: entries go to `told` in order and once each, whether the line is up to `state`.
 * A page that nobody sees holds no line; it goes on where it was when it is seen again.
 */
export class Stream {
  constructor(id, told, state) {
    this.id = id;
    this.told = told;
    this.state = state;
    this.last = 0;
    this.failures = 0;
    this.seen = () => (document.hidden ? this.rest() : this.open());
    document.addEventListener("visibilitychange", this.seen);
    this.open();
  }

  open() {
    clearTimeout(this.hidden);
    if (this.source || this.ended) return;
    clearTimeout(this.timer);
    this.source = new EventSource(`/api/conversations/${this.id}/events?after=${this.last}`);
    this.source.onopen = () => {
      this.failures = 0;
      this.state("open");
    };
    this.source.onmessage = (event) => {
      const number = Number(event.lastEventId);
      if (number <= this.last) return;
      this.last = number;
      this.told(JSON.parse(event.data));
    };
    this.source.onerror = () => this.lost();
  }

  lost() {
    this.drop();
    this.state("lost");
    this.timer = setTimeout(() => this.again(), LATER_MS[Math.min(this.failures++, LATER_MS.length - 1)]);
  }

  // A stream does not say why it failed; a plain call does.
  async again() {
    try {
      await call("/api/conversations");
      this.open();
    } catch (error) {
      if (error.status !== 401) this.lost();
      else this.state("closed");
    }
  }

  rest() {
    this.hidden = setTimeout(() => this.drop(), 20000);
  }

  drop() {
    this.source?.close();
    this.source = null;
  }

  end() {
    this.ended = true;
    this.drop();
    clearTimeout(this.timer);
    clearTimeout(this.hidden);
    document.removeEventListener("visibilitychange", this.seen);
  }
}
