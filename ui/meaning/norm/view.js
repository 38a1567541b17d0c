// The view "Pre- and post-norm": where a block normalises, and what that means for its training.
import { createDiceRow } from "../../shared/dice_row.js";
import { FixedDice } from "../../shared/fixed_dice.js";
import { createChart } from "../../shared/loss_chart.js";
import { Latest } from "../../shared/requests.js";
import { isUnderWay } from "../../shared/runs.js";
import { getJSON } from "../../shared/server.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createBlock } from "./block.js";
import { createCode } from "./code.js";
import { layOut } from "./layout.js";
import { createRecipes } from "./recipes.js";
import { isLost, recipesOf, resultInWords, seriesOf } from "./runs.js";
import { saveChart, saveLosses, saveTexts } from "./save.js";
import { createTexts } from "./texts.js";

const CAPTION =
  "One network, its norms in two places. Switch the block, then choose a recipe of the training: which of the two still learns?";
const SPAN = [1.6, 5]; // losses that every chart has room for, so that recipes can be compared, and the legend is above the curves
const NO_RUNS = "No run of these networks is here. Restore the folder weights/meaning, or train the presets pre-norm and post-norm.";
const LOOK_MS = 3_000; // while a run is under way

/** @typedef {import("./runs.js").Recipe} Recipe */
/** @typedef {{norms: import("./runs.js").Norm[], runs: import("./runs.js").Run[], bigram_loss: number}} Answer */

/** @param {HTMLElement} panel @param {import("../main.js").Meaning} meaning @returns {import("../../shared/views.js").View} */
export function createNorm(panel, meaning) {
  const { address, page } = meaning;
  const dice = new FixedDice(page);
  const [block, code, recipes, chart] = [createBlock(), createCode(), createRecipes(chooseRecipe), createChart([], () => {})];
  const [texts, training] = [createTexts(meaning, dice), createTrainingHere(page)];
  const parts = layOut(panel, { block, code, recipes, chart, texts, training }, chooseNorm);
  createDiceRow(dice, parts.form, "norm-", {
    name: "prompt",
    hint: "Enter writes at once; Shift and Enter begins a new line",
    placeholder: "empty: start from a newline",
    get: () => dice.settings.prompt,
    set: (prompt) => dice.set({ prompt }),
  });
  const reading = new Latest();
  /** @type {Answer} */
  let answer = { norms: [], runs: [], bigram_loss: 0 };
  /** @type {Recipe[]} */
  let all = [];
  let [waiting, isShown, isStale] = [0, false, true];
  let offered = ""; // what can be trained here: a norm and a recipe

  const norm = () => answer.norms.find(({ id }) => id === address.get("norm")) ?? answer.norms[0];
  const recipe = () => all.find(({ id }) => id === address.get("recipe")) ?? opening();

  /** The first recipe with which one of the two fails: there it matters where the norms are. */
  const opening = () => all.find(({ runs }) => runs.some((run) => isLost(run, answer.bigram_loss))) ?? all[0];

  /** @param {string} id */
  function chooseNorm(id) {
    address.keep("norm", id === answer.norms[0]?.id ? "" : id);
    drawBlock();
    train();
  }

  /** @param {string} id */
  function chooseRecipe(id) {
    address.keep("recipe", id === opening().id ? "" : id);
    drawRuns();
    write();
    train();
  }

  /** @param {number} by */
  function step(by) {
    if (all.length) chooseRecipe(all[(all.indexOf(recipe()) + by + all.length) % all.length].id);
  }

  const turn = () => answer.norms.length && chooseNorm(answer.norms.find((other) => other !== norm()).id);

  async function read() {
    const signal = reading.begin();
    parts.trouble.replaceChildren();
    try {
      answer = await getJSON("./meaning/norm", signal);
    } catch (error) {
      if (!signal.aborted) tellTrouble(parts.trouble, error, read);
      return;
    } finally {
      reading.end(signal);
    }
    const before = recipe()?.id;
    const usable = answer.runs.filter(({ trouble }) => !trouble);
    all = recipesOf(usable, answer.norms);
    parts.notice.textContent = answer.runs.filter((run) => run.trouble && !isUnderWay(run)).map(({ name, trouble }) => `${name} cannot be shown: ${trouble}`).join(" ");
    drawBlock();
    drawRuns();
    if (recipe()?.id !== before) write();
    train();
    if (answer.runs.some(isUnderWay)) look();
  }

  /** Reads again after a while; not at once, since an answer may be of the second before. */
  function look() {
    clearTimeout(waiting);
    if (isShown) waiting = setTimeout(read, LOOK_MS);
  }

  /** Takes what the address says now. */
  function take() {
    drawBlock();
    if (!all.length) return;
    drawRuns();
    write();
    train();
  }

  function drawBlock() {
    if (!answer.norms.length) return;
    parts.mark(norm().id);
    parts.about.textContent = norm().about;
    block.show(norm());
    code.show(norm());
  }

  function drawRuns() {
    const chosen = recipe();
    parts.runs.hidden = parts.below.hidden = !chosen;
    parts.empty.textContent = chosen ? "" : NO_RUNS;
    if (!chosen) return;
    recipes.draw(all, chosen, answer.norms, answer.bigram_loss);
    chart.draw({ runs: chosen.runs.map(seriesOf), scale: "linear", playhead: null, span: SPAN });
    const results = chosen.runs.map((run) => resultInWords(run, answer.norms.find(({ id }) => id === run.norm), answer.bigram_loss));
    parts.said.textContent = results.join(" ");
    parts.form.hidden = !chosen.isFirst;
    parts.kept.hidden = chosen.isFirst;
  }

  function write() {
    isStale = true;
    if (!isShown || !recipe()) return;
    isStale = false;
    void texts.show(answer.norms, recipe());
  }

  /** What "Train this" trains: the norm and the recipe that are chosen. */
  function train() {
    if (!isShown || !recipe()) return;
    const { warmup_steps, learning_rate } = recipe();
    const { id, title } = norm();
    const name = `${id} ${recipe().id}`;
    if (name === offered) return; // it goes on watching its run
    offered = name;
    const settings = { warmup_steps, learning_rate, embedding_learning_rate: learning_rate };
    const isOf = (run) => run.preset === id && run.recipe?.warmup_steps === warmup_steps && run.recipe?.learning_rate === learning_rate;
    void training.show({ preset: id, title: id, words: `${title.toLowerCase()} with this recipe`, asked: () => ({ settings }), isOf, begun: look });
  }

  dice.addEventListener("change", write);
  return {
    caption: CAPTION,
    keeps: ["norm", "recipe"],
    take,
    show() {
      isShown = true;
      void read();
      if (isStale) write();
    },
    hide() {
      isShown = false;
      clearTimeout(waiting);
      reading.cancel();
      isStale ||= texts.isWriting;
      texts.leave();
      training.leave();
      offered = "";
    },
    keys: [
      ["b", "The other block", turn],
      ["ArrowRight", "Next recipe", () => step(1)],
      ["ArrowLeft", "Previous recipe", () => step(-1)],
      ["s", "New dice", () => dice.roll()],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      if (!all.length) return [];
      return [
        ["Losses of all runs (CSV)", () => saveLosses(all.flatMap(({ runs }) => runs))],
        ["Losses with this recipe (PNG)", () => saveChart(chart)],
        ["Texts (JSON)", () => saveTexts({ ...(recipe().isFirst ? dice.settings : {}), recipe: recipe().id, texts: texts.shown })],
      ];
    },
  };
}
