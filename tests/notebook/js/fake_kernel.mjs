// A kernel for the tests: a star field, and answers to every message of the protocol.

const TILE = 256;
const SIGMA = 12;
const LEVEL = 1015;

/** Random numbers that are the same each time. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

function halved({ ny, nx, values }) {
  const [my, mx] = [Math.ceil(ny / 2), Math.ceil(nx / 2)];
  const out = new Float32Array(my * mx);
  for (let r = 0; r < my; r += 1) {
    for (let c = 0; c < mx; c += 1) {
      let [sum, count] = [0, 0];
      for (let y = 2 * r; y < Math.min(ny, 2 * r + 2); y += 1) {
        for (let x = 2 * c; x < Math.min(nx, 2 * c + 2); x += 1) {
          const value = values[y * nx + x];
          if (!Number.isNaN(value)) [sum, count] = [sum + value, count + 1];
        }
      }
      out[r * mx + c] = count ? sum / count : NaN;
    }
  }
  return { ny: my, nx: mx, values: out };
}

/** Stars, galaxies, a sloping sky and noise. */
export class StarField {
  constructor(nx, ny) {
    Object.assign(this, { nx, ny });
    const random = randomFrom(7);
    const light = new Float32Array(nx * ny);
    this.sources = [];
    const count = Math.round((nx * ny) / 9000);
    for (let k = 0; k < count; k += 1) {
      const x = random() * (nx - 1);
      const y = random() * (ny - 1);
      const galaxy = k % 9 === 0;
      const width = galaxy ? 3 + 9 * random() : 1.6;
      const peak = (galaxy ? 60 : 40) * (1 - 0.995 * random()) ** -0.9;
      this._add(light, x, y, width, peak, galaxy ? 0.35 + 0.6 * random() : 1, 3 * random());
      this.sources.push({ x, y, r: 2.5 * width, peak });
    }
    const noise = new Float32Array(nx * ny);
    const rest = new Float32Array(nx * ny);
    const image = new Float32Array(nx * ny);
    for (let y = 0; y < ny; y += 1) {
      for (let x = 0; x < nx; x += 1) {
        const k = y * nx + x;
        const draw = random() + random() + random() + random() - 2;
        noise[k] = SIGMA * 1.732 * draw;
        rest[k] = 1000 + (20 * x) / nx + (10 * y) / ny;
        image[k] = light[k] + rest[k] + noise[k];
      }
    }
    // A dead column and a hole.
    for (let y = 0; y < ny; y += 1) image[y * nx + Math.floor(nx * 0.7)] = NaN;
    this.planes = { image, noise, rest, live: new Float32Array(nx * ny).fill(NaN) };
    this._levels = {};
    this.levels = 1;
    while (Math.max(nx, ny) / 2 ** (this.levels - 1) > TILE) this.levels += 1;
  }

  _add(light, x, y, width, peak, flat, turn) {
    const { nx, ny } = this;
    const reach = Math.ceil(6 * width);
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    for (let r = Math.max(0, Math.round(y) - reach); r < Math.min(ny, y + reach); r += 1) {
      for (let c = Math.max(0, Math.round(x) - reach); c < Math.min(nx, x + reach); c += 1) {
        const [dx, dy] = [c - x, r - y];
        const a = (dx * cos + dy * sin) / width;
        const b = (dy * cos - dx * sin) / (width * flat);
        light[r * nx + c] += peak * (1 + (a * a + b * b) / 2) ** -2.5;
      }
    }
  }

  level(plane, k) {
    const made = (this._levels[plane] ||= []);
    made[0] = { ny: this.ny, nx: this.nx, values: this.planes[plane] };
    for (let j = 1; j <= k; j += 1) made[j] ||= halved(made[j - 1]);
    return made[k];
  }

  forget(plane) {
    delete this._levels[plane];
  }

  tile(plane, level, i, j) {
    const from = this.level(plane, level);
    const ny = Math.min(TILE, from.ny - i * TILE);
    const nx = Math.min(TILE, from.nx - j * TILE);
    const values = new Float32Array(ny * nx);
    for (let r = 0; r < ny; r += 1) {
      const start = (i * TILE + r) * from.nx + j * TILE;
      values.set(from.values.subarray(start, start + nx), r * nx);
    }
    return { ny, nx, values };
  }

  pixel(plane, x, y) {
    return this.planes[plane][y * this.nx + x];
  }
}

const control = (name, label, kind, more = {}) => ({
  name, label, kind, value: "", default: "", optional: false, low: null, high: null,
  choices: [], free: false, whole: false, unit: "", help: "", advanced: false, empty: "auto",
  expected: "", ...more,
});

const FORM = [
  control("sky_scale", "Sky scale", "choice", {
    value: "auto", default: "auto", choices: ["auto", "none"], free: true, whole: true,
    low: 8, high: 100000, unit: "pix",
    help: "scale of the sky that is taken off; smaller removes more",
    expected: "auto, none or a whole number from 8 to 100000",
  }),
  control("steps", "Steps", "whole", {
    optional: true, low: 1, high: 100, whole: true,
    help: "reverse steps; default: the model card's", expected: "a whole number from 1 to 100",
  }),
  control("norm", "Norm", "number", {
    value: "0.0", default: "0.0", low: 0, high: 1e38, unit: "1/unit", advanced: true,
    help: "1/sigma of the noise, 0 = estimate",
  }),
  control("normalizer", "Normalizer", "choice", {
    value: "mesh", default: "mesh", choices: ["mesh", "paper"], advanced: true,
  }),
  control("tile", "Tile", "whole", {
    value: "1024", default: "1024", low: 64, high: 16384, whole: true, unit: "pix",
    advanced: true, help: "side of a tile, margins included",
    expected: "a whole number from 64 to 16384",
  }),
  control("device", "Device", "choice", {
    value: "auto", default: "auto", choices: ["auto", "cpu", "cuda", "mps"], advanced: true,
  }),
  control("seed", "Seed", "whole", {
    value: "0", default: "0", low: 0, high: 2147483647, whole: true, advanced: true,
  }),
];

const FIND_FORM = [
  control("threshold", "Threshold", "number", {
    optional: true, low: 0.01, high: 1e6, unit: "sigma",
    help: "detection threshold; default: the model card's",
    expected: "a number from 0.01 to 1000000",
  }),
  control("deep", "Deep", "flag", {
    value: "no", default: "no", help: "go deeper: about ten false detections per Mpix",
  }),
  control("filter", "Filter", "flag", {
    optional: true, help: "convolve with the PSF before searching", advanced: true,
  }),
  control("minarea", "Least area", "whole", {
    value: "3", default: "3", low: 1, high: 10000, whole: true, unit: "pix", advanced: true,
  }),
  control("on", "Find on", "choice", {
    value: "auto", default: "auto", choices: ["auto", "light", "centres"], advanced: true,
  }),
];

/** The kernel's side and the model's side of one widget. */
export class FakeKernel {
  constructor({ nx = 3000, ny = 2000, hostile = false, base64 = false } = {}) {
    this.field = new StarField(nx, ny);
    this.sent = [];
    this.held = [];
    this.hold = false;
    this.base64 = base64;
    this.strange = hostile;
    this.auto = false;
    this.exists = new Set();
    this.rev = 0;
    this.planes = { image: 1 };
    this.result = null;
    this.busy = "";
    this.sources = null;
    this.form = FORM;
    this._listeners = [];
    this.saves = 0;
    this.state = {
      strength: 1, view: [], stretch: "asinh", limits_by: "zscale", colours: "grey",
      mode: "side by side", height: 360,
    };
  }

  /** What a host hands to initialize and render: another object each time. */
  proxy() {
    return {
      get: (name) => this.state[name],
      set: (name, value) => this.set(name, value),
      save_changes: () => {
        this.saves += 1;
      },
      on: (name, react) => this._listeners.push([name, react]),
      off: (name, react) => {
        this._listeners = this._listeners.filter(
          ([n, r]) => n !== name || (react && r !== react),
        );
      },
      send: (message) => {
        this.sent.push(structuredClone(message));
        setTimeout(() => this.answer(message), 0);
      },
    };
  }

  get listeners() {
    return this._listeners.length;
  }

  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    this._fire(`change:${name}`);
  }

  of(type) {
    return this.sent.filter((message) => message.type === type);
  }

  post(message, arrays = []) {
    // Views into a larger buffer at an odd place, as hosts hand them out.
    const buffers = arrays.map((array) => {
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      if (this.base64) {
        let text = "";
        for (const byte of bytes) text += String.fromCharCode(byte);
        return btoa(text);
      }
      const room = new Uint8Array(bytes.length + 7);
      room.set(bytes, 3);
      return new DataView(room.buffer, 3, bytes.length);
    });
    const copy = JSON.parse(JSON.stringify(message));
    if (this.base64 && buffers.length) this._fire("msg:custom", { ...copy, base64: buffers }, []);
    else this._fire("msg:custom", copy, buffers);
  }

  answer(message) {
    const react = this[`on_${message.type}`];
    if (!react) throw new Error(`no answer to ${message.type}`);
    react.call(this, message);
  }

  on_hello() {
    this.scene();
    if (this.sources) this.postSources();
  }

  scene(more = {}) {
    const { field } = this;
    this.rev += 1;
    const [n, m] = [17, 17];
    const grid = new Float64Array(n * m * 3);
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < m; j += 1) {
        const x = (j * (field.nx - 1)) / (m - 1);
        const y = (i * (field.ny - 1)) / (n - 1);
        const { ra, dec } = this.world(x, y);
        const [a, d] = [(ra * Math.PI) / 180, (dec * Math.PI) / 180];
        const at = (i * m + j) * 3;
        grid.set([Math.cos(d) * Math.cos(a), Math.cos(d) * Math.sin(a), Math.sin(d)], at);
      }
    }
    const title = this.strange ? "<img src=x onerror=window.hacked=1><b>M2</b>" : "M2, r band";
    const level = this.result ? LEVEL : 0;
    const both = (low, high) => ({ image: [low, high], cleaned: [low - level, high - level] });
    this.post({
      type: "scene", rev: this.rev, name: "frame-r-002583-2-0136.fits", title, ny: field.ny,
      nx: field.nx, unit: "nanomaggy", tile: TILE, levels: field.levels,
      planes: this.planes, words: this.words || ["Original", "Cleaned", "Residual"],
      slider: this.slider || { label: "Strength", about: "Share of the noise", of_left: false },
      has_strength: Boolean(this.result) && this.planes.noise !== undefined,
      hint: "Press Run to clean the image,\nor Preview to clean what is in view.",
      limits: {
        zscale: both(985, 1220), percentile: both(980, 1900), minmax: both(950, 20000),
      },
      residual: 4 * SIGMA, sigma: SIGMA, sky: { n, m },
      compass: { north: [0.26, 0.966], east: [-0.966, 0.26], pixel_scale: 0.396 },
      stack: this.stack || null,
      methods: [
        { name: "bgrem", label: "BGRem (learned)" },
        { name: "mesh", label: "Mesh sky (classical)" },
      ],
      method: "bgrem", model: "optical", can_record: true,
      models: [{ name: "optical", summary: "" }, { name: "optical-paper", summary: "" }],
      form: this.form, find_form: FIND_FORM, result: this.result,
      notices: this.strange ? ["<script>window.hacked=2</script>"] : this.notices || [],
      busy: this.busy, device: "CPU, 8 threads", scale_text: "sigma 12.3 e-, FWHM 3.4 pix",
      formats: [".ecsv", ".csv", ".fits", ".vot", ".reg"], folder: "/data/night-3",
      save_name: "BGRem_frame-r.fits", export_name: "frame-r.ecsv", ...more,
    }, [grid]);
  }

  world(x, y) {
    const scale = 0.396 / 3600;
    const [u, v] = [x - this.field.nx / 2, y - this.field.ny / 2];
    const [east, north] = [-0.966 * u + 0.26 * v, 0.26 * u + 0.966 * v];
    const dec = -0.82 + north * scale;
    return { ra: 323.36 + (east * scale) / Math.cos((dec * Math.PI) / 180), dec };
  }

  on_want({ tiles }) {
    if (this.hold) {
      this.held = tiles;
      return;
    }
    this.postTiles(tiles);
  }

  postTiles(tiles) {
    const heads = [];
    const arrays = [];
    for (const [plane, , level, i, j] of tiles) {
      if (this.planes[plane] === undefined) continue;
      const { ny, nx, values } = this.field.tile(plane, level, i, j);
      heads.push({ plane, rev: this.planes[plane], level, i, j, ny, nx });
      arrays.push(values);
    }
    this.post({ type: "tiles", tiles: heads }, arrays);
  }

  release() {
    this.hold = false;
    this.postTiles(this.held);
    this.held = [];
  }

  on_run() {
    this.busy = "run";
    this.field.planes.live.fill(NaN);
    this.field.forget("live");
    this.planes = { image: 1, live: 10 };
    this.done = 0;
    this.result = null;
    this.scene();
    this.post({ type: "progress", busy: "run", text: "Tile 0 of 6, about 40 s left", share: 0 });
    if (this.auto) this.advance();
  }

  /** One more block of a run; gives the block. */
  advance() {
    const { field } = this;
    const [wide, high] = [Math.ceil(field.nx / 3), Math.ceil(field.ny / 2)];
    const [row, column] = [Math.floor(this.done / 3), this.done % 3];
    const block = [
      row * high, Math.min(field.ny, (row + 1) * high),
      column * wide, Math.min(field.nx, (column + 1) * wide),
    ];
    this.fill(block);
    this.done += 1;
    const text = `Tile ${this.done} of 6, about ${40 - 6 * this.done} s left`;
    this.post({ type: "progress", busy: "run", text, share: this.done / 6 });
    if (this.auto) setTimeout(() => (this.done < 6 ? this.advance() : this.finish()), 300);
    return block;
  }

  /** New live pixels in a block. */
  fill(block) {
    const { field } = this;
    const { image, noise, live } = field.planes;
    for (let y = block[0]; y < block[1]; y += 1) {
      for (let x = block[2]; x < block[3]; x += 1) {
        const k = y * field.nx + x;
        live[k] = image[k] - noise[k];
      }
    }
    field.forget("live");
    this.planes = { ...this.planes, live: this.planes.live + 1 };
    this.post({ type: "fresh", plane: "live", rev: this.planes.live, block });
  }

  finish(kind = "run") {
    this.busy = "";
    this.planes = { image: 1, noise: 20 + this.rev, rest: 20 + this.rev };
    const text = "Cleaned in 41 s: BGRem (learned), optical, 8 steps";
    this.result = { kind, text };
    this.scene();
  }

  on_preview({ block }) {
    const { field } = this;
    const { rest, noise } = field.planes;
    const [keepRest, keepNoise] = [rest.slice(), noise.slice()];
    for (let y = 0; y < field.ny; y += 1) {
      for (let x = 0; x < field.nx; x += 1) {
        const inside = y >= block[0] && y < block[1] && x >= block[2] && x < block[3];
        if (!inside) rest[y * field.nx + x] = noise[y * field.nx + x] = NaN;
      }
    }
    field.forget("rest");
    field.forget("noise");
    this.restore = () => {
      rest.set(keepRest);
      noise.set(keepNoise);
      field.forget("rest");
      field.forget("noise");
    };
    this.finish("preview");
  }

  on_cancel() {
    this.busy = "";
    this.planes = { image: 1 };
    this.scene();
    this.post({ type: "said", text: "Cancelled" });
  }

  on_click({ x, y }) {
    this.seen(x, y, null);
  }

  on_select({ row }) {
    const { x, y } = this.field.sources[row];
    this.post({ type: "selected", row });
    this.seen(x, y, row);
  }

  seen(x, y, row) {
    const radii = Array.from({ length: 18 }, (_, k) => 1 + k);
    const bell = radii.map((r) => 420 * Math.exp((-r * r) / 14));
    const sums = radii.map((r) => 7000 * (1 - Math.exp((-r * r) / 14)));
    const { ra, dec } = this.world(x, y);
    this.post({
      type: "seen", x, y, row, found: true, snr: 84.2, radius: 4.6, ring: [15, 22.5],
      rows: [
        ["Position", `x ${x.toFixed(2)}, y ${y.toFixed(2)} pix`],
        ["RA, Dec", `${ra.toFixed(6)}, ${dec.toFixed(6)} deg`],
        ["Flux", "(7.03 ± 0.08) × 10³ nanomaggy", "total flux of a point source"],
        ["S/N", "84.2"], ["Flux in cleaned", "6.98e+03 nanomaggy"],
        ["Flux in residual", "49 nanomaggy"], ["FWHM", "3.41 pix"],
        ["Aperture", "radius 4.6 pix"], ["Sky ring", "15.0 to 22.5 pix"],
        ["Flags", this.strange ? "<i>none</i>" : "none"],
      ],
      unit: "nanomaggy", radii,
      profile: {
        original: bell, cleaned: bell.map((v) => 0.99 * v), residual: bell.map((v) => 0.01 * v),
      },
      growth: {
        original: sums, cleaned: sums.map((v) => 0.993 * v),
        residual: sums.map((v, k) => (k === 3 ? null : 0.007 * v)),
      },
    });
  }

  on_goto({ text }) {
    const [x, y] = text.split(/[\s,]+/).map(Number);
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      this.post({
        type: "banner", kind: "error", text: `'${text}' is no position`, hint: "use x, y or RA Dec",
      });
      return;
    }
    this.seen(x, y, null);
    this.post({ type: "center", x, y });
  }

  on_find() {
    const { sources } = this.field;
    this.sources = sources.filter(({ peak }) => peak > 60);
    this.postSources();
    this.post({ type: "said", text: `${this.sources.length} sources found` });
  }

  postSources({ judged = false } = {}) {
    const list = this.sources;
    const floats = (pick) => Float32Array.from(list, pick);
    const rows = list.map(({ peak }, k) => `Source ${k + 1}, peak ${peak.toFixed(0)}`);
    const kinds = Uint8Array.from(list, (_, k) => (judged ? 1 + (k % 3) : 0));
    this.post(
      { type: "sources", n: list.length, rows },
      [floats((s) => s.x), floats((s) => s.y), floats((s) => s.r), kinds],
    );
  }

  on_check({ name }) {
    const x = Array.from({ length: 61 }, (_, k) => (k - 30) / 6);
    const bell = x.map((v) => Math.exp((-v * v) / 2));
    const plots = {
      blank_sky: [{
        title: "Blank sky", x_label: "sigma of the noise", y_label: "pixels", zero: true,
        mark: 0, names: null, curves: [
          { name: "Original", x, y: bell.map((v) => 5e4 * v), points: false, role: "original" },
          { name: "Cleaned", x, y: x.map((v) => 1.6e5 * Math.exp(-v * v * 4)), points: false,
            role: "cleaned" },
          { name: "Gaussian", x, y: bell.map((v) => 4.9e4 * v), points: false, role: "other" },
        ],
      }],
      residual: [{
        title: "Mean residual at sources", unit: "share of the flux",
        image: {
          ny: 21, nx: 21, limit: 0.02,
          values: Array.from({ length: 441 }, (_, k) => 0.02 * Math.sin(k / 7)),
        },
      }, {
        title: "Correlation of neighbours", x_label: "distance (pix)", y_label: "correlation",
        zero: true, mark: null, names: null, curves: [{
          name: "along x", x: [1, 2, 3, 4], y: [0.02, 0.01, 0, -0.01], points: true,
          low: [0.01, 0, -0.01, -0.02], high: [0.03, 0.02, 0.01, 0], role: "cleaned",
        }],
      }],
      faint_flux: [{
        title: "Flux, cleaned over input", x_label: "S/N", y_label: "ratio", zero: false,
        mark: null, names: ["3-5", "5-10", "10-20", "20-50", "> 50"], curves: [{
          name: "cleaned", x: [0, 1, 2, 3, 4], y: [0.71, 0.83, 0.93, 0.98, 0.995], points: true,
          low: [0.64, 0.79, 0.91, 0.97, 0.99], high: [0.78, 0.87, 0.95, 0.99, 1], role: "cleaned",
        }, {
          name: "by choice alone", x: [0, 1, 2, 3, 4], y: [1.05, 1.02, 1, 1, 1], points: true,
          role: "other",
        }],
      }],
    };
    this.post({
      type: "check", name, plots: plots[name],
      verdict: "Sources between S/N 3 and 5 keep 71 ± 7 % of their flux in the cleaned image:"
        + " measure them on the original.",
      rows: [["Sources", "812"], ["Ratio, S/N 3-5", "0.71 ± 0.07"], ["Ratio, S/N > 50", "0.995"]],
    });
  }

  on_steps({ x, y }) {
    const [n, side] = [6, 96];
    const x0 = Math.max(0, Math.round(x) - side / 2);
    const y0 = Math.max(0, Math.round(y) - side / 2);
    const { image, noise } = this.field.planes;
    const cut = (act) => {
      const out = new Float32Array(side * side);
      for (let r = 0; r < side; r += 1) {
        for (let c = 0; c < side; c += 1) {
          const k = Math.min(this.field.ny - 1, y0 + r) * this.field.nx
            + Math.min(this.field.nx - 1, x0 + c);
          out[r * side + c] = act(image[k], noise[k]);
        }
      }
      return out;
    };
    const images = Array.from({ length: n + 1 }, (_, k) => cut((i, e) => i - LEVEL - (k / n) * e));
    const noises = Array.from({ length: n }, (_, k) => cut((i, e) => e * (0.8 + 0.2 * (k / n))));
    const at = Array.from({ length: n + 1 }, (_, k) => k);
    this.post({
      type: "steps", n, ny: side, nx: side, x0, y0, labels: at.map((k) => `Step ${k} of ${n}`),
      sigmas: at.map((k) => 1 - k / n), limits: [-24, 240], sigma: SIGMA,
      captions: at.map((k) => (k === 0
        ? "The image as it came: sources, and noise of sigma 1."
        : `The network tells the noise, and ${Math.round((100 * k) / n)} % of it is taken away.`)),
      curves: [{
        title: "Noise that is left", x_label: "step", y_label: "sigma", zero: true, mark: null,
        names: null, curves: [{
          name: "scatter of blank sky", x: at, y: at.map((k) => 1 - (0.95 * k) / n),
          points: false, role: "cleaned",
        }],
      }],
    }, [...images, ...noises]);
  }

  on_estimate() {
    this.scene();
    this.post({ type: "said", text: "Noise: sigma 12.3 e-" });
  }

  on_method() {
    this.scene();
  }

  on_model({ name }) {
    const text = `# ${name}\n\n## Use\nGround-based optical images, 0.2 to 1 arcsec per pixel.`
      + "\n\n## Not for\n- spectra\n- <b>images in magnitudes</b>\n\n## Figures\nCompleteness"
      + " at S/N 5: 0.94 ± 0.02; purity 0.99.";
    this.post({ type: "card", title: `Model ${name}`, text });
  }

  on_plane({ index }) {
    this.stack.index = index;
    this.planes = { image: this.planes.image + 1 };
    this.scene();
  }

  on_save({ path, overwrite }) {
    this._write("save", path, overwrite);
  }

  on_export({ path, overwrite }) {
    this._write("export", path, overwrite);
  }

  _write(what, path, overwrite) {
    if (this.exists.has(path) && !overwrite) {
      const text = `${path} exists. Replace it, or type another name.`;
      this.post({ type: "ask", what, path, text });
      return;
    }
    this.exists.add(path);
    this.post({ type: "said", text: `Saved ${path}` });
  }

  on_python() {
    const text = "import bgrem_core\n\nimage = bgrem_core.open_image('frame.fits')\n"
      + "result = bgrem_core.clean(image, steps=8)\n";
    this.post({ type: "python", text });
  }

  on_close_banner() {}

  _fire(name, ...values) {
    for (const [n, react] of [...this._listeners]) if (n === name) react(...values);
  }
}
