// The Train tab. Given by gr.HTML: element. Runs are started by who has the right, and watched by everybody.
//
// `train` is an EventTarget:
//   train.runs      what GET /train/runs says, the newest first        event "runs": it was asked for again
//   train.run       the run that is watched, one of them, or null      event "run": another one; choose with train.watch(id)
//   train.curve     its metrics and samples so far (curve.js)          event "curve": they grew
//   train.isAdmin   whether this browser may act                       event "right": that changed
//   train.limits    what GET /train/presets says of them, once this browser may act
//   train.act(work, say)   does what an admin asked for, and says what went wrong; train.say(words, isError)
import { copyLink, createMenu, sayer, toggleFullScreen, tool } from "../shared/bar.js";
import { createHelp, listenToKeys } from "../shared/keys.js";
import { sampleTab } from "../shared/tabs.js";
import { createViews } from "../shared/views.js";
import { Curve } from "./curve.js";
import { createForm } from "./form.js";
import { createLock } from "./lock.js";
import { createRuns } from "./runs.js";
import { isUnderWay } from "./run.js";
import { askRight, getRuns, hasRight } from "./server.js";
import { createWatch } from "./watch.js";

const VIEWS = [
  ["watch", "Watch", createWatch],
  ["runs", "All runs", createRuns],
];
const LOOK_MS = 2_000; // between two questions, while a run is under way
const IDLE_MS = 10_000; // ... and while none is

class Train extends EventTarget {
  runs = [];
  stepInUse = null; // after which the model in use is of its run
  sampleTemperature = 0;
  inUse = null; // id of the run whose model writes; null for the one that the app began with
  run = null;
  hasLooked = false; // whether the server has said what runs there are
  curve = null;
  isAdmin = hasRight();
  #chosen = "";

  constructor(element, address) {
    super();
    Object.assign(this, { element, address });
    this.#chosen = address.get("run_shown");
  }

  // The one that was chosen, else the one under way, else the one that was watched before, else the newest.
  watch(id = this.#chosen) {
    this.#chosen = id;
    this.address.keep("run_shown", id);
    const run = this.find(id) ?? this.runs.find(isUnderWay) ?? this.find(this.run?.id) ?? this.runs[0] ?? null;
    if (run?.id !== this.run?.id) {
      this.curve = run && new Curve(run.id);
      this.run = run;
      this.tell("run");
      void this.grow();
    }
    this.run = run;
  }

  find(id) {
    return this.runs.find((run) => run.id === id);
  }

  async look() {
    const { runs, in_use, step_in_use, sample_temperature } = await getRuns();
    Object.assign(this, { runs, inUse: in_use, stepInUse: step_in_use, sampleTemperature: sample_temperature, hasLooked: true });
    if (this.#chosen && !this.find(this.#chosen)) {
      this.say("The run that was watched is no longer there.");
      this.watch("");
    }
    this.watch();
    this.tell("runs");
    await this.grow();
  }

  async grow() {
    const { curve } = this;
    if (curve && (await curve.read()) && curve === this.curve) this.tell("curve");
  }

  async act(work, say = (words) => this.say(words)) {
    say("");
    try {
      const answer = await work();
      await this.look();
      return answer;
    } catch (error) {
      say(error.message);
      this.checkRight();
      return null;
    }
  }

  checkRight() {
    if (this.isAdmin === hasRight()) return;
    this.isAdmin = hasRight();
    this.tell("right");
  }

  say(words, isError = true) {
    const said = this.element.querySelector(".train-said");
    said.textContent = words;
    said.classList.toggle("error", isError && Boolean(words));
  }

  tell(event) {
    this.dispatchEvent(new CustomEvent(event));
  }
}

export async function start(element) {
  const sample = await sampleTab();
  const train = new Train(element, sample.address);
  createLock(train, element.querySelector(".train-lock"));
  createForm(train, element.querySelector(".train-form"));
  createViews(train, VIEWS, { key: "train", ids: "train-" });
  train.show(train.address.get("train"));
  createBar(train);
  train.tell("right");
  if (train.isAdmin) void askRight().then(() => train.checkRight(), () => {}); // it may have ended meanwhile
  void follow(train);
  element.dataset.ready = "";
}

// Asks how things stand, as long as somebody looks.
async function follow(train) {
  let failed = false;
  for (;;) {
    if (!document.hidden && train.element.checkVisibility()) {
      try {
        await train.look();
        if (failed) {
          train.say("");
          void askRight().then(() => train.checkRight(), () => {}); // it was another app's, maybe
        }
        failed = false;
      } catch (error) {
        failed = true;
        train.say(error.message);
      }
    }
    const isLive = train.runs.some(isUnderWay);
    await new Promise((rested) => setTimeout(rested, !train.element.checkVisibility() || isLive ? LOOK_MS : IDLE_MS));
  }
}

function createBar(train) {
  const tools = train.element.querySelector(".bar-tools");
  const say = sayer(train.element.querySelector(".bar-said"));
  train.copyLink = () => copyLink(() => train.address.write(), say);
  train.toggleFullScreen = () => toggleFullScreen(train.element, say);
  const opener = tool("download", "Download", "Download (d)", () => train.download());
  train.download = createMenu(train.element, opener, () => train.view().downloads ?? [], (words) => train.say(words));
  const everywhere = [
    ...train.views.map((name, i) => [`${i + 1}`, train.titleOf(name), () => train.show(name)]),
    ["f", "Full screen", () => train.toggleFullScreen()],
    ["l", "Copy link", () => train.copyLink()],
    ["d", "Download", () => train.download()],
    ["?", "These keys", () => train.showKeys()],
  ];
  train.showKeys = createHelp(train, everywhere, [["Esc", "Close"]]);
  listenToKeys(train, everywhere);
  tools.append(
    tool("link", "Copy link", "Copy link (l)", train.copyLink),
    opener,
    tool("full-screen", "Full screen", "Full screen (f)", train.toggleFullScreen),
    tool("keys", "Keys", "Keys (?)", () => train.showKeys()),
  );
}
