// What can be done on the tab: the buttons at the left, those of the bar, going on from a character, and taking things along.
import { copyLink, createMenu, toggleFullScreen, tool } from "../shared/bar.js";
import { die } from "../shared/dice.js";
import { distribution, land } from "../shared/distribution.js";
import { download } from "../shared/paint.js";
import { logitsOf } from "./records.js";

const byId = (id) => document.getElementById(id);

export function createActions(app) {
  const { runs, controls } = app;
  app.undo = () => controls.set(runs.undo());
  app.continueFrom = (run, sample, index) => {
    const prompt = run.start + [...run.texts[sample]].slice(0, index + 1).join("");
    goOn(app, prompt, { ...controls.get(), prompt, first_sample: 0 });
  };
  // The sample's own dice go on after the character that was chosen instead of the one that they gave.
  app.force = (run, sample, index, id) => {
    const chosen = app.vocabulary[id];
    const prompt = run.start + [...run.texts[sample]].slice(0, index).join("") + chosen;
    const { seed, first_sample, first_step = 0 } = run.view;
    const dice = { seed, first_sample: first_sample + sample, first_step: first_step + index + 1, samples: 1 };
    goOn(app, prompt, { ...controls.get(), ...run.settings, prompt, ...dice }, { chosen });
  };
  createButtons(app);
  createBar(app);
  createMore();
  checkNumbers(app);
}

function goOn(app, prompt, settings, forced = null) {
  const before = { prompt: app.controls.get().prompt };
  app.controls.set({ prompt });
  app.show("texts");
  const takeBack = (run) => !run && app.controls.get().prompt === prompt && app.controls.set(before); // refused
  void app.runs.write(settings, { keep: true, before, forced }).then(takeBack);
}

function createButtons({ runs, controls }) {
  const actions = {
    generate: () => void runs.write(controls.get()),
    again: () => void runs.write(controls.get(), { keep: true }),
    stop: () => runs.stop(),
    clear: () => runs.clear(),
  };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  const allowStop = () => {
    const stop = byId("stop");
    if (!runs.busy && stop === document.activeElement) byId("generate").focus();
    stop.disabled = !runs.busy;
  };
  runs.addEventListener("change", allowStop);
  runs.addEventListener("grow", allowStop);
  allowStop();
}

function createBar(app) {
  app.copyLink = () => copyLink(() => app.address.write(), app.say);
  app.toggleFullScreen = () => toggleFullScreen(app.element, (words) => {
    app.tell(words, false);
    app.say(words); // on a phone the other place is out of sight
  });
  const opener = tool("download", "Download", "Download (d)", () => app.download());
  app.download = createMenu(app.element, opener, () => entries(app), (words) => app.tell(words, true));
  const undo = tool("undo", "Undo", "Undo (u)", app.undo);
  app.element.querySelector(".bar-tools").append(
    undo,
    tool("link", "Copy link", "Copy the link to this state (l)", app.copyLink),
    opener,
    tool("full-screen", "Full screen", "Full screen (f)", app.toggleFullScreen),
    tool("keys", "Keys", "Keys (?)", () => app.showKeys()),
  );
  const allowUndo = () => (undo.disabled = !app.runs.canUndo);
  app.runs.addEventListener("change", allowUndo);
  allowUndo();
}

function entries(app) {
  const texts = app.runs.list.length
    ? [
        ["Texts (TXT)", () => download("soliloquy.txt", new Blob([asText(app.runs.list)], { type: "text/plain" }))],
        ["Texts with probabilities (JSON)", async () => download("soliloquy.json", new Blob([await asJSON(app)], { type: "application/json" }))],
      ]
    : [];
  const own = app.view().downloads ?? [];
  return own.length || texts.length ? [...own, ...texts] : [["Nothing to download yet", () => {}]];
}

function asText(runs) {
  const of = ({ view, texts }) => {
    const { prompt, temperature, top_k = 0, top_p = 1, seed, first_step = 0, forced } = view;
    const dice = [`seed ${seed}`, ...(first_step ? [`throws from ${first_step + 1} on`] : []), ...(forced ? ["the prompt's last character chosen by hand"] : [])];
    const head = `prompt ${JSON.stringify(prompt)}, temperature ${temperature}, top-k ${top_k}, top-p ${top_p}, ${dice.join(", ")}`;
    return texts.map((text, sample) => `--- sample ${view.first_sample + sample + 1}: ${head}\n${prompt}${text}\n`);
  };
  return runs.flatMap(of).join("\n");
}

async function asJSON(app) {
  const runs = [];
  for (const run of app.runs.list) {
    const { prompt, seed, temperature, top_k = 0, top_p = 1, first_sample, first_step = 0, forced } = run.view;
    const samples = [];
    for (const sample of run.texts.keys()) {
      const logits = await logitsOf(run, sample);
      const characters = charactersOf(app, run, sample, logits);
      samples.push({ sample: first_sample + sample, text: characters.map(({ char }) => char).join(""), characters }); // it may still grow
    }
    const recomputed = run.recomputed.some(Boolean);
    runs.push({ prompt, seed, temperature, top_k, top_p, first_sample, first_step, forced: forced?.chosen ?? null, recomputed, samples });
  }
  return JSON.stringify({ model: app.page, runs }, null, 1);
}

// For each character: itself, the probability that it was drawn with, the raw one, and the die.
function charactersOf(app, run, sample, logits) {
  const V = app.vocabulary.length;
  const { seed, first_sample, first_step = 0 } = run.view;
  return [...run.texts[sample]].slice(0, logits.length / V).map((char, i) => {
    const here = logits.subarray(i * V, (i + 1) * V);
    const [drawn, thrown] = [distribution(here, run.settings), die(seed, first_sample + sample, first_step + i)];
    const { id, low, high } = land(drawn, thrown);
    const die_of = id === app.idOf(char) ? { die: thrown, low, high } : {}; // logits computed anew may put an edge elsewhere
    return { char, probability: drawn[app.idOf(char)], raw: distribution(here)[app.idOf(char)], ...die_of };
  });
}

// Top-k and top-p are out of sight at first.
function createMore() {
  const open = byId("more-button");
  open.addEventListener("click", () => {
    const isOpen = byId("more").classList.toggle("open");
    open.setAttribute("aria-expanded", String(isOpen));
  });
}

// Gradio takes an emptied number field for its lowest value, and moves what is out of range without a word.
function checkNumbers(app) {
  const isNumberField = (node) => node.matches?.('#controls input[type="number"]');
  document.addEventListener("focusin", ({ target }) => {
    if (isNumberField(target)) target.dataset.before = target.value;
  });
  const check = ({ target }) => {
    if (!isNumberField(target)) return;
    const { min, max, value } = target;
    const label = target.getAttribute("aria-label").replace("number input for ", "");
    if (value === "") {
      target.value = target.dataset.before;
      target.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (Number(value) < Number(min) || Number(value) > Number(max)) {
      app.tell(`${label} goes from ${min} to ${Number(max).toLocaleString("en")}.`, false);
    }
  };
  document.addEventListener("blur", check, true); // before Gradio hears of it
}
