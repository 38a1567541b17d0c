// "Train this rung": a run of its own, started from here and watched in place. Anyone sees how it goes; the admin starts and stops it.
import { button, make, number } from "../../shared/dom.js";
import { endInWords, isUnderWay } from "../../shared/runs.js";
import { act, getCurve, getRuns, hasSession, session, startRun } from "../../shared/session.js";
import { openTab } from "../../shared/tabs.js";
import { lossInWords } from "./rows.js";

const LOOK_MS = 1_000;
const MOST_PARAMETERS = 1_000_000; // of a network that is trained while a class waits

/** Whether a run trains what the rung's weights were trained for: the same recipe on the same text. */
const isOf = ({ preset, as_preset, corpus }, rung) => preset === rung.preset && as_preset && corpus !== null && !corpus.own;

/** @param {import("../../shared/page.js").Page} page */
export function createRungTraining(page) {
  const node = make("section", "ladder-training");
  node.setAttribute("aria-label", "Training of this rung");
  const start = button("button", "Train this rung", begin);
  const stop = button("button", "Stop", end);
  const said = make("p", "ladder-progress");
  const bar = make("progress", "ladder-progress-bar");
  bar.setAttribute("aria-label", "Steps");
  const trouble = make("p", "trouble");
  trouble.setAttribute("role", "alert");
  const watch = button("quiet", "", () => {
    if (run) page.address.keep("run_shown", run.id);
    openTab("train");
  });
  node.append(start, stop, bar, said, watch, trouble);
  /** @type {import("./ladder.js").Rung | null} */
  let rung = null;
  /** @type {any} the newest run that can be compared with it, as the server describes it */
  let run = null;
  let [next, edition, loss] = [0, "", null]; // how far its curve is known, and the loss there
  let waiting = 0;

  async function begin() {
    start.disabled = true;
    const of = rung;
    await attempt(async () => {
      const { run: begun } = await startRun({ preset: of.preset, name: of.title });
      if (of === rung) follow(begun);
    });
    start.disabled = false;
  }

  function end() {
    void attempt(() => act(run.id, "stop"));
  }

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    trouble.textContent = "";
    const of = rung;
    try {
      await work();
    } catch (error) {
      if (of === rung) trouble.textContent = error.message;
    }
    draw();
  }

  /** @param {any} found */
  function follow(found) {
    clearTimeout(waiting);
    [run, next, edition, loss] = [found, 0, "", null];
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
        loss = answer.evaluations.val_loss?.at(-1) ?? loss;
        draw();
        if (!isUnderWay(run)) return;
      }
    }
    clearTimeout(waiting);
    waiting = setTimeout(look, LOOK_MS);
  }

  function draw() {
    if (!rung) return;
    const isLive = run !== null && isUnderWay(run);
    node.hidden = !rung.preset;
    const isQuick = rung.n_params <= MOST_PARAMETERS;
    start.hidden = !hasSession() || isLive || !isQuick;
    stop.hidden = !hasSession() || !isLive;
    stop.disabled = run?.state === "stopping";
    bar.hidden = !isLive;
    if (isLive) Object.assign(bar, { max: run.steps, value: run.step });
    said.textContent = run ? progress(isLive) : "";
    said.hidden = !run;
    watch.hidden = !run && hasSession() && isQuick;
    watch.textContent = run ? "Watch it on the Train tab" : isQuick ? "Unlock the Train tab to train this rung here" : "Training takes hours; start it from the Train tab";
  }

  function progress(isLive) {
    const { state, step, steps, best_loss } = run;
    const where = `step ${number(step)} of ${number(steps)}`;
    if (isLive) return [step ? where : "starting", loss !== null && `validation loss ${lossInWords(loss)}`].filter(Boolean).join(", ");
    const result = best_loss === null ? "" : `: validation loss ${lossInWords(best_loss)} here, ${lossInWords(rung.val_loss)} as shipped`;
    return `The run ${state === "finished" ? "has finished" : `${endInWords(run)} at ${where}`}${result}.`;
  }

  session.addEventListener("change", draw);
  return {
    node,
    /** @param {import("./ladder.js").Rung} opened */
    async show(opened) {
      this.leave();
      rung = opened;
      draw();
      if (!rung.preset) return;
      const runs = await getRuns().then(({ runs }) => runs, () => []); // without them there is only nothing to go on with
      if (opened === rung && !run) follow(runs.find((run) => isOf(run, opened)) ?? null);
    },
    leave() {
      clearTimeout(waiting);
      [rung, run] = [null, null];
      trouble.textContent = "";
    },
  };
}
