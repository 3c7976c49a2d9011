import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const p = await load("pixels");
const tile = (...values) => ({ values: Float32Array.from(values), rev: 1 });

test("strength takes away a share of the noise, and all of the rest", () => {
  const parts = { image: tile(100, 50), noise: tile(10, -4), rest: tile(30, 30) };
  const out = new Float32Array(2);
  assert.ok(p.compose("cleaned", parts, 0.5, out));
  assert.deepEqual([...out], [65, 22]);
  assert.ok(p.compose("residual", parts, 0.5, out));
  assert.deepEqual([...out], [35, 28]);
});

test("without a noise plane the residual is the rest", () => {
  const parts = { image: tile(100), rest: tile(30) };
  const out = new Float32Array(1);
  p.compose("cleaned", parts, 0.2, out);
  assert.deepEqual([...out], [70]);
});

test("cleaned and residual make the image again", () => {
  const parts = { image: tile(7, 8), noise: tile(1, 2), rest: tile(3, 1) };
  for (const s of [0, 0.3, 1]) {
    const { original, cleaned, residual } = p.valuesAt(parts, s, 1);
    assert.ok(Math.abs(cleaned + residual - original) < 1e-6);
  }
});

test("a run at work shows what it has done, and NaN elsewhere", () => {
  const parts = { image: tile(10, 20), live: tile(7, NaN) };
  const out = new Float32Array(2);
  p.compose("residual", parts, 1, out);
  assert.equal(out[0], 3);
  assert.ok(Number.isNaN(out[1]));
});

test("nothing is composed of parts that are not there", () => {
  const out = new Float32Array(1);
  assert.ok(!p.compose("cleaned", { image: tile(1) }, 1, out));
  assert.ok(!p.compose("original", {}, 1, out));
});

test("a run at work comes before the result of another", () => {
  assert.deepEqual(p.neededPlanes({ image: 1, rest: 2, noise: 2, live: 3 }, true),
    ["image", "live"]);
  assert.deepEqual(p.neededPlanes({ image: 1, rest: 2, noise: 2 }, true),
    ["image", "rest", "noise"]);
  assert.deepEqual(p.neededPlanes({ image: 1, rest: 2 }, false), ["image", "rest"]);
  assert.deepEqual(p.neededPlanes({}, false), []);
});

test("buffers are copied from any offset", () => {
  const bytes = new Uint8Array(15);
  bytes.set(new Uint8Array(Float32Array.from([1.5, -2]).buffer), 3);
  const got = p.copyBuffer(new DataView(bytes.buffer, 3, 8), Float32Array);
  assert.deepEqual([...got], [1.5, -2]);
  bytes.fill(0);
  assert.deepEqual([...got], [1.5, -2]);
});

test("buffers that a host drops come as text", () => {
  const raw = new Uint8Array(Float32Array.from([0.25]).buffer);
  const text = btoa(String.fromCharCode(...raw));
  const [one] = p.buffersOf({ base64: [text] }, []);
  assert.deepEqual([...p.copyBuffer(one, Float32Array)], [0.25]);
});
