// The form for a new run: a preset, the training text, and everything else behind "More settings".
import { button, limitChars, make, number, signOf } from "../shared/dom.js";
import { Latest } from "../shared/requests.js";
import { isUnderWay } from "../shared/runs.js";
import { act, sendCorpus, startRun } from "../shared/session.js";
import { inTab } from "../shared/storage.js";
import { createBeginning, TEXTS } from "./beginning.js";
import { duration } from "./run.js";
import { getPresets, measurePace } from "./server.js";

const CHECK_MS = 600; // after the last change of a text or a setting
const PATIENCE_MS = 10_000; // a measurement that takes longer has to wait for the processor
const KEPT = "soliloquy-new-run"; // for this tab of the browser
const MOST_SHOWN = 120; // characters of an alphabet

/** @param {import("./main.js").Train} train @param {HTMLElement} node */
export function createForm(train, node) {
  const beginning = createBeginning(train);
  const page = build(node, beginning.nodes);
  /** @type {any} the answer of GET /train/presets */
  let known = null;
  /** @type {{text: string | File, name: string, key?: string} | null} with its key, once the server has it; null for Tiny Shakespeare */
  let corpus = null;
  let task = "";
  /** @type {(name: string) => any} */
  const fieldOf = (name) => page.form.elements.namedItem(name);
  const [measuring, checking] = [new Latest(), new Latest()];
  let [isStarting, wasBusy] = [false, false];

  train.addEventListener("session", async () => {
    node.hidden = !train.isAdmin;
    if (!train.isAdmin || known) return;
    try {
      known = await getPresets();
      fill();
    } catch (error) {
      train.fail(error, () => train.tell("session"));
    }
  });
  train.addEventListener("runs", showBusy);

  function fill() {
    train.limits = known.limits;
    limitChars(page.name, known.limits.name_chars);
    page.preset.replaceChildren(...grouped(known.presets));
    page.preset.value = known.default;
    page.settings.replaceChildren(...known.settings.map(settingNode));
    page.ephemeral.hidden = !known.ephemeral;
    page.form.addEventListener("input", () => {
      tellTrouble("");
      tellCommand();
      keep();
    });
    page.settings.addEventListener("change", tellTime);
    takePreset();
    restore();
  }

  // What is filled in survives a reload; a file has to be chosen again.
  function keep() {
    const [name, source, paste] = [page.name.value, page.source.value, page.paste.value];
    inTab.keepJSON(KEPT, { preset: page.preset.value, begun: beginning.keep(), settings: changed(), name, source, paste }); // unless the text is too long
  }

  function restore() {
    const kept = inTab.getJSON(KEPT);
    if (!known.presets.some(({ id }) => id === kept?.preset)) return;
    page.preset.value = kept.preset;
    takePreset();
    beginning.restore(kept.begun);
    for (const [name, value] of Object.entries(kept.settings)) if (fieldOf(name)) fieldOf(name).value = value;
    Object.assign(page.name, { value: kept.name });
    Object.assign(page.source, { value: kept.source });
    Object.assign(page.paste, { value: kept.paste });
    showSource();
    take();
  }

  const tellTrouble = (words) => (page.trouble.textContent = words);
  const tellStandard = () => (task === "pretrain" ? tellText(known.corpus) : (page.about.textContent = TEXTS[task]?.about ?? ""));
  const tellText = ({ characters, alphabet }) => {
    const different = task === "pretrain" ? `, ${number(alphabet.length)} different: ${shown(alphabet)}` : "";
    page.about.textContent = `${number(characters)} characters${different}`;
  };

  const preset = () => known.presets.find(({ id }) => id === page.preset.value);

  // The fields hold the preset's values; only what is changed there is sent.
  const settings = () => known.settings.filter(({ group, name }) => name in preset()[group]); // a bigram network has no layers
  const standardOf = ({ group, name }) => String(preset()[group][name]);
  function takePreset() {
    for (const setting of known.settings) fieldOf(setting.name).closest(".setting").hidden = !settings().includes(setting);
    for (const setting of settings()) fieldOf(setting.name).value = standardOf(setting);
    takeTask();
    tellPreset();
    tellCommand();
    void tellTime();
  }

  // A task has its own texts: what was chosen for another is given up.
  function takeTask() {
    beginning.show(preset().task, known.has_reward);
    if (preset().task === task) return;
    task = preset().task;
    const texts = TEXTS[task];
    for (const node of [page.sourceLabel, page.source, page.about]) node.hidden = !texts;
    page.time.hidden = task !== "pretrain";
    page.sourceLabel.textContent = texts?.label ?? "";
    page.source.replaceChildren(...(texts ? [new Option(texts.made, ""), new Option(texts.file, "file"), new Option(texts.paste, "paste")] : [new Option("", "")]));
    showSource();
    take();
  }

  function changed() {
    const typed = ({ name, type }) => {
      const value = fieldOf(name).value.trim();
      return type === "str" || value === "" || Number.isNaN(Number(value)) ? value : Number(value); // the server says what is not a number
    };
    const others = settings().filter((setting) => fieldOf(setting.name).value.trim() !== standardOf(setting));
    return Object.fromEntries(others.map((setting) => [setting.name, typed(setting)]));
  }

  function tellCommand() {
    const flags = Object.entries(changed()).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${value}`);
    const text = corpus ? { pretrain: " --corpus text.txt", sft: " --pairs pairs.jsonl", reward: " --comparisons comparisons.jsonl" }[task] : "";
    const name = nameOfFolder(page.name.value);
    const place = [name && ` --run ${name}`, known.runs && ` --runs ${known.runs}`].filter(Boolean);
    page.command.textContent = `python -m model train --preset ${preset().id}${beginning.flags()}${text}${flags.join("")}${place.join("")}`;
  }

  function tellPreset() {
    const { about } = preset();
    page.presetAbout.textContent = `${about[0].toUpperCase()}${about.slice(1)}.`;
  }

  // How long it takes here: the server trains for a few seconds to see. It also says at once which settings do not go together.
  async function tellTime() {
    const signal = measuring.begin();
    page.time.textContent = "";
    await new Promise((rested) => setTimeout(rested, CHECK_MS));
    const tell = (words, isError = false) => {
      page.time.textContent = words;
      page.time.classList.toggle("error", isError);
    };
    if (signal.aborted || !known || task !== "pretrain") return; // how long the others take, their presets say
    if (train.runs.some(isUnderWay)) return tell("The time will be estimated when the current run ends.");
    tell("Measuring the time on this machine …");
    const busy = setTimeout(() => !signal.aborted && tell("Still measuring: other programs keep the processor busy. You can start without it."), PATIENCE_MS);
    try {
      const { takes_s, why } = await measurePace({ preset: preset().id, settings: changed(), corpus: corpus?.key ?? null }, signal);
      tell(takes_s === null ? why : `${duration(takes_s)} on this machine, measured.`);
    } catch (error) {
      if (signal.aborted) return;
      tell(error.message, true);
      train.checkSession();
    } finally {
      clearTimeout(busy);
    }
  }

  function settingNode({ name, help, low, high, type, choices }) {
    const row = make("label", "setting-row");
    const field = make(choices.length ? "select" : "input", "field");
    field.name = name;
    if (choices.length) field.append(...choices.map((choice) => new Option(choice, choice)));
    else Object.assign(field, { type: "text", inputMode: type === "int" ? "numeric" : "decimal" });
    row.append(make("span", "setting-name", name), field);
    const range = low !== null && `${low.toLocaleString("en")} to ${high.toLocaleString("en")}`;
    const about = make("span", "setting-help", [help, range].filter(Boolean).join("; "));
    about.id = `setting-${name}`;
    field.setAttribute("aria-describedby", about.id);
    const whole = make("div", "setting");
    whole.append(row, about);
    return whole;
  }

  // A text over the limit is not sent: the server would close the connection in the middle.
  function send({ text, name }, signal = undefined) {
    const most = known.limits.corpus_bytes;
    if (new Blob([text]).size > most) throw new Error(`The text is larger than ${most / 2 ** 20} MiB, the limit for training texts here.`);
    return sendCorpus(text, name, signal);
  }

  // What the text is, as the server sees it: its size and alphabet, or what is wrong with it.
  async function look() {
    const signal = checking.begin();
    page.about.textContent = "";
    page.about.classList.remove("error");
    if (!corpus) {
      if (!page.source.value) tellStandard();
      return tellCommand();
    }
    page.about.textContent = "…";
    try {
      const told = await send(corpus, signal);
      if (signal.aborted) return;
      corpus.key = told.corpus;
      tellText(told);
      void tellTime();
    } catch (error) {
      if (signal.aborted) return;
      page.about.textContent = error.message;
      page.about.classList.add("error");
      train.checkSession();
    }
    tellCommand();
  }

  page.preset.addEventListener("input", takePreset); // before the event reaches the form
  page.source.addEventListener("change", () => {
    showSource();
    take();
    if (page.source.value === "file" && !corpus) page.file.click();
  });
  page.file.addEventListener("change", take);
  let pasting = 0;
  page.paste.addEventListener("input", () => {
    clearTimeout(pasting);
    pasting = setTimeout(take, CHECK_MS);
  });

  function showSource() {
    page.file.hidden = page.source.value !== "file";
    page.paste.hidden = page.source.value !== "paste";
  }

  // The chosen text; null for Tiny Shakespeare, and where there is none yet.
  function chosen() {
    if (page.source.value === "paste") return page.paste.value ? { text: page.paste.value, name: "pasted text" } : null;
    const [file] = page.source.value === "file" ? page.file.files : [];
    return file ? { text: file, name: file.name } : null;
  }

  function take() {
    corpus = chosen();
    void look();
  }

  page.more.addEventListener("click", () => {
    page.settings.hidden = !page.settings.hidden;
    page.more.setAttribute("aria-expanded", String(!page.settings.hidden));
  });
  page.stop.addEventListener("click", () => {
    const running = train.runs.find(({ state }) => state === "running");
    if (running) void train.act(() => act(running.id, "stop"), tellTrouble);
  });
  page.copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(page.command.textContent);
      page.copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(page.command); // clipboards are closed to pages without https
      page.copy.textContent = "Selected";
    }
    setTimeout(() => (page.copy.textContent = "Copy"), 1_500);
  });
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (page.go.ariaDisabled === "true") return;
    void train.act(async () => {
      isStarting = true;
      showBusy();
      measuring.cancel();
      page.time.textContent = "";
      try {
        corpus = chosen(); // also what was pasted just now
        if (page.source.value && !corpus) throw new Error(page.source.value === "file" ? "Choose a text file first." : "Paste a text first.");
        if (corpus) corpus.key = (await send(corpus)).corpus; // the server keeps only the latest texts
        const name = page.name.value.trim() || `${preset().id}, ${new Date().toLocaleTimeString("en-GB")}`;
        const { run } = await startRun({ preset: preset().id, settings: changed(), corpus: corpus?.key ?? null, name, ...beginning.asked() });
        page.name.value = ""; // another run has another name
        keep();
        train.views.show("watch");
        await train.look();
        train.watch(run.id);
        train.tell("start");
      } finally {
        isStarting = false;
        showBusy();
      }
    }, tellTrouble);
  });

  // Both buttons stay in their places, so that a second press never meets the other one.
  function showBusy() {
    const isBusy = train.runs.some(isUnderWay);
    if (isBusy !== wasBusy) void tellTime(); // a run began or ended
    wasBusy = isBusy;
    page.go.ariaDisabled = String(isBusy || isStarting); // one run at a time; not `disabled`, which would lose the focus
    page.stop.ariaDisabled = String(!train.runs.some(({ state }) => state === "running"));
  }
}

/** The presets of a menu: those of a group stand together under its name. @param {{id: string, group: string}[]} presets */
function grouped(presets) {
  return [...new Set(presets.map(({ group }) => group))].flatMap((label) => {
    const options = presets.filter(({ group }) => group === label).map(({ id }) => new Option(id, id));
    if (!label) return options;
    const group = Object.assign(make("optgroup"), { label });
    group.append(...options);
    return [group];
  });
}

/** A name as a folder's: letters, digits, dots and dashes. @param {string} name */
const nameOfFolder = (name) => name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[.-]+|-+$/g, "").slice(0, 64);

const shown = (alphabet) => alphabet.slice(0, MOST_SHOWN).map(signOf).join("") + (alphabet.length > MOST_SHOWN ? " …" : "");

/** @param {HTMLElement} node @param {HTMLElement[]} beginning */
function build(node, beginning) {
  const form = make("form", "new-run");
  const preset = make("select", "field");
  preset.id = "train-preset";
  const [presetAbout, time] = [make("p", "train-hint"), make("p", "train-hint train-time")];
  time.setAttribute("role", "status");
  const label = (words, field) => {
    const name = make("label", "train-label", words);
    name.htmlFor = field.id;
    return [name, field];
  };
  const source = make("select", "field");
  source.id = "train-source";
  const ephemeral = Object.assign(make("p", "train-hint", "This Space's disk is wiped at every restart: download what you want to keep."), { hidden: true });
  const file = Object.assign(make("input", "train-file"), { type: "file", accept: ".txt,.md,.jsonl,text/*", hidden: true });
  file.setAttribute("aria-label", "Text file");
  const paste = Object.assign(make("textarea", "field"), { rows: 4, hidden: true, spellcheck: false, placeholder: "Paste a text", dir: "auto" });
  paste.setAttribute("aria-label", "Text to train on");
  const about = make("p", "train-hint train-corpus");
  about.setAttribute("role", "status");
  const name = Object.assign(make("input", "field"), { id: "train-name", placeholder: "optional name", dir: "auto" });
  const more = button("disclosure", "More settings", () => {});
  more.setAttribute("aria-expanded", "false");
  const settings = Object.assign(make("div", "settings"), { hidden: true });
  const [command, copy] = [make("code", "command"), button("quiet", "Copy", () => {})];
  const line = make("p", "command-line");
  line.append(command, copy);
  const actions = make("div", "train-actions train-go");
  const trouble = make("p", "trouble train-trouble");
  trouble.setAttribute("role", "alert");
  const go = make("button", "button primary", "Start");
  go.type = "submit";
  const stop = button("button", "Stop", () => {});
  actions.append(trouble, go, stop);
  const [sourceLabel] = label("", source);
  form.append(...label("Preset", preset), presetAbout, time, ...beginning, sourceLabel, source, file, paste, about, ...label("Name", name), more, settings, actions, ephemeral, line);
  node.append(form);
  return { form, trouble, preset, presetAbout, time, sourceLabel, source, ephemeral, file, paste, about, name, more, settings, command, copy, go, stop };
}
