// Talking to the server. What goes wrong is an Error in words for the reader; what was stopped stays an AbortError.
const viewer = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

export const UNREACHABLE = "The server cannot be reached. Nothing is lost; try again.";

// Browsers tell a lost connection by a TypeError.
export async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof TypeError ? new Error(UNREACHABLE) : error;
  }
}

const OTHER_MODEL = "Another model is in use by now: load the page anew to go on with it.";
export const models = new EventTarget(); // event "other": see model.js
let model = ""; // the key of the first that an answer told of

function isOfAnother(answer) {
  const told = answer.headers.get("X-Model");
  model ||= told ?? "";
  if (!told || told === model) return false;
  models.dispatchEvent(new CustomEvent("other"));
  return true;
}

// An answer that is no refusal. Throws an Error in words for the reader, with its status; also for what another model than the page's says,
// unless `anyModel`.
export async function accepted(asked, anyModel = false) {
  const answer = await reached(asked);
  if (isOfAnother(answer) && answer.ok && !anyModel) throw new Error(OTHER_MODEL);
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(error ?? `The server answered ${answer.status}.`), { status: answer.status });
}

// What is at an address: as bytes, and as JSON.
export async function getBuffer(address, signal) {
  return reached((await accepted(fetch(address, { signal }))).arrayBuffer());
}

export async function getJSON(address, signal) {
  return reached((await accepted(fetch(address, { signal }))).json());
}

// The bytes at an address, or null where there is nothing.
export async function getBytes(address) {
  try {
    return await getBuffer(address);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

// The server counts what each viewer has under way.
function post(address, body, signal) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body, viewer }), signal };
  return accepted(fetch(address, asked));
}

export async function postForJSON(address, body, signal) {
  return reached((await post(address, body, signal)).json());
}

// Asks for a stream of JSON objects, one a line; `each` is given them as they come.
export async function postForLines(address, body, each, signal) {
  const answer = await post(address, body, signal);
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
