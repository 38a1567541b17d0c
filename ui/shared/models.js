// The models that the server can use (GET /models, see ui/web/models.py), and which of them this page writes with.
import { number, shortened } from "./dom.js";
import { Emitter } from "./emitter.js";
import { Shared } from "./requests.js";
import { connection, getJSON, heardDefault } from "./server.js";

const CHECK_MS = 5_000; // between two questions of a page that is seen: in a hall of 200, the server answers 40 a second

/**
 * What the server says about a model.
 * @typedef {object} ModelJSON
 * @property {string} key the first 8 characters of the weights' sha256
 * @property {string} id "shakespeare", "ladder/bigram", "runs/<id>", "hub:<user>/<name>@<commit>"
 * @property {string} name
 * @property {string} source "shipped", "assistant", "ladder", "meaning", "run" or "hub"
 * @property {string} kind "gpt" or "bigram"
 * @property {number} n_params
 * @property {number} block_size
 * @property {string[]} vocabulary
 * @property {string} start what a text without a prompt starts from
 * @property {number | null} val_loss
 * @property {string[]} shows which views it has data for: "attention", "lens", "heads"
 * @property {string} device
 * @property {string | null} precision null until the server has loaded it
 * @property {string} trouble why it cannot be used, or ""; what its files do not say is then null
 * @property {number | null} step
 * @property {string | null} run
 * @property {{uniform: Object<string, number>, heads: Object<string, *>[]} | null} [heads] what its heads do on held-out text
 * @property {*} [first_screen] its texts for the first screen, as far as they are written
 * @property {string[]} [facts] for the header
 */

/** One model. It stays usable on the page after the server has deleted it: what it wrote still needs its vocabulary. */
export class Model {
  /** @type {ModelJSON} */
  #json;
  /** @type {Map<string, number>} */
  #ids;
  /** @type {Shared<Model> | null} */
  #loading = null;

  /** @param {ModelJSON} json */
  constructor(json) {
    this.#json = json;
    this.take(json);
  }

  get key() { return this.#json.key; }
  get id() { return this.#json.id; }
  get source() { return this.#json.source; }
  get name() { return this.#json.name; }
  get kind() { return this.#json.kind; }
  get run() { return this.#json.run; }
  get step() { return this.#json.step; }
  get vocabulary() { return this.#json.vocabulary ?? []; }
  get start() { return this.#json.start; }
  get blockSize() { return this.#json.block_size; }
  get parameters() { return this.#json.n_params; }
  /** In words: "10.7 M parameters". */
  get size() {
    return this.parameters < 1e6 ? `${number(this.parameters)} parameters` : `${(this.parameters / 1e6).toFixed(1)} M parameters`;
  }
  get valLoss() { return this.#json.val_loss; }
  get precision() { return this.#json.precision; }
  get trouble() { return this.#json.trouble; }
  get heads() { return this.#json.heads ?? null; }
  get firstScreen() { return this.#json.first_screen ?? null; }
  get facts() { return this.#json.facts ?? [this.name]; }

  /** The largest useful top-k. */
  get topK() { return this.vocabulary.length; }

  /** @param {string} char */
  idOf(char) { return this.#ids.get(char); }

  /** @param {"attention" | "lens" | "heads"} what */
  shows(what) { return this.#json.shows?.includes(what) ?? false; }

  /** Where links name it: its key and, once it is loaded, the precision in which a seed gives these texts. */
  get word() { return [this.key, this.precision].filter(Boolean).join("-"); }

  /** For files: which model wrote a text. */
  get about() {
    return { name: this.name, key: this.key, precision: this.precision, block_size: this.blockSize, val_loss: this.valLoss };
  }

  /** What the server says of it now. What damaged files no longer say, null or empty, stays as it was. @param {Partial<ModelJSON>} json */
  take(json) {
    const isSaid = ([name, value]) => name === "trouble" || (value ?? "").length !== 0;
    this.#json = { ...this.#json, ...Object.fromEntries(Object.entries(json).filter(isSaid)) };
    this.#ids = new Map(this.vocabulary.map((char, id) => [char, id]));
  }

  /**
   * Makes the server load it, and learns its precision, what its heads do and what it writes for the first screen. Throws the server's words.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Model>}
   */
  load(signal) {
    this.#loading = Shared.of(this.#loading, async (signal) => {
      this.take(await getJSON(`./models/${this.key}`, signal));
      return this;
    });
    return this.#loading.wait(signal);
  }
}

/**
 * All models, and the choice among them. Events: "change" (the list, the choice or the default), and before it "default" (the server
 * has another default model) or "choice" (somebody chose on this page).
 */
export class Models extends Emitter {
  /** @type {Model[]} the default first */
  list = [];
  /** @type {Model} */
  defaultModel;
  /** @type {Model[]} empty: this page follows the default */
  chosen = [];
  /** Whether this page is changing the default model, and tells of it itself. */
  isChangedHere = false;
  /** @type {Map<string, Model>} by key, also those that are gone */
  #known = new Map();
  /** @type {Map<string, Model>} by key, those that the server has besides its list, such as the snapshots of a run */
  #unlisted = new Map();
  /** @type {Promise<void> | null} */
  #reading = null;

  /** @returns {Promise<Models>} */
  static async read() {
    const models = new Models();
    await models.refresh();
    return models;
  }

  /** Follows the server's default model from now on, also on a page that nobody touches: each answer of the server names it. */
  watch() {
    heardDefault.addEventListener("default", () => this.#follow());
    connection.addEventListener("back", () => void this.refresh().catch(() => {})); // it may have been restarted, with other models
    const look = async () => {
      if (document.hidden) return;
      await getJSON("./healthz").catch(() => {});
      this.#follow(); // also if the request after the event failed
    };
    setInterval(look, CHECK_MS);
    document.addEventListener("visibilitychange", look);
  }

  /** Asks the server again. @returns {Promise<void>} */
  refresh() {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  /** Those that texts are written with. */
  get writers() {
    return this.chosen.length ? this.chosen : [this.defaultModel];
  }

  /** The one for views that show a single model. */
  get primary() {
    return this.writers[0];
  }

  /** @param {string} key @returns {Model | undefined} one that can be used */
  find(key) {
    return this.list.find((model) => model.key === key && !model.trouble) ?? this.#unlisted.get(key);
  }

  /** Takes a model that the server has besides its list. @param {ModelJSON} json @returns {Model} */
  admit(json) {
    const model = this.#known.get(json.key) ?? this.#take(json);
    this.#unlisted.set(json.key, model);
    return model;
  }

  /** Why the model that an address names cannot be used, as a sentence; "" if it can. @param {string} key */
  whyNot(key) {
    if (this.find(key)) return "";
    const known = this.list.find((model) => model.key === key);
    return known ? `The model ${known.name} cannot be used: ${known.trouble}` : `The model ${shortened(key)} is not on this server.`;
  }

  /** The default model alone is what a page without a choice has. @param {Model[]} models */
  choose(models) {
    const isDefault = models.length === 1 && models[0] === this.defaultModel;
    this.chosen = isDefault ? [] : this.list.filter((model) => models.includes(model));
    this.tell("choice");
    this.tell("change");
  }

  /** The server no longer has a model; its list, which may be a second old, can still name it. @param {Model} gone */
  drop(gone) {
    if (gone === this.defaultModel) return;
    this.list = this.list.filter((model) => model !== gone);
    this.chosen = this.chosen.filter((model) => model !== gone);
    this.tell("change");
  }

  /** Asks again if the server has named another default model since. What fails is tried again in CHECK_MS. */
  #follow() {
    if (this.#isStale) void this.refresh().catch(() => {});
  }

  get #isStale() {
    return heardDefault.key !== "" && heardDefault.key !== this.defaultModel.key;
  }

  async #read() {
    await this.#readOnce();
    if (this.#isStale) await this.#readOnce(); // the default changed while its predecessor was loaded
  }

  async #readOnce() {
    const { default: key, models } = await getJSON("./models");
    this.list = models.map((json) => this.#take(json));
    this.chosen = this.chosen.filter((model) => this.find(model.key));
    const before = this.defaultModel;
    this.defaultModel = this.#known.get(key);
    await this.defaultModel.load().catch(() => {}); // what cannot be loaded now is asked for again when it is used
    if (before && before !== this.defaultModel) this.tell("default");
    this.tell("change");
  }

  /** @param {ModelJSON} json */
  #take(json) {
    const known = this.#known.get(json.key);
    if (known) known.take(json);
    else this.#known.set(json.key, new Model(json));
    return this.#known.get(json.key);
  }
}
