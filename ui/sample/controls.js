// The controls at the left are Gradio's. Their fields are the truth: they are read and set where they stand.
const FIELDS = {
  prompt: "#prompt textarea",
  temperature: '#temperature input[type="number"]',
  length: '#length input[type="number"]',
  samples: '#samples input[type="number"]',
  seed: "#seed :is(input, textarea)",
  top_k: '#top-k input[type="number"]',
  top_p: '#top-p input[type="number"]',
};
const OTHERS = ["notice", "generate", "stop", "again", "clear", "more-button", "more"]; // ids of what the scripts find beside them
const AS_TEXT = new Set(["prompt", "seed"]);
const field = (name) => document.querySelector(FIELDS[name]);

// A number beyond the ends of its field counts as that end: Gradio makes it so once the field is left.
function valueOf(name, node) {
  if (AS_TEXT.has(name)) return node.value;
  const { min, max } = field(name);
  return Math.min(Number(max), Math.max(Number(min), Number(node.value)));
}

const nameOf = (node) => Object.keys(FIELDS).find((name) => field(name)?.closest(".block")?.contains(node));

export class Controls {
  // Gradio mounts its components one after the other.
  static ready() {
    const isThere = () => Object.keys(FIELDS).every(field) && OTHERS.every((id) => document.getElementById(id));
    return new Promise((resolve) => {
      const look = () => (isThere() ? resolve(new Controls()) : requestAnimationFrame(look));
      look();
    });
  }

  // { prompt, temperature, length, samples, seed (as typed), top_k, top_p }
  get() {
    return Object.fromEntries(Object.keys(FIELDS).map((name) => [name, valueOf(name, field(name))]));
  }

  set(settings) {
    for (const [name, value] of Object.entries(settings)) {
      const node = FIELDS[name] && field(name);
      if (!node || node.value === String(value)) continue;
      node.value = value;
      node.dispatchEvent(new Event("input", { bubbles: true })); // Gradio's fields listen to it
      if (!AS_TEXT.has(name)) node.dispatchEvent(new Event("blur")); // ... and tidy up numbers
    }
  }

  focus(name) {
    field(name).focus();
  }

  // Calls back with all settings and the name of the one that was moved, at once: a range's event comes before its number is set.
  // Numbers are told again when their field is left, where Gradio tidies them up without an event.
  onChange(listener) {
    document.addEventListener("input", ({ target }) => {
      const name = nameOf(target);
      if (!name || (target.value === "" && !AS_TEXT.has(name))) return;
      listener({ ...this.get(), [name]: valueOf(name, target) }, name);
    });
    document.addEventListener("focusout", ({ target }) => {
      const name = nameOf(target);
      if (name && !AS_TEXT.has(name)) setTimeout(() => listener(this.get(), name)); // when that is done
    });
  }
}
