// The Train tab's requests to the server (ui/web/train.py, ui/web/admin.py). The admin's session is a token, kept in this browser: a reload does not
// ask for the password again, and it works in the frame of a Space, where third-party cookies are blocked.
import { download } from "../shared/paint.js";
import { accepted, reached } from "../shared/server.js";

/** @typedef {{method?: string, json?: object, body?: BodyInit, signal?: AbortSignal}} Options */

const KEY = "soliloquy-session"; // the token
const ENDED = "soliloquy-session-ended"; // whether it is over; an old token, sent at the next login, distinguishes this browser from a class behind the same address

function kept(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

let [token, ended] = [kept(KEY), kept(ENDED)];

function keep(value, isOver = "") {
  [token, ended] = [value, isOver];
  try {
    localStorage.setItem(KEY, value);
    localStorage.setItem(ENDED, isOver);
  } catch {} // storage may be blocked: then the session lasts as long as the page
}

const end = () => keep(token, "1");

export const hasSession = () => Boolean(token) && !ended;

/**
 * An answer that is no refusal. Throws an Error in words for the reader; a session that is over (401) is forgotten.
 * @param {string} path
 * @param {Options} [options]
 */
async function ask(path, { method, json, body = json && JSON.stringify(json), signal } = {}) {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(json && { "Content-Type": "application/json" }) };
  try {
    return await accepted(fetch(path, { method, headers, signal, ...(body && { body }) }));
  } catch (error) {
    if (error.status === 401 && hasSession()) end();
    throw error;
  }
}

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
const asJSON = async (path, options) => reached((await ask(path, options)).json());

export const getPresets = () => asJSON("./train/presets");
export const getRuns = () => asJSON("./train/runs");
export const getCurve = (id, from, edition, signal) => asJSON(`./train/runs/${id}/metrics?from=${from}&edition=${edition}`, { signal });
export const getLog = (id, signal) => asJSON(`./train/runs/${id}/log`, { signal });
export const sendCorpus = (text, name, signal) => asJSON(`./train/corpus?${new URLSearchParams({ name })}`, { method: "POST", body: text, signal });
export const measurePace = (asked, signal) => asJSON("./train/pace", { method: "POST", json: asked, signal });
export const startRun = (asked) => asJSON("./train/start", { method: "POST", json: asked });
export const act = (id, action, json = {}) => asJSON(`./train/runs/${id}/${action}`, { method: "POST", json });
export const useShipped = () => asJSON("./train/shipped/use", { method: "POST", json: {} });

// The weights and their config, as one file.
export async function downloadRun({ id, name }) {
  download(`${name}.zip`, await reached((await ask(`./train/runs/${id}/weights`)).blob()));
}

/** Whether this browser may act, and why nobody can. @returns {Promise<{admin: boolean, closed: string, one_time: boolean}>} */
export async function askSession() {
  const session = await asJSON("./admin/session");
  if (!session.admin && hasSession()) end();
  return session;
}

export async function unlock(password) {
  const { token } = await asJSON("./admin/login", { method: "POST", json: { password } });
  keep(token);
}

// The token is forgotten here even if the server cannot be reached.
export async function lock() {
  try {
    await asJSON("./admin/logout", { method: "POST", json: {} });
    end();
  } catch (error) {
    keep("");
    throw error;
  }
}
