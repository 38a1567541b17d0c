// The form for a new run: a preset first, what it learns from, and everything else behind "More settings".
import { button, make, number } from "../shared/dom.js";
import { act, checkCorpus, getPresets, start } from "./server.js";
import { duration } from "./watch.js";

const CHECK_MS = 400; // after the last change of a pasted text

export function createForm(train, node) {
  const page = build(node);
  let known = null; // what GET /train/presets says
  let corpus = null; // { text, name }, or null for Tiny Shakespeare
  let checking = 0;

  train.addEventListener("right", async () => {
    node.hidden = !train.isAdmin;
    if (!train.isAdmin || known) return;
    try {
      known = await getPresets();
      fill();
    } catch (error) {
      train.say(error.message);
    }
  });
  train.addEventListener("runs", showBusy);

  function fill() {
    page.presets.replaceChildren(...known.presets.map((preset, i) => presetNode(preset, i === 0)));
    page.settings.replaceChildren(...known.settings.map(settingNode));
    page.default.textContent = known.corpus.available ? "Tiny Shakespeare" : "Tiny Shakespeare (fetched first)";
    page.form.addEventListener("input", tellCommand);
    takePreset();
  }

  const preset = () => known.presets.find(({ name }) => name === page.form.elements.preset.value);

  // The preset's own values stand in the fields; what is changed there is what is sent.
  function takePreset() {
    for (const { name } of known.settings) page.form.elements[name].value = preset().settings[name];
    tellCommand();
  }

  function changed() {
    const values = Object.fromEntries(known.settings.map(({ name }) => [name, page.form.elements[name].value.trim()]));
    return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== String(preset().settings[name])));
  }

  function tellCommand() {
    const flags = Object.entries(changed()).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${value}`);
    const text = corpus ? " --corpus text.txt" : "";
    page.command.textContent = `python -m model train --preset ${preset().name}${text}${flags.join("")}`;
  }

  function presetNode({ name, title, about, seconds }, isFirst) {
    const choice = make("label", "preset");
    const radio = make("input");
    Object.assign(radio, { type: "radio", name: "preset", value: name, checked: isFirst });
    radio.addEventListener("change", takePreset);
    const words = make("span", "preset-words");
    words.append(make("b", "", title), make("span", "preset-about", [about, seconds && `about ${duration(seconds)} here`].filter(Boolean).join("; ")));
    choice.append(radio, words);
    return choice;
  }

  function settingNode({ name, label, help, low, high, kind, choices }) {
    const row = make("label", "setting-row");
    const field = make(choices ? "select" : "input", "train-field");
    field.name = name;
    if (choices) field.append(...choices.map((choice) => new Option(choice, choice)));
    else Object.assign(field, { type: "text", inputMode: kind === "int" ? "numeric" : "decimal" });
    row.append(make("span", "setting-name", label ?? name), field);
    row.title = [help, low !== null && low !== undefined && `${number(low)} to ${high}`].filter(Boolean).join("; ");
    return row;
  }

  // What the text is, as the server sees it: its size and alphabet, or what is wrong with it.
  async function look() {
    const number_ = ++checking;
    page.about.textContent = "";
    page.about.classList.remove("error");
    if (!corpus) return tellCommand();
    page.about.textContent = "…";
    try {
      const { characters, alphabet, notice } = await checkCorpus(corpus.text);
      if (number_ === checking) page.about.textContent = [`${number(characters)} characters, ${number(alphabet)} different.`, notice].filter(Boolean).join(" ");
    } catch (error) {
      if (number_ !== checking) return;
      page.about.textContent = error.message;
      page.about.classList.add("error");
      train.checkRight();
    }
    tellCommand();
  }

  page.source.addEventListener("change", () => {
    page.file.hidden = page.source.value !== "file";
    page.paste.hidden = page.source.value !== "paste";
    corpus = page.source.value === "paste" && page.paste.value ? { text: page.paste.value, name: "pasted" } : null;
    if (page.source.value === "file") page.file.click();
    void look();
  });
  page.file.addEventListener("change", () => {
    const [file] = page.file.files;
    corpus = file ? { text: file, name: file.name } : null;
    void look();
  });
  let pasting = 0;
  page.paste.addEventListener("input", () => {
    clearTimeout(pasting);
    corpus = { text: page.paste.value, name: "pasted" };
    pasting = setTimeout(look, CHECK_MS);
  });
  page.more.addEventListener("click", () => {
    page.settings.hidden = !page.settings.hidden;
    page.more.setAttribute("aria-expanded", String(!page.settings.hidden));
  });
  page.stop.addEventListener("click", () => {
    const running = train.runs.find(({ state }) => state === "running");
    if (running) void train.act(() => act(running.id, "stop"));
  });
  page.copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(page.command.textContent);
    page.copy.textContent = "Copied";
    setTimeout(() => (page.copy.textContent = "Copy"), 1_500);
  });
  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    void train.act(async () => {
      page.go.disabled = true;
      try {
        const uploaded = corpus && (await checkCorpus(corpus.text));
        const { id } = await start({ preset: preset().name, settings: changed(), corpus: uploaded?.id ?? null, corpus_name: corpus?.name, name: page.name.value });
        train.show("watch");
        train.watch(id);
      } finally {
        showBusy();
      }
    });
  });

  function showBusy() {
    const running = train.runs.find(({ state }) => state === "running");
    page.go.disabled = Boolean(running);
    page.go.textContent = running ? "A run is under way" : "Start";
    page.stop.hidden = !running;
  }

  return {};
}

function build(node) {
  const form = make("form", "new-run");
  const presets = make("div", "presets");
  presets.setAttribute("role", "radiogroup");
  presets.setAttribute("aria-label", "Preset");
  const label = (words, field) => {
    const name = make("label", "train-label", words);
    name.htmlFor = field.id;
    return [name, field];
  };
  const source = make("select", "train-field");
  source.id = "train-source";
  const standard = new Option("Tiny Shakespeare", "");
  source.append(standard, new Option("A text file", "file"), new Option("A pasted text", "paste"));
  const file = Object.assign(make("input", "train-file"), { type: "file", accept: ".txt,.md,text/*", hidden: true });
  file.setAttribute("aria-label", "Text file");
  const paste = Object.assign(make("textarea", "train-field"), { rows: 4, hidden: true, spellcheck: false, placeholder: "Paste a text" });
  paste.setAttribute("aria-label", "Text to learn from");
  const about = make("p", "train-hint");
  about.setAttribute("role", "status");
  const name = Object.assign(make("input", "train-field"), { id: "train-name", maxLength: 60, placeholder: "the time" });
  const more = button("more-settings", "More settings", () => {});
  more.setAttribute("aria-expanded", "false");
  const settings = Object.assign(make("div", "settings"), { hidden: true });
  const [command, copy] = [make("code", "command"), button("quiet", "Copy", () => {})];
  const line = make("p", "command-line");
  line.append(command, copy);
  const actions = make("div", "train-actions");
  const go = make("button", "train-button train-main", "Start");
  go.type = "submit";
  const stop = Object.assign(button("train-button", "Stop", () => {}), { hidden: true });
  actions.append(go, stop);
  form.append(presets, ...label("Learns from", source), file, paste, about, ...label("Name", name), more, settings, actions, line);
  node.append(form);
  return { form, presets, source, default: standard, file, paste, about, name, more, settings, command, copy, go, stop };
}
