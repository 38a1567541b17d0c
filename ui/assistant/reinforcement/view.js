// The view "Reinforcement": a policy learns from a reward, with a penalty for leaving the supervised model and without one. Every measure of both runs
// stands side by side, and below them what both write with the same dice.
import { createPlayer } from "../../shared/play.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { Drawing } from "./drawing.js";
import { saveCharts, saveCurves, saveTexts } from "./save.js";
import { Reinforcement } from "./state.js";

const CAPTION =
  "Press Play: without a KL penalty, the policy learns reward hacking, answers that please the reward model and break the rule. “Reinforced” in Before and after is another run, rewarded by the rule itself; both menus have it.";

const PRESETS = [
  { preset: "policy", title: "policy", words: "a policy with a KL penalty" },
  { preset: "policy-free", title: "policy without a penalty", words: "a policy without a KL penalty" },
];

/** @param {HTMLElement} panel @param {import("../main.js").Assistant} assistant @returns {import("../../shared/views.js").View} */
export function createReinforcement(panel, assistant) {
  const state = new Reinforcement(assistant.address);
  const trainings = PRESETS.map(() => createTrainingHere(assistant.page));
  const drawing = new Drawing(panel, state, (step) => goTo(step), trainings.map(({ node }) => node));
  const { page } = drawing;
  const player = createPlayer(
    {
      begin: () => state.at === state.steps.length - 1 && state.choose(0),
      next() {
        state.choose(state.at + 1);
        return state.at < state.steps.length - 1;
      },
      readable: () => Promise.resolve(),
    },
    () => drawing.play(player.isPlaying),
  );

  /** Somebody takes over from Play. @param {number} place */
  function choose(place) {
    player.pause();
    state.choose(place);
  }

  /** @param {number} step */
  const goTo = (step) => choose(state.steps.indexOf(step));
  const play = () => state.steps.length > 1 && void player.play();
  const turn = () => state.chooseAxis(!state.isByRoot);

  page.play.addEventListener("click", play);
  page.back.addEventListener("click", () => choose(state.at - 1));
  page.on.addEventListener("click", () => choose(state.at + 1));
  page.slider.addEventListener("input", () => choose(Number(page.slider.value)));
  page.axis.addEventListener("click", turn);
  page.heads.forEach(({ select }, side) => select.addEventListener("change", () => state.chooseRun(side, select.value)));
  state.addEventListener("runs", () => drawing.runs());
  state.addEventListener("step", () => drawing.step());
  drawing.runs();

  return {
    caption: CAPTION,
    keeps: ["policies", "policy_step", "policy_axis"],
    take() {
      player.pause();
      state.take();
    },
    show() {
      state.show();
      trainings.forEach((training, side) => void training.show({ ...PRESETS[side], begun: ({ id }) => state.follow(side, id) }));
    },
    hide() {
      player.pause();
      for (const training of trainings) training.leave();
      state.hide();
    },
    keys: [
      ["p", "Play or pause", play],
      ["ArrowRight", "Next evaluation", () => choose(state.at + 1)],
      ["ArrowLeft", "Previous evaluation", () => choose(state.at - 1)],
      ["Home", "First evaluation", () => choose(0)],
      ["End", "Last evaluation", () => choose(state.steps.length - 1)],
      ["x", "By step, or by the root of the KL", turn],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      if (!state.shown.length) return [];
      return [
        ["All curves (CSV)", () => saveCurves(state.shown)],
        ["Answers at all evaluations (JSON)", () => saveTexts(state.shown)],
        ["Charts (PNG)", () => saveCharts(state.shown, drawing.tracksShown)],
      ];
    },
  };
}
