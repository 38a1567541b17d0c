// What the Train tab asks of the server (ui/training.py, ui/lock.py). The right is a token, kept for this browser: a reload does not ask for
// the password again, and in the frame of a Space, where cookies of third parties are blocked, it works too.
import { download } from "../shared/paint.js";
import { accepted } from "../shared/server.js";

const KEY = "soliloquy-right";

function kept() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

let token = kept();

function keep(value) {
  token = value;
  try {
    if (value) localStorage.setItem(KEY, value);
    else localStorage.removeItem(KEY);
  } catch {} // storage may be closed to us: then the right lasts as long as the page
}

export const hasRight = () => Boolean(token);

// JSON of an answer. Throws an Error in words for the reader; where the right is gone (401), it is forgotten.
async function ask(path, { method = "GET", body, raw } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await (await accepted(fetch(path, { method, headers, body: raw ?? (body === undefined ? undefined : JSON.stringify(body)) }))).json();
  } catch (error) {
    if (error.status === 401) keep("");
    throw error;
  }
}

export const getPresets = () => ask("./train/presets");
export const getRuns = () => ask("./train/runs");
export const getMetrics = (id, from) => ask(`./train/runs/${id}/metrics?from=${from}`);
export const checkCorpus = (text) => ask("./train/corpus", { method: "POST", raw: new Blob([text]) });
export const start = (settings) => ask("./train/start", { method: "POST", body: settings });
export const act = (id, action, body = {}) => ask(`./train/runs/${id}/${action}`, { method: "POST", body });

// The weights and what they need, as one file.
export async function downloadRun({ id, name }) {
  const answer = await accepted(fetch(`./train/runs/${id}/download`, { headers: { Authorization: `Bearer ${token}` } }));
  download(`${name}.zip`, await answer.blob());
}

export async function unlock(password) {
  keep((await ask("./admin/login", { method: "POST", body: { password } })).token);
}

export async function lock() {
  try {
    await ask("./admin/logout", { method: "POST", body: {} });
  } finally {
    keep("");
  }
}
