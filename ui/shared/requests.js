// A browser has six connections to a server, and a request holds one until it is answered. So what nobody waits for any more is cancelled,
// what several wait for is asked for once, and what is many takes turns.

/** Texts that are written at a time: Gradio and the class hold a connection each, and one is for the next press. */
export const MOST_ABREAST = 3;

/** Requests of which the latest alone is of interest: each takes the place of the one before. */
export class Latest {
  /** @type {AbortController | null} */
  #asked = null;

  /** Whether a request is under way. */
  get isBusy() {
    return this.#asked !== null;
  }

  /** Cancels the request before. @returns {AbortSignal} for the next one */
  begin() {
    this.cancel();
    this.#asked = new AbortController();
    return this.#asked.signal;
  }

  /** The request with this signal is answered, or has failed. @param {AbortSignal} signal */
  end(signal) {
    if (this.#asked?.signal === signal) this.#asked = null;
  }

  cancel() {
    this.#asked?.abort();
    this.#asked = null;
  }
}

/**
 * A request that several may wait for. It is cancelled when the last of them has left.
 * @template T
 */
export class Shared {
  /** @type {"asked" | "answered" | "lost"} lost: it has failed, or was cancelled */
  state = "asked";
  #waiting = 0;
  #abort = new AbortController();
  /** @type {Promise<T>} */
  #answer;

  /** @param {(signal: AbortSignal) => Promise<T>} ask */
  constructor(ask) {
    this.#answer = ask(this.#abort.signal);
    this.#answer.then(() => (this.state = "answered"), () => (this.state = "lost"));
  }

  /**
   * The request that there is; another one in place of a lost one.
   * @template T
   * @param {Shared<T> | null | undefined} before
   * @param {(signal: AbortSignal) => Promise<T>} ask
   */
  static of(before, ask) {
    return before && before.state !== "lost" ? before : new Shared(ask);
  }

  /** The answer. @param {AbortSignal} [signal] of the one who waits @returns {Promise<T>} */
  async wait(signal) {
    signal?.throwIfAborted();
    this.#waiting++;
    let leave = () => {};
    const left = new Promise((_, reject) => (leave = () => reject(signal?.reason)));
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.#answer, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#waiting--;
      if (!this.#waiting && this.state === "asked") {
        this.state = "lost"; // at once: nobody joins a request that is about to fail
        this.#abort.abort();
      }
    }
  }
}

/** A few at a time; the others wait, first come, first served. */
export class Turns {
  #free;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} places */
  constructor(places) {
    this.#free = places;
  }

  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  async take(work) {
    if (this.#free) this.#free--;
    else await new Promise((go) => this.#waiting.push(() => go()));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
