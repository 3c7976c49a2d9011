import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const { SkyGrid, sexagesimal } = await load("sky");
const SHAPE = { nx: 2048, ny: 1489 };
const SCALE = (0.396 * Math.PI) / 180 / 3600;

/** A tangent projection about a pole-near point across RA 0. */
function world(x, y) {
  const [a0, d0] = [(359.9 * Math.PI) / 180, (60 * Math.PI) / 180];
  const u = -(x - 1000) * SCALE;
  const v = (y - 700) * SCALE;
  const east = [-Math.sin(a0), Math.cos(a0), 0];
  const north = [-Math.sin(d0) * Math.cos(a0), -Math.sin(d0) * Math.sin(a0), Math.cos(d0)];
  const to = [Math.cos(d0) * Math.cos(a0), Math.cos(d0) * Math.sin(a0), Math.sin(d0)];
  const sum = to.map((c, k) => c + u * east[k] + v * north[k]);
  const length = Math.hypot(...sum);
  return sum.map((c) => c / length);
}

test("positions between the nodes are right to a thousandth of an arcsecond", () => {
  const values = new Float64Array(17 * 17 * 3);
  for (let i = 0; i < 17; i += 1) {
    for (let j = 0; j < 17; j += 1) {
      const at = world((j * (SHAPE.nx - 1)) / 16, (i * (SHAPE.ny - 1)) / 16);
      values.set(at, (i * 17 + j) * 3);
    }
  }
  const sky = new SkyGrid(values, 17, 17, SHAPE);
  for (const [x, y] of [[0, 0], [3.3, 1200.7], [2047, 1488], [1023.4, 77], [-0.4, 1488.4]]) {
    const { ra, dec } = sky.at(x, y);
    const [a, d] = [(ra * Math.PI) / 180, (dec * Math.PI) / 180];
    const got = [Math.cos(d) * Math.cos(a), Math.cos(d) * Math.sin(a), Math.sin(d)];
    const off = Math.hypot(...got.map((c, k) => c - world(x, y)[k]));
    assert.ok((off * 180 * 3600) / Math.PI < 1e-3, `${x}, ${y}: ${off}`);
    assert.ok(ra >= 0 && ra < 360);
  }
});

test("a grid without numbers knows no position", () => {
  const sky = new SkyGrid(new Float64Array(12).fill(NaN), 2, 2, SHAPE);
  assert.equal(sky.at(5, 5), null);
});

test("positions are written as astronomers do", () => {
  assert.equal(sexagesimal(150.09725, 2.20011111), "10:00:23.34 +02:12:00.4");
  assert.equal(sexagesimal(323.36, -0.82), "21:33:26.40 -00:49:12.0");
});

test("seconds never become 60", () => {
  assert.equal(sexagesimal(359.9999999, -59.99999999), "00:00:00.00 -60:00:00.0");
});
