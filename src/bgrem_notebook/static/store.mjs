// Store: all that the views of one model share. It alone talks to the kernel.
import { Emitter } from "./scope.mjs";
import { TileCache } from "./tiles.mjs";
import { Wants } from "./wants.mjs";
import { Painter } from "./painter.mjs";
import { SkyGrid } from "./sky.mjs";
import { buffersOf, copyBuffer, neededPlanes, valuesAt } from "./pixels.mjs";
import { TILE } from "./geometry.mjs";

const TRAITS = ["strength", "view", "stretch", "limits_by", "colours", "mode", "height"];
const DEFAULTS = {
  strength: 1, view: [], stretch: "linear", limits_by: "zscale", colours: "grey",
  mode: "side by side", height: 360,
};
// These change with every move of a hand: the kernel hears of them now and then.
const RESTLESS = ["view", "strength"];
const SAVE_MS = 150;

/** State of a model: scene, tiles, answers; views listen to its events. */
export class Store {
  constructor(model) {
    this.model = model;
    this.events = new Emitter();
    this.tiles = new TileCache();
    this.painter = new Painter(this);
    this.busy = "";
    this.wants = new Wants((message) => this.send(message));
    this.traits = {};
    this.tone = restTone();
    this.bytes = 0;
    this.scenes = 0;
    this.fitted = true;
    this._timer = 0;
    this._unsaved = false;
    this._clear();
    for (const name of TRAITS) {
      this.traits[name] = this._read(name);
      model.on(`change:${name}`, () => this._heard(name));
    }
    this._receive = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this._receive);
    if (this.traits.view.length === 3) this.fitted = false;
    this.send({ type: "hello" });
  }

  send(message) {
    this.model.send(message, undefined, []);
  }

  on(name, react) {
    return this.events.on(name, react);
  }

  /** Set a synced trait, here and in the kernel. */
  set(name, value) {
    if (same(this.traits[name], value)) return;
    this.traits[name] = value;
    this.model.set(name, value);
    if (RESTLESS.includes(name) && this._timer) this._unsaved = true;
    else this._save();
    this.events.emit("trait", name);
  }

  /** Save at once, and what changes soon after that in one go. */
  _save() {
    clearTimeout(this._timer);
    this._unsaved = false;
    this.model.save_changes();
    this._timer = setTimeout(() => {
      this._timer = 0;
      if (this._unsaved) this._save();
    }, SAVE_MS);
  }

  /** Contrast and bias of a group of panels: "image" or "residual". */
  setTone(group, tone) {
    this.tone = { ...this.tone, [group]: tone };
    this.events.emit("look");
  }

  resetTone() {
    this.tone = restTone();
    this.events.emit("look");
  }

  get shape() {
    return { ny: this.scene.ny, nx: this.scene.nx };
  }

  /** Is there an image? While one is read there may be a scene without. */
  get ready() {
    const { scene } = this;
    return Boolean(scene) && scene.nx > 0 && scene.ny > 0 && scene.planes.image !== undefined;
  }

  /** How many of the sources are rows of the table; others were missed. */
  get rows() {
    const { sources } = this;
    if (!sources) return 0;
    return Number.isInteger(sources.rows) ? sources.rows : sources.n;
  }

  /** A source as words, where the kernel sent some. */
  rowText(row) {
    const { rows } = this.sources;
    return Array.isArray(rows) ? rows[row] || "" : "";
  }

  get strength() {
    return this.scene && this.scene.has_strength ? this.traits.strength : 1;
  }

  /** Planes that have to be here for the panels. */
  get planes() {
    return this.scene ? neededPlanes(this.scene.planes, this.scene.has_strength) : [];
  }

  /** Values under a data pixel from the finest tiles that are here, or null. */
  valuesAt(x, y) {
    const { scene } = this;
    const column = Math.round(x);
    const row = Math.round(y);
    if (!this.ready || column < 0 || row < 0 || column >= scene.nx || row >= scene.ny) return null;
    for (let level = 0; level < scene.levels; level += 1) {
      const c = column >> level;
      const r = row >> level;
      const [i, j] = [Math.floor(r / TILE), Math.floor(c / TILE)];
      const parts = {};
      for (const plane of this.planes) parts[plane] = this.tiles.get(plane, level, i, j);
      if (!parts.image || this.planes.some((plane) => !parts[plane])) continue;
      const k = (r - i * TILE) * parts.image.nx + (c - j * TILE);
      return { ...valuesAt(parts, this.strength, k), level };
    }
    return null;
  }

  skyAt(x, y) {
    return this.sky ? this.sky.at(x, y) : null;
  }

  /** Choose a row of the sources, here and in the kernel. */
  select(row) {
    this.selected = row;
    this.send({ type: "select", row });
    this.events.emit("marks");
  }

  receive(message, binary) {
    const buffers = buffersOf(message, binary);
    for (const one of buffers) this.bytes += one.byteLength ?? 0;
    const react = RECEIVERS[message.type];
    if (react) react(this, message, buffers);
  }

  close() {
    clearTimeout(this._timer);
    if (this._unsaved) this.model.save_changes();
    this.wants.close();
    this.model.off("msg:custom", this._receive);
    for (const name of TRAITS) this.model.off(`change:${name}`);
    this.tiles.drop();
    this.painter.clear();
  }

  _read(name) {
    const value = this.model.get(name);
    return value === undefined || value === null ? DEFAULTS[name] : value;
  }

  _heard(name) {
    const value = this._read(name);
    if (same(this.traits[name], value)) return;
    this.traits[name] = value;
    if (name === "view") this.fitted = value.length !== 3;
    this.events.emit("trait", name);
  }

  _clear() {
    this.scene = null;
    this.sky = null;
    this.seen = null;
    this.sources = null;
    this.selected = null;
    this.checks = new Map();
    this.steps = null;
    this.progress = null;
    this.banner = null;
    this.said = "";
  }
}

const RECEIVERS = {
  scene(store, message, buffers) {
    const before = store.scene;
    const planes = message.planes || {};
    const other = !before || before.planes.image !== planes.image;
    if (before && planes.rest !== before.planes.rest) {
      // They were told of another result.
      Object.assign(store, { seen: null, checks: new Map() });
    }
    if (other) {
      store.tiles.drop();
      store.painter.clear();
      store.wants.reset();
    }
    if (before && other) {
      const { said } = store;
      store._clear();
      Object.assign(store, { said, tone: restTone() });
      const alike = before.ny === message.ny && before.nx === message.nx;
      // A plane of the same cube is looked at in the same place.
      if (!alike) Object.assign(store, { fitted: true });
    }
    store.scene = { ...message, planes };
    store.tiles.setPlanes(planes);
    store.painter.forget(planes);
    const { sky } = message;
    store.sky = sky && buffers.length
      ? new SkyGrid(copyBuffer(buffers[0], Float64Array), sky.n, sky.m, store.shape) : null;
    store.scenes += 1;
    store.busy = message.busy || "";
    if (!store.busy) store.progress = null;
    store.events.emit("scene", other);
  },
  tiles(store, message, buffers) {
    message.tiles.forEach((head, k) => {
      if (!buffers[k]) return;
      const values = copyBuffer(buffers[k], Float32Array);
      if (values.length === head.ny * head.nx) store.tiles.put({ ...head, values });
    });
    store.events.emit("pixels");
  },
  fresh(store, message) {
    if (!store.scene) return;
    store.scene.planes[message.plane] = message.rev;
    store.tiles.freshen(message.plane, message.rev, message.block);
    store.events.emit("pixels");
  },
  progress(store, message) {
    const other = store.busy !== (message.busy || "");
    store.progress = message;
    store.busy = message.busy || "";
    store.events.emit(other ? "busy" : "progress");
  },
  seen(store, message) {
    store.seen = message;
    if (message.row !== undefined) store.selected = message.row;
    store.events.emit("seen");
    store.events.emit("marks");
  },
  center(store, message) {
    store.events.emit("center", message);
  },
  sources(store, message, buffers) {
    const floats = (k) => copyBuffer(buffers[k], Float32Array);
    const some = message.n > 0 && buffers.length >= 4;
    store.sources = some ? {
      n: message.n, rows: message.rows || null, x: floats(0), y: floats(1), r: floats(2),
      kind: copyBuffer(buffers[3], Uint8Array),
    } : null;
    Object.assign(store, { selected: null, seen: null });
    store.events.emit("seen");
    store.events.emit("sources");
    store.events.emit("marks");
  },
  selected(store, message) {
    store.selected = message.row;
    store.events.emit("marks");
  },
  check(store, message) {
    store.checks.set(message.name, message);
    store.events.emit("check", message.name);
  },
  steps(store, message, buffers) {
    const frames = buffers.map((one) => copyBuffer(one, Float32Array));
    const images = frames.slice(0, message.n + 1);
    store.steps = { ...message, images, noises: frames.slice(message.n + 1) };
    store.events.emit("steps");
  },
  card(store, message) {
    store.events.emit("card", message);
  },
  python(store, message) {
    store.events.emit("python", message);
  },
  banner(store, message) {
    store.banner = message.text ? message : null;
    store.events.emit("banner");
  },
  said(store, message) {
    store.said = message.text;
    store.events.emit("said");
  },
  ask(store, message) {
    store.events.emit("ask", message);
  },
};

function restTone() {
  return { image: { contrast: 1, bias: 0.5 }, residual: { contrast: 1, bias: 0.5 } };
}

function same(a, b) {
  if (!Array.isArray(a) || !Array.isArray(b)) return a === b;
  return a.length === b.length && a.every((value, k) => value === b[k]);
}
