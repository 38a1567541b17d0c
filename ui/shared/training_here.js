// "Train this": a run that is started from a view and watched in place. Anyone sees how it goes; the admin starts and stops it.
import { button, make, number } from "./dom.js";
import { endInWords, isUnderWay } from "./runs.js";
import { act, getCurve, getRuns, hasSession, session, startRun } from "./session.js";
import { openTab } from "./tabs.js";

const LOOK_MS = 1_000;

/**
 * What a view trains.
 * @typedef {object} Subject
 * @property {string} preset that trains it; "" if none does
 * @property {string} title the name of its runs
 * @property {string} words in a sentence: "this rung"
 * @property {boolean} [isSlow] whether it takes too long for a class to wait
 * @property {(run: any) => boolean} [isOf] whether a run has trained the same; without it, whether it has the preset
 * @property {() => object | Promise<object>} [asked] what else the request to start it has
 * @property {(evaluations: Object<string, number[]>) => string} [figures] the last ones of a run under way
 * @property {(run: any) => string} [result] of a run that is over
 * @property {(run: any) => void} [begun] called with a run that was started here
 */

/** @param {import("./page.js").Page} page */
export function createTrainingHere(page) {
  const node = make("section", "training-here");
  node.hidden = true; // until it is known what is trained
  const start = button("button", "", begin);
  const stop = button("button", "Stop", end);
  const said = make("p", "training-here-said");
  const bar = make("progress", "training-here-bar");
  bar.setAttribute("aria-label", "Steps");
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const watch = button("quiet", "", () => {
    if (run) page.address.keep("run_shown", run.id);
    openTab("train");
  });
  node.append(start, stop, bar, said, watch, trouble);
  /** @type {Subject | null} */
  let subject = null;
  /** @type {any} the newest run that has trained it, as the server describes it */
  let run = null;
  let [next, edition, figures] = [0, "", ""]; // how far its curve is known, and its last figures
  let waiting = 0;

  async function begin() {
    start.disabled = true;
    const of = subject;
    await attempt(async () => {
      const { run: begun } = await startRun({ preset: of.preset, name: of.title, ...(await of.asked?.()) });
      of.begun?.(begun);
      if (of === subject) follow(begun);
    });
    start.disabled = false;
  }

  function end() {
    void attempt(() => act(run.id, "stop"));
  }

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    trouble.textContent = "";
    const of = subject;
    try {
      await work();
    } catch (error) {
      if (of === subject) trouble.textContent = error.message;
    }
    draw();
  }

  /** @param {any} found */
  function follow(found) {
    clearTimeout(waiting);
    [run, next, edition, figures] = [found, 0, "", ""];
    draw();
    if (run) void look();
  }

  /** Asks how the run goes, until it is over. A question that fails is asked again. */
  async function look() {
    const { id } = run;
    if (node.checkVisibility()) {
      const answer = await getCurve(id, next, edition).catch(() => null);
      if (run?.id !== id) return;
      if (answer) {
        ({ run, next, edition } = answer);
        figures = subject.figures?.(answer.evaluations) || figures;
        draw();
        if (!isUnderWay(run)) return;
      }
    }
    clearTimeout(waiting);
    waiting = setTimeout(look, LOOK_MS);
  }

  function draw() {
    if (!subject) return;
    const { preset, words, isSlow = false } = subject;
    const isLive = run !== null && isUnderWay(run);
    node.hidden = !preset;
    start.textContent = `Train ${words}`;
    start.hidden = !hasSession() || isLive || isSlow;
    stop.hidden = !hasSession() || !isLive;
    stop.disabled = run?.state === "stopping";
    bar.hidden = !isLive;
    if (isLive) Object.assign(bar, { max: run.steps, value: run.step });
    said.textContent = run ? progress(isLive) : "";
    said.hidden = !run;
    watch.hidden = !run && hasSession() && !isSlow;
    watch.textContent = run
      ? "Watch it on the Train tab"
      : isSlow
        ? "Training takes hours; start it from the Train tab"
        : `Unlock the Train tab to train ${words} here`;
  }

  /** @param {boolean} isLive */
  function progress(isLive) {
    const { state, step, steps } = run;
    const where = `step ${number(step)} of ${number(steps)}`;
    if (isLive) return [step ? where : "starting", figures].filter(Boolean).join(", ");
    const result = subject.result?.(run);
    return `The run ${state === "finished" ? "has finished" : `${endInWords(run)} at ${where}`}${result ? `: ${result}` : ""}.`;
  }

  session.addEventListener("change", draw);
  return {
    node,
    /** @param {Subject} opened */
    async show(opened) {
      this.leave();
      subject = opened;
      node.setAttribute("aria-label", `Training of ${opened.words}`);
      draw();
      if (!subject.preset) return;
      const { isOf = (run) => run.preset === opened.preset } = subject;
      const runs = await getRuns().then(({ runs }) => runs, () => []); // without them there is only nothing to go on with
      if (opened === subject && !run) follow(runs.find(isOf) ?? null);
    },
    leave() {
      clearTimeout(waiting);
      [subject, run] = [null, null];
      trouble.textContent = "";
    },
  };
}
