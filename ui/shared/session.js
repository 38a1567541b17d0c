// Requests that training takes (ui/web/train.py, ui/web/admin.py), with the admin's session. It is a token, kept in this browser: a reload does not
// ask for the password again, and it works in the frame of a Space, where third-party cookies are blocked.
import { Emitter } from "./emitter.js";
import { accepted, reached, readLines } from "./server.js";
import { inBrowser } from "./storage.js";

/** @typedef {{method?: string, json?: object, body?: BodyInit, signal?: AbortSignal}} Options */

const KEY = "soliloquy-session"; // the token
const ENDED = "soliloquy-session-ended"; // whether it is over; an old token, sent at the next login, distinguishes this browser from a class behind the same address

let [token, ended] = [inBrowser.get(KEY), inBrowser.get(ENDED)];

/** Event "change": whether this browser may act may have changed. */
class Session extends Emitter {
  /** Whether it is over though nobody here has ended it. */
  isLost = false;
}

export const session = new Session();
export const LOST = "The app was started again, or the session has run out. Unlock it to go on.";

function keep(value, isOver = "") {
  [token, ended] = [value, isOver];
  inBrowser.keep(KEY, value);
  inBrowser.keep(ENDED, isOver);
  session.tell("change");
}

function end(isLost = false) {
  session.isLost = isLost;
  keep(token, "1");
}

/** The server does not know the session any more. Another tab of this browser may have begun a new one. */
export function lose() {
  if (!hasSession()) return;
  const other = inBrowser.get(KEY);
  if (!other || other === token || inBrowser.get(ENDED)) return end(true);
  token = other;
  session.tell("change");
}

export const hasSession = () => Boolean(token) && !ended;

/**
 * An answer that is no refusal. Throws an Error in words for the reader; a session that is over (401) is forgotten.
 * @param {string} path
 * @param {Options} [options]
 */
export async function ask(path, { method, json, body = json && JSON.stringify(json), signal } = {}) {
  const sent = token;
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(json && { "Content-Type": "application/json" }) };
  try {
    return await accepted(fetch(path, { method, headers, signal, ...(body && { body }) }));
  } catch (error) {
    if (error.status === 401 && sent === token) lose();
    throw error;
  }
}

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
export const askForJSON = async (path, options) => reached((await ask(path, options)).json());

/** As postForLines, with the session. @param {string} path @param {object} json @param {(line: any) => void} each @param {AbortSignal} [signal] */
export const askForLines = async (path, json, each, signal) => readLines(await ask(path, { method: "POST", json, signal }), each, signal);

export const getRuns = () => askForJSON("./train/runs");
export const getCurve = (id, from, edition, signal) => askForJSON(`./train/runs/${id}/metrics?from=${from}&edition=${edition}`, { signal });
export const sendCorpus = (text, name, signal) => askForJSON(`./train/corpus?${new URLSearchParams({ name })}`, { method: "POST", body: text, signal });
export const startRun = (asked) => askForJSON("./train/start", { method: "POST", json: asked });
export const act = (id, action, json = {}) => askForJSON(`./train/runs/${id}/${action}`, { method: "POST", json });

/** Whether this browser may act, and why nobody can. @returns {Promise<{admin: boolean, closed: string, one_time: boolean}>} */
export async function askSession() {
  const answer = await askForJSON("./admin/session");
  if (!answer.admin) lose();
  return answer;
}

export async function unlock(password) {
  const { token } = await askForJSON("./admin/login", { method: "POST", json: { password } });
  session.isLost = false;
  keep(token);
}

// The token is forgotten here even if the server cannot be reached.
export async function lock() {
  try {
    await askForJSON("./admin/logout", { method: "POST", json: {} });
    end();
  } catch (error) {
    keep("");
    throw error;
  }
}
