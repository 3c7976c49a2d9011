// Sky: positions on the sky from a coarse grid of unit vectors, without the kernel.

/** Unit vectors at n rows x m columns, evenly from the first to the last pixel. */
export class SkyGrid {
  constructor(values, n, m, shape) {
    Object.assign(this, { values, n, m, shape });
  }

  /** {ra, dec} in degrees, or null where the grid knows nothing. */
  at(x, y) {
    const [j, u] = cell(x, this.shape.nx, this.m);
    const [i, v] = cell(y, this.shape.ny, this.n);
    const mix = [0, 1, 2].map((c) => {
      const corner = (row, column) => this.values[(row * this.m + column) * 3 + c];
      const low = corner(i, j) * (1 - u) + corner(i, j + 1) * u;
      const high = corner(i + 1, j) * (1 - u) + corner(i + 1, j + 1) * u;
      return low * (1 - v) + high * v;
    });
    const length = Math.hypot(...mix);
    if (!(length > 0)) return null;
    const ra = (Math.atan2(mix[1], mix[0]) * 180) / Math.PI;
    return { ra: (ra + 360) % 360, dec: (Math.asin(mix[2] / length) * 180) / Math.PI };
  }
}

/** "10:00:23.34 +02:12:00.4": 59.99 never becomes 60.0. */
export function sexagesimal(ra, dec, digits = 1) {
  const hours = parts(((ra / 15) % 24 + 24) % 24, digits + 1, 24);
  return `${hours} ${dec < 0 ? "-" : "+"}${parts(Math.abs(dec), digits, 0)}`;
}

function parts(value, digits, wrap) {
  const unit = 10 ** digits;
  let total = Math.round(value * 3600 * unit);
  if (wrap) total %= wrap * 3600 * unit;
  const whole = Math.floor(total / unit);
  const fraction = String(total - whole * unit).padStart(digits, "0");
  const pad = (n) => String(n).padStart(2, "0");
  const text = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map(pad);
  return text.join(":") + (digits ? `.${fraction}` : "");
}

function cell(at, pixels, nodes) {
  const place = pixels > 1 ? (at / (pixels - 1)) * (nodes - 1) : 0;
  // Beyond the edge the last cell goes on; its far node is always there.
  const index = Math.min(Math.max(nodes - 2, 0), Math.max(0, Math.floor(place)));
  return [index, place - index];
}
