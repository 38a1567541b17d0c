// Requests to the server. What goes wrong is an Error in words for the reader; what was stopped stays an AbortError.
import { Emitter } from "./emitter.js";

const viewer = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

/** No answer, or not the whole of it. */
export class UnreachableError extends Error {
  static get words() {
    return window.soliloquy.UNREACHABLE; // load.js needs them before any module is there
  }

  constructor() {
    super(UnreachableError.words);
    connection.lose();
  }
}

/** Event "back": the server, which could not be reached, answers again. */
class Connection extends Emitter {
  #isLost = false;

  lose() {
    if (this.#isLost) return;
    this.#isLost = true;
    void window.soliloquy.reachable().then(() => {
      this.#isLost = false;
      this.tell("back");
    });
  }
}

export const connection = new Connection();

/** An error that the server answered with, its status, and the setting that is wrong, if it is one. */
export class ServerError extends Error {
  /** @param {string} message @param {number} status @param {string} [setting] */
  constructor(message, status, setting = "") {
    super(message);
    this.status = status;
    this.setting = setting;
  }
}

/** The key of the default model, as the last answer named it. Event "default": it differs from the one before. */
class HeardDefault extends Emitter {
  key = "";

  /** @param {Response} answer */
  take(answer) {
    const key = answer.headers.get("X-Default-Model");
    if (!key || key === this.key) return;
    this.key = key;
    this.tell("default");
  }
}

export const heardDefault = new HeardDefault();

/**
 * Waits for the network. Browsers report a lost connection as a TypeError.
 * @template T
 * @param {Promise<T>} asked
 * @returns {Promise<T>}
 */
export async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof TypeError ? new UnreachableError() : error;
  }
}

/**
 * An answer that is no refusal; a refusal is thrown as a ServerError.
 * @param {Promise<Response>} asked
 * @returns {Promise<Response>}
 */
export async function accepted(asked) {
  const answer = await reached(asked);
  heardDefault.take(answer);
  if (answer.ok) return answer;
  const { error, setting } = await answer.json().catch(() => ({}));
  throw new ServerError(error ?? `The server answered ${answer.status}.`, answer.status, setting);
}

/** @param {string} address @param {AbortSignal} [signal] @returns {Promise<ArrayBuffer>} */
export async function getBuffer(address, signal) {
  return reached((await accepted(fetch(address, { signal }))).arrayBuffer());
}

/** @type {Object<string, any>} answers that came with the page, by address, until they are used (ui/document.py) */
const given = window.soliloquy?.answers ?? {};

/** @param {string} address @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function getJSON(address, signal) {
  const { [address]: answer } = given;
  delete given[address];
  if (answer) return answer;
  return reached((await accepted(fetch(address, { signal }))).json());
}

/** The bytes at an address, or null where there is nothing. @param {string} address @param {AbortSignal} [signal] */
export async function getBytes(address, signal) {
  try {
    return await getBuffer(address, signal);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** The server counts the requests of each viewer. @param {string} address @param {object} body @param {AbortSignal} [signal] */
function post(address, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return accepted(fetch(address, { method: "POST", headers, body: JSON.stringify({ ...body, viewer }), signal }));
}

/** @param {string} address @param {object} body @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function postForJSON(address, body, signal) {
  return reached((await post(address, body, signal)).json());
}

/**
 * Asks for a stream of JSON objects, one per line; `each` is called with each of them as it arrives.
 * @param {string} address
 * @param {object} body
 * @param {(line: any) => void} each
 * @param {AbortSignal} [signal]
 */
export async function postForLines(address, body, each, signal) {
  await readLines(await post(address, body, signal), each, signal);
}

/** Reads a stream of JSON objects, one per line. @param {Response} answer @param {(line: any) => void} each @param {AbortSignal} [signal] */
export async function readLines(answer, each, signal) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reached(reader.read()); !part.done; part = await reached(reader.read())) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      signal?.throwIfAborted();
      each(JSON.parse(line));
    }
  }
}
