"""The original's network in Keras, rebuilt from its description, and its times.

For an interpreter of its own, with numpy, keras and tensorflow; engines.py starts it
with a folder that holds weights.npz (the arrays of our attention network, mirrored) and
question.npz (tiles, noise level), and then asks for single runs on its standard input.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import tensorflow as tf

SLOPE = 0.2


def build(w, side):
    """Build the network from arrays named as in torch, for tiles of one size."""
    image, variance = keras.Input((side, side, 1)), keras.Input((1, 1, 1))
    told = keras.layers.Lambda(lambda v: _sinusoids(v, w["frequency"]))(variance)
    told = keras.layers.UpSampling2D(side)(told)
    h = keras.layers.Concatenate()([_conv(w, "embed", image), told])
    depth = sum(name.startswith("up.") for name in w) // 2
    skips = []
    for k in range(depth + 1):
        if k:
            skips.append(h)
            h = keras.layers.MaxPooling2D()(h)
        h = _pair(w, f"encoder.{k}", h)
    for k in reversed(range(depth)):
        h = _up(w, f"up.{k}", h)
        skip = skips[k]
        if f"gate.{k}.psi.weight" in w:
            skip = _gate(w, f"gate.{k}", skip, h)
        h = _pair(w, f"decoder.{k}", keras.layers.Concatenate()([h, skip]))
    return keras.Model([image, variance], _conv(w, "out", h))


def _sinusoids(variance, frequency):
    angle = np.float32(2 * np.pi) * variance * frequency
    return keras.ops.concatenate([keras.ops.sin(angle), keras.ops.cos(angle)], axis=-1)


def _conv(w, name, h):
    kernel = w[f"{name}.weight"].transpose(2, 3, 1, 0)
    if kernel.shape[0] > 1:
        pad = [[0, 0], [1, 1], [1, 1], [0, 0]]
        h = keras.layers.Lambda(lambda t: tf.pad(t, pad, "SYMMETRIC"))(h)
    layer = keras.layers.Conv2D(kernel.shape[3], kernel.shape[0])
    out = layer(h)
    layer.set_weights([kernel, w[f"{name}.bias"]])
    return out


def _pair(w, name, h):
    for each in ("first", "second"):
        h = _conv(w, f"{name}.{each}", h)
        h = keras.layers.LeakyReLU(negative_slope=SLOPE)(h)
    return h


def _up(w, name, h):
    kernel = w[f"{name}.weight"].transpose(2, 3, 1, 0)
    layer = keras.layers.Conv2DTranspose(kernel.shape[2], 3, strides=2, padding="same")
    out = layer(h)
    layer.set_weights([kernel, w[f"{name}.bias"]])
    return out


def _gate(w, name, skip, deep):
    joint = [_normed(w, f"{name}.skip", skip), _normed(w, f"{name}.deep", deep)]
    joint = keras.layers.ReLU()(keras.layers.Add()(joint))
    share = keras.layers.Activation("sigmoid")(_conv(w, f"{name}.psi", joint))
    return keras.layers.Multiply()([skip, share])


def _normed(w, name, h):
    h = _conv(w, f"{name}.0", h)
    layer = keras.layers.BatchNormalization(epsilon=1e-5)
    out = layer(h)
    parts = ("weight", "bias", "running_mean", "running_var")
    layer.set_weights([w[f"{name}.1.{part}"] for part in parts])
    return out


def main():
    folder = Path(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with (
        np.load(folder / "weights.npz") as weights,
        np.load(folder / "question.npz") as question,
    ):
        model = build(dict(weights), question["tiles"].shape[1])
        tiles = tf.constant(question["tiles"])
        variance = tf.fill((len(tiles), 1, 1, 1), question["level"] ** 2)
    calls = {
        "eager": lambda: model([tiles, variance], training=False),
        "compiled": tf.function(lambda: model([tiles, variance], training=False)),
    }
    np.save(folder / "answer.npy", calls["eager"]().numpy())
    calls["compiled"]()
    said = {"keras": keras.__version__, "tensorflow": tf.__version__}
    print(json.dumps({**said, "parameters": model.count_params()}), flush=True)
    for line in sys.stdin:
        start = time.process_time()
        calls[line.strip()]().numpy()
        print(json.dumps(time.process_time() - start), flush=True)


if __name__ == "__main__":
    main()
