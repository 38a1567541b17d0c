// What the class does, live: one stream of events from the server for the whole page (ui/web/classroom.py), and this browser as a member of it.
import { Emitter } from "./emitter.js";
import { reached } from "./server.js";
import { ask, askForJSON, hasSession, lose, session } from "./session.js";
import { inBrowser } from "./storage.js";

const STREAM = "./class/stream";
const KEPT_AS = "soliloquy-member";
const SILENT_MS = 45_000; // the server says something every 15 s: after this long, nothing comes any more
const TOPICS = /** @type {const} */ (["room", "counts", "round", "rounds", "votes", "lead", "kept"]);

/**
 * @typedef {{class: number, members: number, names_shown: boolean, shut: boolean, admin: boolean}} Room class: another one has other members; shut: nobody new may join
 *
 * @typedef {object} Round everybody's texts after one prompt
 * @property {string} id
 * @property {number} number
 * @property {string} prompt
 * @property {number} temperature
 * @property {number} length
 * @property {number} top_k
 * @property {number} top_p
 * @property {number} seed
 * @property {string} model its key
 * @property {string} model_name
 * @property {boolean} open
 * @property {number} opened
 * @property {number} writing texts under way
 * @property {number} thrown texts that are written
 * @property {string | null} beside the round that it stands abreast of
 *
 * @typedef {{sample: number, text: string, name: string}} ClassText
 * @typedef {{id: string, number: number, pairs: {request: string, a: string, b: string}[], open: boolean, hidden: boolean, voters: number, voted: number[], newcomers: number | null, tally: [number, number][] | null, last_round: number | null}} Votes voters: on every pair; voted: on each; last_round: the newest when they closed
 * @typedef {{votes: number, pairs: number, agreement: number | null}} Kept
 * @typedef {{address: string, title: string, keys: string[], page: string}} Lead
 * @typedef {{token: string, class: number, number: number, name: string}} Member
 * @typedef {{member: string, class: number, number: number, name: string, texts: Object<string, {sample: number, text: string}>, votes: Object<string, ("a" | "b" | null)[]>}} Joined
 */

/**
 * The class. It connects once somebody listens. Events: the name of each topic (it has come, or has changed), "counts" (of a round: thrown, writing),
 * "texts" (of the newest round, or of the one beside it), "online", "offline" (also when it cannot connect at first), "member" (this browser has become one, is none any more, or has another name).
 */
class Classroom extends Emitter {
  /** @type {Room | null} null until it is known */
  room = null;
  /** @type {Object<string, [number, number]>} texts that are written and under way, by round; each round has them too */
  counts = {};
  /** @type {Round | null} the newest */
  round = null;
  /** @type {Round[]} the earlier ones, oldest first */
  rounds = [];
  /** @type {Votes | null} */
  votes = null;
  /** @type {Lead | null} */
  lead = null;
  /** @type {Kept | null} */
  kept = null;
  /** @type {Map<string, ClassText[]>} by round, in the order in which they came; while somebody wants them */
  texts = new Map();
  isOnline = false;
  /** @type {Member | null} */
  member = readMember();
  #wantsTexts = false;
  #connects = false;
  #connection = new AbortController();
  #joining = Promise.resolve(); // a browser that asked twice at first would be two members

  /** @param {string} event @param {(event: CustomEvent<any>) => void} listener @param {boolean | AddEventListenerOptions} [options] */
  addEventListener(event, listener, options) {
    super.addEventListener(event, listener, options);
    if (this.#connects) return;
    this.#connects = true;
    session.addEventListener("change", () => this.#connection.abort()); // the lecturer sees more
    void this.#follow();
  }

  /** Whether the texts are to come too. @param {boolean} isWanted */
  wantTexts(isWanted) {
    if (isWanted === this.#wantsTexts) return;
    this.#wantsTexts = isWanted;
    this.#connection.abort();
  }

  /** Becomes a member, or asks what the server knows of this one. @param {string} [name] @returns {Promise<Joined>} */
  join(name) {
    const joined = this.#joining.then(() => this.#join(name));
    this.#joining = joined.then(() => {}, () => {});
    return joined;
  }

  /** Whether this browser is no member and cannot become one, because the lecturer takes nobody new. */
  get isKeptOut() {
    return Boolean(this.room?.shut) && !this.member;
  }

  /** @param {string} [name] @returns {Promise<Joined>} */
  async #join(name) {
    const json = { ...(this.member && { member: this.member.token }), ...(name !== undefined && { name }) };
    /** @type {Joined} */
    const joined = await askForJSON("./class/join", { method: "POST", json }).catch((error) => {
      if (error.setting === "shut") this.#refused();
      throw error;
    });
    this.#keepMember({ token: joined.member, class: joined.class, number: joined.number, name: joined.name });
    return joined;
  }

  #refused() {
    if (this.room) this.room.shut = true; // the stream says so in a moment
    this.#keepMember(null);
  }

  /** @param {Member | null} member */
  #keepMember(member) {
    this.member = member;
    inBrowser.keepJSON(KEPT_AS, member);
    this.tell("member");
  }

  // A stream that was ended here, for another one, is followed by it at once; otherwise the server is given time.
  async #follow() {
    for (;;) {
      const { signal } = (this.#connection = new AbortController());
      try {
        await this.#read(signal);
      } catch {} // without the class, a page works as before
      if (signal.aborted && signal.reason !== SILENT_MS) continue;
      this.isOnline = false;
      this.tell("offline");
      await window.soliloquy.reachable();
    }
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    const { body } = await ask(`${STREAM}${this.#wantsTexts ? "?wall=1" : ""}`, { signal });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let silence = 0;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => this.#connection.signal === signal && this.#connection.abort(SILENT_MS), SILENT_MS);
    };
    try {
      let rest = "";
      for (let part = await reached(reader.read()); !part.done; part = await reached(reader.read())) {
        signal.throwIfAborted();
        listen();
        const events = (rest + part.value).split("\n\n");
        rest = events.pop();
        for (const event of events) this.#take(event);
        if (!this.isOnline && this.room) {
          this.isOnline = true;
          this.tell("online");
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  /** @param {string} event as the server sends it: its name, and its data on one line */
  #take(event) {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? [];
    if (!name) return; // a comment
    const content = JSON.parse(data);
    if (name === "texts") {
      const before = content.from ? (this.texts.get(content.round) ?? []) : [];
      this.texts.set(content.round, [...before.slice(0, content.from), ...content.texts]);
    } else if (TOPICS.some((topic) => topic === name)) {
      Object.assign(this, { [name]: content });
      for (const round of [this.round, ...this.rounds]) if (round) [round.thrown, round.writing] = this.counts[round.id] ?? [0, 0];
      if (name === "round") this.#forgetTexts();
      if (name === "room") this.#meet(content);
    } else return;
    this.tell(name);
  }

  /** A class that has begun anew does not know its members, nor a server that was started again its sessions. @param {Room} room */
  #meet(room) {
    if (this.member && this.member.class !== room.class) this.#keepMember(null);
    if (!room.admin && hasSession()) lose();
  }

  // Only those of the newest round and of the one beside it grow.
  #forgetTexts() {
    for (const id of this.texts.keys()) if (id !== this.round?.id && id !== this.round?.beside) this.texts.delete(id);
  }
}

/** @returns {Member | null} */
function readMember() {
  const { token, class: of, number, name } = inBrowser.getJSON(KEPT_AS) ?? {};
  return token ? { token: String(token), class: Number(of), number: Number(number), name: String(name) } : null;
}

export const classroom = new Classroom();
