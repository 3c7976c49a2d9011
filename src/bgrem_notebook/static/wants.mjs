// Wants: which tiles to ask for, and when. The latest list is the only one that counts.

const SETTLE_MS = 80;
const LONGEST_MS = 250;
const RETRY_MS = 5000;

/** Gathers what the views lack and asks for it, not more often than needed. */
export class Wants {
  constructor(send) {
    this._send = send;
    this._lists = new Map();
    this._asked = new Set();
    this._timer = 0;
    this._retry = 0;
    this._since = 0;
    this._first = true;
  }

  /** A view says what it lacks ([plane, rev, level, i, j], best first) and shows. */
  set(owner, list, rect) {
    this._lists.set(owner, { list, rect });
    const missing = this._missing();
    if (missing.every((tile) => this._asked.has(tile.join("/")))) {
      this._cancel();
      return;
    }
    if (this._first) {
      this._ask();
      return;
    }
    const now = performance.now();
    if (!this._timer) this._since = now;
    clearTimeout(this._timer);
    const rest = Math.max(0, this._since + LONGEST_MS - now);
    this._timer = setTimeout(() => this._ask(), Math.min(SETTLE_MS, rest));
  }

  /** A view is gone. */
  leave(owner) {
    this._lists.delete(owner);
  }

  /** Another image: nothing that was asked for will come. */
  reset() {
    this._cancel();
    clearTimeout(this._retry);
    this._asked.clear();
    this._lists.clear();
    this._first = true;
  }

  close() {
    this.reset();
  }

  _missing() {
    const all = new Map();
    for (const { list } of this._lists.values()) {
      for (const tile of list) all.set(tile.join("/"), tile);
    }
    return [...all.values()];
  }

  _ask() {
    this._cancel();
    clearTimeout(this._retry);
    const tiles = this._missing();
    if (!tiles.length) return;
    this._first = false;
    this._asked = new Set(tiles.map((tile) => tile.join("/")));
    const rects = [...this._lists.values()].map(({ rect }) => rect).filter(Boolean);
    const edge = (k, pick) => pick(...rects.map((rect) => rect[k]));
    const { min, max } = Math;
    const view = [edge(0, min), edge(1, min), edge(2, max), edge(3, max)];
    this._send({ type: "want", tiles, view });
    // An answer may be lost when the kernel is interrupted.
    this._retry = setTimeout(() => {
      this._asked.clear();
      if (this._missing().length) this._ask();
    }, RETRY_MS);
  }

  _cancel() {
    clearTimeout(this._timer);
    this._timer = 0;
  }
}
