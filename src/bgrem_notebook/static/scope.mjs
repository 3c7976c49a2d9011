// Scope: everything that must be undone when a view goes away, and events between parts.

/** Remembers what to undo; `close` undoes all of it, once. */
export class Scope {
  constructor() {
    this._undo = new Set();
    this.closed = false;
  }

  /** Undo this at the end; gives back how to undo it earlier. */
  add(undo) {
    const once = () => {
      if (this._undo.delete(once)) undo();
    };
    this._undo.add(once);
    return once;
  }

  listen(target, type, react, options) {
    target.addEventListener(type, react, options);
    return this.add(() => target.removeEventListener(type, react, options));
  }

  /** Do something later, unless the view is gone by then. */
  after(ms, act) {
    const timer = setTimeout(() => {
      undo();
      act();
    }, ms);
    const undo = this.add(() => clearTimeout(timer));
    return undo;
  }

  close() {
    this.closed = true;
    for (const undo of [...this._undo]) undo();
  }
}

/** Calls a function at most once per frame of the screen, however often it is asked to. */
export class OncePerFrame {
  constructor(scope, act) {
    this._frame = 0;
    this._act = act;
    this._scope = scope;
    scope.add(() => cancelAnimationFrame(this._frame));
  }

  ask() {
    if (this._frame || this._scope.closed) return;
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      this._act();
    });
  }
}

/** Named events; `on` gives back how to stop listening. */
export class Emitter {
  constructor() {
    this._all = new Map();
  }

  on(name, react) {
    const list = this._all.get(name) || new Set();
    this._all.set(name, list);
    list.add(react);
    return () => list.delete(react);
  }

  emit(name, ...values) {
    for (const react of [...(this._all.get(name) || [])]) react(...values);
  }

  get size() {
    return [...this._all.values()].reduce((sum, list) => sum + list.size, 0);
  }
}
