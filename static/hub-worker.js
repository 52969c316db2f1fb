/** All tabs of a browser on one link: the SharedWorker that link/shared.js starts. Ports die silently, so tabs are asked. */

import { Link } from './link/link.js';

const TICK_MS = 1_000;
const ASK_TICKS = 5;
const LEASE_MS = 60_000;
const JUMP_MS = 10_000;
const ECHO_MS = 1_000;
const VERBS = new Set(['testAgain', 'force', 'online', 'wake']);

const members = new Set();
const rooms = new Map(); // base, token and the like -> Room
let ticks = 0;
let lastTick = Date.now();

/** One link, and a second one while some tabs want projects and others the feed: those do not share a socket. */
class Room {
  members = new Set();
  #key;
  #memory;
  #main;
  #aside = null;
  #stops = new Map(); // project -> what ends following it
  #hidden = false;
  #last = ['', 0]; // what a tab asked for, and when

  constructor(key, memory) {
    this.#key = key;
    this.#memory = memory;
    this.#main = this.#link({
      getItem: () => this.#memory,
      setItem: (_, text) => this.#remember(text),
      removeItem: () => this.#remember(null),
    });
  }

  #link(storage) {
    const link = new Link({
      ...JSON.parse(this.#key), storage, slots: null, now: Date.now, random: Math.random,
      fetch: globalThis.fetch.bind(globalThis), WebSocket: globalThis.WebSocket,
    });
    link.onChange(() => this.tell());
    link.hide(this.#hidden);
    link.start();
    return link;
  }

  #remember(memory) {
    if (memory === this.#memory) return;
    this.#memory = memory;
    for (const member of this.members) member.say({ memory });
  }

  #linkOf(member) {
    return this.#aside && member.wanted.has(null) ? this.#aside : this.#main;
  }

  seat(member, wanted) {
    const before = this.members.has(member) ? member.wanted : new Set();
    member.wanted = new Set(wanted);
    this.members.add(member);
    this.#tune();
    this.tell([member]);
    for (const project of member.wanted) {
      const message = !before.has(project) && this.#linkOf(member).snapshot(project);
      if (message) member.say({ project, message });
    }
  }

  unseat(member) {
    this.members.delete(member);
    if (this.members.size) {
      this.#tune();
      return;
    }
    rooms.delete(this.#key);
    for (const link of this.#links) link.stop();
  }

  #tune() {
    const wanted = new Set([...this.members].flatMap((member) => [...member.wanted]));
    const tell = (project) => (message) => {
      for (const member of this.members) if (member.wanted.has(project)) member.say({ project, message });
    };
    for (const project of wanted) {
      if (!this.#stops.has(project)) this.#stops.set(project, this.#main.follow(project, tell(project)));
    }
    for (const [project, stop] of this.#stops) {
      if (wanted.has(project)) continue;
      this.#stops.delete(project);
      stop();
    }
    if (!wanted.has(null) || wanted.size < 2) {
      this.#aside?.stop();
      this.#aside = null;
    } else if (!this.#aside) {
      this.#aside = this.#link({ getItem: () => this.#memory, setItem() {}, removeItem() {} });
      this.#aside.follow(null, tell(null));
    }
    this.hide();
  }

  hide() {
    this.#hidden = this.members.size > 0 && [...this.members].every((member) => member.hidden);
    for (const link of this.#links) link.hide(this.#hidden);
  }

  get #links() {
    return this.#aside ? [this.#main, this.#aside] : [this.#main];
  }

  /** Every tab hears of the same `online`; once is enough. */
  do(verb, words) {
    const [what, at] = [verb + words, Date.now()];
    if (what === this.#last[0] && at - this.#last[1] < ECHO_MS) return;
    this.#last = [what, at];
    for (const link of this.#links) link[verb](...words);
  }

  #statusFor(member) {
    return { ...this.#linkOf(member).status, shared: this.members.size };
  }

  tell(members = this.members) {
    for (const member of members) member.say({ status: this.#statusFor(member) });
  }
}

class Member {
  wanted = new Set();
  hidden = false;
  heardAt = Date.now();
  #port;
  #room = null;

  constructor(port) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#hear(data);
    port.onclose = () => this.leave();
  }

  say(message) {
    this.#port.postMessage(message);
  }

  #hear({ op, key, memory, hidden, wanted, verb, words }) {
    this.heardAt = Date.now();
    members.add(this);
    if (op === 'sit') this.#sit(JSON.stringify(key), memory, hidden, wanted);
    else if (op === 'leave') this.leave();
    else if (!this.#room) this.say({ again: true }); // it was silent for so long that it was given up
    else if (op === 'do' && VERBS.has(verb)) {
      this.#room.do(verb, words);
      this.say({}); // heard
    }
  }

  #sit(key, memory, hidden, wanted) {
    if (!rooms.has(key)) rooms.set(key, new Room(key, memory));
    const room = rooms.get(key);
    if (room !== this.#room) this.#room?.unseat(this);
    this.#room = room;
    this.hidden = hidden;
    room.seat(this, wanted);
  }

  leave() {
    members.delete(this);
    this.#room?.unseat(this);
    this.#room = null;
  }
}

setInterval(() => {
  const now = Date.now();
  // After a sleep nobody has had the time to answer.
  if (now - lastTick > JUMP_MS) for (const member of members) member.heardAt = now;
  lastTick = now;
  ticks += 1;
  for (const member of [...members]) {
    if (now - member.heardAt > LEASE_MS) member.leave();
    else if (ticks % ASK_TICKS === 0) member.say({ asks: true });
  }
  for (const room of rooms.values()) room.tell([...room.members].filter(({ hidden }) => !hidden));
}, TICK_MS);

globalThis.onconnect = ({ ports: [port] }) => new Member(port);
