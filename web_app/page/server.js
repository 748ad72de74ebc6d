// @ts-check
/** What the page asks of its server. */

/**
 * @typedef {{index: number, usable: boolean, picture: string | null, from_left: number}} Face
 * @typedef {{grade: string, summary: string, error: string, remarks: string[]}} Verdict
 * @typedef {{
 *   number: number, name: string, state: string, position: number, step: string, fraction: number, message: string,
 *   faces: Face[], face: number | null, surface: string | null, files: string[], verdict: Verdict | null,
 *   photos: number, omitted: {name: string, reason: string}[], problem: string | null, retryable: boolean, readable: boolean, export: string | null, export_problem: string | null
 * }} Job
 * @typedef {{job: Job | null, expired: boolean, max_photos: number}} News
 * @typedef {{id: string, max_bytes: number, suffixes: string[], formats: string[], blender: boolean, version: string}} About
 */

/** What the server refuses, with its own sentence for people. */
export class Refusal extends Error {
  /** @param {string} message @param {string} code */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** Milliseconds between two tries to reach a server that does not answer. */
const RETRY_MS = 500;

/**
 * @param {string} path
 * @param {BodyInit} [body]
 * @param {AbortSignal} [signal]
 */
const post = async (path, body, signal) => {
  const answer = await fetch(path, { method: "POST", body, signal, credentials: "omit", redirect: "error" });
  if (answer.ok) return answer;
  let problem = { message: answer.statusText, code: "" };
  try {
    const words = await answer.text();
    problem = words.startsWith("{") ? JSON.parse(words) : { message: words.trim(), code: "" };
  } catch (unread) {
    // The status has to do.
  }
  throw new Refusal(problem.message, problem.code);
};

/** A page's place on the server: it is made when the page is opened, and again when the server was started again. */
export class Place {
  /**
   * @param {About} about
   */
  constructor(about) {
    this.about = about;
    this.base = `api/pages/${about.id}`;
    /** @type {EventSource | null} */
    this.source = null;
    /** How often the stream of events ended for good since it last brought news. */
    this.refused = 0;
  }

  /** @returns {Promise<Place>} */
  static async open() {
    return new Place(await (await post("api/pages")).json());
  }

  /**
   * Listen for news.
   * @param {{news: (news: News) => void, silent: () => void, lost: () => void}} listener `silent`: the server does not
   *   answer just now; `lost`: it does not know this page any more.
   */
  listen({ news, silent, lost }) {
    this.source = new EventSource(`${this.base}/events`);
    this.source.onmessage = (event) => {
      this.refused = 0;
      news(JSON.parse(event.data));
    };
    this.source.onerror = () => {
      if (this.source?.readyState !== EventSource.CLOSED) silent();
      // Browsers also end the stream when the page is being left, or Escape was pressed: that is not the server.
      else if (++this.refused > 1) lost();
      else setTimeout(() => this.listen({ news, silent, lost }), RETRY_MS);
    };
  }

  /**
   * @param {File} file
   * @param {AbortSignal} signal
   * @param {number} index Which of several photos of one person it is.
   * @param {number} count How many there are.
   * @returns {Promise<number>} The number of the photo's job.
   */
  async sendPhoto(file, signal, index = 0, count = 1) {
    const query = `name=${encodeURIComponent(file.name)}&index=${index}&of=${count}`;
    const answer = await post(`${this.base}/photo?${query}`, file, signal);
    return (await answer.json()).number;
  }

  /** @param {number} index */
  chooseFace(index) {
    return post(`${this.base}/face`, JSON.stringify({ index }));
  }

  cancel() {
    return post(`${this.base}/cancel`);
  }

  /** @param {string} format */
  export(format) {
    return post(`${this.base}/export`, JSON.stringify({ format }));
  }

  openInBlender() {
    return post(`${this.base}/blender`);
  }

  /** @param {Job} job @param {string} name */
  file(job, name) {
    return `${this.base}/files/${job.number}/${encodeURIComponent(name)}`;
  }

  /** The page is being left: its files go at once. */
  leave() {
    this.source?.close();
    // A beacon would come without its origin, since the page sends no referrers.
    fetch(`${this.base}/close`, { method: "POST", keepalive: true }).catch(() => {});
  }
}

/**
 * Open a place on the server, however long that does not answer.
 * @param {() => void} silent Called when it does not.
 */
export const openPlace = async (silent) => {
  for (;;) {
    try {
      return await Place.open();
    } catch (error) {
      if (error instanceof Refusal) throw error;
      silent();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
};
