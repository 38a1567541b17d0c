// Talking to the server. What goes wrong is an Error in words for the reader; what was stopped stays an AbortError.
const viewer = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

export const UNREACHABLE = "The server cannot be reached. Nothing is lost; try again.";

// Browsers tell a lost connection by a TypeError.
async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof TypeError ? new Error(UNREACHABLE) : error;
  }
}

async function accepted(asked) {
  const answer = await reached(asked);
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The server answered ${answer.status}.`);
}

// The bytes at an address, or null where there is nothing.
export async function getBytes(address) {
  const answer = await reached(fetch(address));
  return answer.status === 404 ? null : reached((await accepted(answer)).arrayBuffer());
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
