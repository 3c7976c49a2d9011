// Pixels: what the cleaned image and the residual are, from the planes that were sent.

/** Planes that the panels need, of those that a scene has. */
export function neededPlanes(planes, hasStrength) {
  if (!planes) return [];
  const need = ["image"];
  if (planes.live !== undefined) need.push("live");
  else if (planes.rest !== undefined) {
    need.push("rest");
    if (hasStrength && planes.noise !== undefined) need.push("noise");
  }
  return need.filter((name) => planes[name] !== undefined);
}

/** Is there anything to show beside the original? */
export function hasResult(planes) {
  return Boolean(planes) && (planes.live !== undefined || planes.rest !== undefined);
}

/**
 * Values of one panel's tile, written to `out`; false if they cannot be told yet.
 * `parts` holds the tiles {values, rev} of the planes.
 */
export function compose(panel, parts, strength, out) {
  const image = parts.image && parts.image.values;
  if (!image) return false;
  if (panel === "original") {
    out.set(image);
    return true;
  }
  if (parts.live) {
    const live = parts.live.values;
    if (live.length !== image.length) return false;
    if (panel === "cleaned") out.set(live);
    else for (let k = 0; k < live.length; k += 1) out[k] = image[k] - live[k];
    return true;
  }
  const rest = parts.rest && parts.rest.values;
  if (!rest || rest.length !== image.length) return false;
  const noise = parts.noise && parts.noise.values;
  const taken = (k) => (noise ? strength * noise[k] + rest[k] : rest[k]);
  if (panel === "cleaned") for (let k = 0; k < rest.length; k += 1) out[k] = image[k] - taken(k);
  else for (let k = 0; k < rest.length; k += 1) out[k] = taken(k);
  return true;
}

/** The values of the three panels at one place of their tiles. */
export function valuesAt(parts, strength, k) {
  const image = parts.image ? parts.image.values[k] : NaN;
  if (parts.live) {
    const live = parts.live.values[k];
    return { original: image, cleaned: live, residual: image - live };
  }
  const rest = parts.rest ? parts.rest.values[k] : NaN;
  const residual = parts.noise ? strength * parts.noise.values[k] + rest : rest;
  return { original: image, cleaned: image - residual, residual };
}

/** Bytes of a message, wherever they lie, as numbers of their own. */
export function copyBuffer(source, kind) {
  if (typeof source === "string") return decodeBase64(source, kind);
  const view = source.buffer ? source : new DataView(source);
  const start = view.byteOffset || 0;
  // A copy: offsets need not be aligned.
  return new kind(view.buffer.slice(start, start + view.byteLength));
}

/** All buffers of a message: binary ones, or texts where the host drops those. */
export function buffersOf(message, buffers) {
  if (buffers && buffers.length) return buffers;
  return message.base64 || [];
}

function decodeBase64(text, kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k += 1) bytes[k] = raw.charCodeAt(k);
  return new kind(bytes.buffer);
}
