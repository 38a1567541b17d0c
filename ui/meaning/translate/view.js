// The view "Encoder and decoder": the Transformer of 2017 writes an answer step by step, with its three kinds of attention, and a GPT does the same.
import { button, labelled, make } from "../../shared/dom.js";
import { createHeadChooser } from "../../shared/head_chooser.js";
import { createMapLegend } from "../../shared/map_legend.js";
import { createPlayer } from "../../shared/play.js";
import { fadeEnds } from "../../shared/tabs.js";
import { createTrainingHere } from "../../shared/training_here.js";
import { tellTrouble } from "../../shared/trouble.js";
import { createFigures } from "./figures.js";
import { KINDS } from "./kinds.js";
import { createMap } from "./map.js";
import { saveAnswers, saveFigures, saveFiguresAsTable, saveMap, saveWeights } from "./save.js";
import { createStacks } from "./stacks.js";
import { createStage } from "./stage.js";
import { BEAMS, State } from "./state.js";
import { createSteps } from "./steps.js";

const CAPTION =
  "The first Transformer has two stacks: an encoder reads the whole input, and a decoder writes the answer, looking back through cross-attention. A GPT does it with one. Press Play; choose one of the small maps in the boxes to see it large.";
const NOTHING = "Type a text to rewrite, or choose an example.";
const STEP_MS = 450;

/** @param {HTMLElement} panel @param {import("../main.js").Meaning} meaning @returns {import("../../shared/views.js").View} */
export function createTranslate(panel, meaning) {
  const state = new State(meaning.address);
  const page = layOut(panel);
  const [stage, stacks, map, steps, figures] = [createStage(state), createStacks(state), createMap(state), createSteps(state), createFigures(state)];
  const chooser = createHeadChooser(state);
  const form = createForm(state, rewrite);
  const trainings = [createTrainingHere(meaning.page), createTrainingHere(meaning.page)];
  const beside = make("div", "translate-beside");
  beside.append(steps.node, chooser.node, createMapLegend().node);
  const lower = make("div", "translate-lower");
  lower.append(map.node, beside);
  const rail = createRail();
  page.main.append(form.node, page.trouble, page.notice, stage.node, page.verdict, rail.node, lower);
  const side = make("div", "translate-side");
  side.append(form.tasks, stacks.node);
  page.filled.append(side, page.main);
  panel.append(page.filled, figures.node, ...trainings.map(({ node }) => node));
  let [isShown, isNew] = [false, false]; // whether anybody sees it; whether the answer is to be played when it is here

  const player = createPlayer(
    {
      begin: () => state.step === state.length - 1 && state.chooseStep(0),
      next() {
        state.chooseStep(state.step + 1);
        return state.step < state.length - 1;
      },
      readable: () => Promise.resolve(),
    },
    () => (rail.play.textContent = player.isPlaying ? "Pause" : "Play"),
    STEP_MS,
  );
  const play = () => state.length > 1 && void player.play();

  /** What was typed; not even an example where nothing was. @param {string} text */
  function rewrite(text) {
    if (text.trim()) state.chooseText(text);
    else page.trouble.textContent = NOTHING;
  }

  /** Somebody takes over from Play. @param {number} step */
  function go(step) {
    player.pause();
    state.chooseStep(step);
  }

  async function read() {
    if (!isShown) return;
    player.pause();
    if (!(await state.read())) return;
    page.main.classList.remove("stale");
    if (isNew && isShown) play();
    isNew = false;
  }

  function drawStep() {
    rail.draw(state);
    for (const part of [stage, stacks, map, steps]) part.draw();
  }

  function drawAnswer() {
    page.notice.textContent = [state.notice, ...[state.translated, state.gpt].map((each) => each?.trouble)].filter(Boolean).join(" ");
    page.verdict.replaceChildren(...verdictOf(state));
    chooser.draw();
    stage.build();
    drawStep();
    stacks.connect();
  }

  rail.play.addEventListener("click", play);
  rail.back.addEventListener("click", () => go(state.step - 1));
  rail.on.addEventListener("click", () => go(state.step + 1));
  rail.slider.addEventListener("input", () => go(Number(rail.slider.value)));
  state.addEventListener("tasks", () => {
    form.draw();
    figures.draw();
    stacks.draw();
  });
  state.addEventListener("asked", () => {
    isNew = true;
    page.main.classList.add("stale");
    form.draw();
    figures.draw();
    showTrainings();
    void read();
  });
  state.addEventListener("answer", drawAnswer);
  state.addEventListener("step", drawStep);
  state.addEventListener("map", () => {
    chooser.draw();
    drawStep();
  });
  state.addEventListener("trouble", () => {
    page.trouble.replaceChildren();
    if (state.trouble) tellTrouble(page.trouble, state.trouble, read);
  });

  function showTrainings() {
    const id = state.task?.id;
    if (!id) return;
    void trainings[0].show({ preset: id, title: id, words: "an encoder and decoder" });
    void trainings[1].show({ preset: `${id}-gpt`, title: `${id}-gpt`, words: "a GPT for the same task" });
  }

  const nextOf = (all, now) => all[(all.indexOf(now) + 1) % all.length];
  return {
    caption: CAPTION,
    keeps: ["rule", "source", "beams", "sees", "sees_head", "written"],
    async take() {
      isNew = false;
      form.draw();
      figures.draw();
      if (!isShown) return;
      await read();
      if (!state.length) return;
      showTrainings();
      chooser.draw();
      drawStep();
    },
    async show() {
      isShown = true;
      await read();
      if (isShown) showTrainings();
    },
    hide() {
      isShown = false;
      player.pause();
      state.cancel();
      for (const training of trainings) training.leave();
    },
    keys: [
      ["p", "Play or pause", play],
      ["ArrowRight", "Next character", () => go(state.step + 1)],
      ["ArrowLeft", "Previous character", () => go(state.step - 1)],
      ["Home", "First character", () => go(0)],
      ["End", "Whole answer", () => go(state.length - 1)],
      ["m", "Next kind of attention", () => state.chooseKind(nextOf(KINDS, state.kind).id)],
      [",", "Previous head", () => chooser.step(-1)],
      [".", "Next head", () => chooser.step(1)],
      ["b", "More beams, or one", () => state.chooseBeams(nextOf(BEAMS, state.beams))],
      ["n", "Another example", () => state.task && state.chooseText(nextOf(state.task.examples, state.text))],
      ["r", "Write an input", () => form.focus()],
    ],
    /** @returns {import("../../shared/views.js").Entry[]} */
    get downloads() {
      if (!state.shown) return [];
      return [
        ["Answers, step by step (JSON)", () => saveAnswers(state)],
        ["This map (PNG)", () => saveMap(state, map)],
        ["This map (CSV)", () => saveWeights(state)],
        ["Exact matches by length (CSV)", () => saveFiguresAsTable(state)],
        ["Exact matches by length (PNG)", () => saveFigures(figures)],
      ];
    },
  };
}

/** @param {HTMLElement} panel */
function layOut(panel) {
  const [filled, main] = [make("div", "translate"), make("div", "translate-main")];
  const [trouble, notice, verdict] = [make("p", "trouble"), make("p", "notice"), make("p", "translate-verdict")];
  trouble.setAttribute("role", "alert");
  for (const node of [notice, verdict]) node.setAttribute("role", "status");
  panel.append(filled);
  return { filled, main, trouble, notice, verdict };
}

/**
 * The task, an input of one's own or an example, and the number of beams.
 * @param {State} state
 * @param {(text: string) => void} choose
 */
function createForm(state, choose) {
  const node = make("form", "translate-form");
  node.setAttribute("aria-label", "Text to rewrite");
  const [tasks, examples] = [make("div", "translate-tasks"), make("div", "translate-examples")];
  tasks.setAttribute("role", "group");
  tasks.setAttribute("aria-label", "Task");
  examples.setAttribute("role", "group");
  examples.setAttribute("aria-label", "Examples");
  const field = Object.assign(make("input", "field"), { id: "translate-source", autocomplete: "off", spellcheck: false });
  const beams = Object.assign(make("select", "field"), { id: "translate-beams" });
  beams.append(...BEAMS.map((count) => new Option(count === 1 ? "1 (greedy)" : String(count), String(count))));
  beams.addEventListener("change", () => state.chooseBeams(Number(beams.value)));
  const send = Object.assign(make("button", "button primary", "Rewrite"), { type: "submit" });
  const line = make("div", "translate-line");
  line.append(labelled("Input", field, "translate-input"), labelled("Beams", beams, "translate-beam-count"), send);
  node.append(line, examples);
  const mark = fadeEnds(examples);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(field.value);
  });

  function draw() {
    const { task } = state;
    if (!task) return;
    tasks.replaceChildren(
      ...state.tasks.map(({ id, title, about }) => {
        const choice = button("translate-task", title, () => state.chooseTask(id));
        choice.setAttribute("aria-pressed", String(id === task.id));
        choice.title = about;
        return choice;
      }),
    );
    const { most } = task.networks["encoder-decoder"];
    field.title = most ? `1 to ${most} characters` : "";
    field.value = state.text;
    beams.value = String(state.beams);
    examples.replaceChildren(
      ...task.examples.map((example) => {
        const chip = button("switch translate-example", example, () => state.chooseText(example));
        chip.setAttribute("aria-pressed", String(example === state.text));
        return chip;
      }),
    );
    mark();
  }

  return { node, tasks, draw, focus: () => field.select() };
}

/** Play, and the characters one by one. */
function createRail() {
  const node = make("div", "translate-rail");
  const play = button("button translate-play", "Play", () => {});
  const [back, on] = [button("button translate-move", "‹", () => {}), button("button translate-move", "›", () => {})];
  back.setAttribute("aria-label", "Previous character");
  on.setAttribute("aria-label", "Next character");
  const slider = Object.assign(make("input", "translate-slider"), { type: "range", min: "0", step: "1" });
  slider.setAttribute("aria-label", "Character that is being written");
  const place = make("p", "translate-place");
  node.append(play, back, on, slider, place);
  return {
    node,
    play,
    back,
    on,
    slider,
    /** @param {State} state */
    draw({ step, length }) {
      slider.max = String(Math.max(0, length - 1));
      slider.value = String(step);
      slider.setAttribute("aria-valuetext", `character ${step + 1} of ${length}`);
      place.textContent = length ? `${step + 1} of ${length}` : "";
      back.disabled = step <= 0;
      on.disabled = step >= length - 1;
    },
  };
}

/** What the rule gives, where an answer differs from it. @param {State} state */
function verdictOf({ right, translated, gpt }) {
  const wrong = [translated, gpt].filter((each) => each?.steps.length && !each.isRight);
  return wrong.length ? ["The rule gives ", make("b", "translate-right", right)] : [];
}
