// Numbers as people read them: few digits, no surprises, ticks at round values.

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Text of a value with a few significant digits; a dash where there is none. */
export function shortNumber(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  }
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(places, 6));
}

/** Text of a value on an axis of a given step: no digit more than tells values apart. */
export function stepNumber(value, step) {
  if (!(step > 0) || Math.abs(value) >= 1e6 || step < 1e-4) return shortNumber(value, 3);
  const places = Math.max(0, 1 - Math.floor(Math.log10(step) + 1e-9));
  return (value + 0).toFixed(step >= 10 ? 0 : places).replace(/^-(0\.?0*)$/, "$1");
}

/** A short number with its sign, for differences. */
export function signedNumber(value, digits = 3) {
  const text = shortNumber(value, digits);
  return value > 0 ? `+${text}` : text;
}

/** Multiples of 1, 2 or 5 times a power of ten within an axis, and their labels. */
export function chooseTicks(low, high, most) {
  const rough = (high - low) / Math.max(most, 2);
  if (!(Number.isFinite(rough) && rough > 0)) return { values: [], labels: [], factor: "" };
  const decade = 10 ** Math.floor(Math.log10(rough));
  let step = decade;
  let first = 0;
  let last = 0;
  for (const mantissa of [1, 2, 5, 10, 20]) {
    step = mantissa * decade;
    first = Math.ceil(low / step - 1e-9);
    last = Math.floor(high / step + 1e-9);
    if (last - first + 1 <= Math.max(most, 2)) break;
  }
  // Products, not sums: 0.1 + 0.1 + 0.1 is not 0.3.
  const values = [];
  for (let k = first; k <= last; k += 1) values.push(k * step);
  const largest = Math.max(0, ...values.map(Math.abs));
  let power = largest > 0 ? Math.floor(Math.log10(largest) + 1e-9) : 0;
  if (power < 5 && power > -3) power = 0;
  const places = Math.max(0, power - Math.floor(Math.log10(step) + 1e-9));
  const labels = values.map((v) => (v / 10 ** power + 0).toFixed(places));
  return { values, labels, factor: power === 0 ? "" : `10${raised(power)}` };
}

/** Lengths that a scale bar may have: the longest round one that fits. */
export function roundLength(most, steps) {
  let best = steps[0];
  for (const step of steps) if (step <= most) best = step;
  return best;
}

function raised(power) {
  const digits = [...String(Math.abs(power))].map((d) => RAISED[Number(d)]).join("");
  return power < 0 ? `⁻${digits}` : digits;
}

/** What a slider shows of a strength, or the strength of what it shows. */
export function turned(slider, share) {
  // As it was set: 1 - 0.7 would be written with all of its digits.
  return slider.of_left ? Math.round(1e6 * (1 - share)) / 1e6 : share;
}
