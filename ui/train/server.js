// What the Train tab asks of the server (ui/web/train.py, ui/web/admin.py). The right is a token, kept for this browser: a reload does not ask for
// the password again, and in the frame of a Space, where cookies of third parties are blocked, it works too.
import { download } from "../shared/paint.js";
import { accepted, reached } from "../shared/server.js";

const KEY = "soliloquy-right"; // the token
const ENDED = "soliloquy-right-ended"; // whether it is over; sent along at the next login, it tells this browser from a class behind the same address

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
  } catch {} // storage may be closed to us: then the right lasts as long as the page
}

const end = () => keep(token, "1");

export const hasRight = () => Boolean(token) && !ended;

// An answer that is no refusal. Throws an Error in words for the reader; a right that is gone (401) is forgotten.
async function ask(path, { method = "GET", json, body = json && JSON.stringify(json) } = {}) {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(json && { "Content-Type": "application/json" }) };
  try {
    return await accepted(fetch(path, { method, headers, body }), true); // training goes on whatever model is in use
  } catch (error) {
    if (error.status === 401 && hasRight()) end();
    throw error;
  }
}

const asJSON = async (path, options) => reached((await ask(path, options)).json());

export const getPresets = () => asJSON("./train/presets");
export const getRuns = () => asJSON("./train/runs");
export const getCurve = (id, from, edition) => asJSON(`./train/runs/${id}/metrics?from=${from}&edition=${edition}`);
export const getLog = (id) => asJSON(`./train/runs/${id}/log`);
export const sendCorpus = (text, name) => asJSON(`./train/corpus?name=${encodeURIComponent(name)}`, { method: "POST", body: text });
export const measurePace = (asked) => asJSON("./train/pace", { method: "POST", json: asked });
export const startRun = (asked) => asJSON("./train/start", { method: "POST", json: asked });
export const act = (id, action, json = {}) => asJSON(`./train/runs/${id}/${action}`, { method: "POST", json });
export const useShipped = () => asJSON("./train/shipped/use", { method: "POST", json: {} });

// The weights and what they need, as one file.
export async function downloadRun({ id, name }) {
  download(`${name}.zip`, await reached((await ask(`./train/runs/${id}/weights`)).blob()));
}

// Whether this browser may act, and why nobody can: { admin, closed }.
export async function askRight() {
  const right = await asJSON("./admin/session");
  if (!right.admin && hasRight()) end();
  return right;
}

export async function unlock(password) {
  const { token } = await asJSON("./admin/login", { method: "POST", json: { password } });
  keep(token);
}

// The token is forgotten here even if the server cannot be told.
export async function lock() {
  try {
    await asJSON("./admin/logout", { method: "POST", json: {} });
    end();
  } catch (error) {
    keep("");
    throw error;
  }
}
