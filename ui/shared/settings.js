// The sampling settings of the page. The fields for them belong to the Sample tab; without it the settings keep their defaults.

/**
 * @typedef {object} Values
 * @property {string} prompt
 * @property {number} temperature
 * @property {number} length
 * @property {number} samples
 * @property {string | number} seed as typed; "" for a new one each time
 * @property {number} top_k
 * @property {number} top_p
 *
 * @typedef {object} Fields where settings are typed (sample/controls.js)
 * @property {() => Values} get
 * @property {(values: Partial<Values>) => void} set
 * @property {(name: string) => void} focus
 */

export const NAMES = ["prompt", "temperature", "length", "samples", "seed", "top_k", "top_p"];
const WHOLE = ["length", "samples", "seed", "top_k"];

export class Settings {
  /** @type {Values} */
  #values;
  /** @type {Fields | null} */
  #fields = null;
  /** @type {((values: Values, name: string) => void)[]} */
  #listeners = [];
  /** @type {import("./limits.js").Limits} */
  #limits;
  /** @type {import("./models.js").Models} */
  #models;

  /** @param {import("./limits.js").Limits} limits @param {import("./models.js").Models} models */
  constructor(limits, models) {
    this.#limits = limits;
    this.#models = models;
    this.#values = this.defaults;
  }

  /** @returns {Values} */
  get defaults() {
    const { sampling } = this.#limits;
    return /** @type {Values} */ (Object.fromEntries(NAMES.map((name) => [name, sampling[name].default ?? ""])));
  }

  /** What a number may be; top-k goes up to the largest vocabulary of the models in use. @param {string} name */
  range(name) {
    const { low, high } = this.#limits.sampling[name] ?? {};
    const most = name === "top_k" ? Math.max(...this.#models.writers.map((model) => model.topK)) : high;
    return { min: low ?? 0, max: most ?? Number.MAX_SAFE_INTEGER, isWhole: !(name in this.#limits.sampling) || WHOLE.includes(name) };
  }

  get() {
    return this.#fields ? this.#fields.get() : { ...this.#values };
  }

  /** @param {Partial<Values>} values */
  set(values) {
    Object.assign(this.#values, values);
    if (this.#fields) this.#fields.set(values);
    else this.changed(this.#values, "");
  }

  /** @param {string} name */
  focus(name) {
    this.#fields?.focus(name);
  }

  /** Calls back with all settings and the name of the one that was moved. @param {(values: Values, name: string) => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** @param {Values} values @param {string} name */
  changed(values, name) {
    for (const listener of this.#listeners) listener(values, name);
  }

  /** From now on the settings are what stands in these fields. @param {Fields} fields */
  attach(fields) {
    fields.set(this.#values);
    this.#fields = fields;
  }
}
