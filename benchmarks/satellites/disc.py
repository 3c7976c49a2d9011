"""A network that predicts hidden discs from their surroundings: a map without a target.

python benchmarks/satellites/disc.py [--minutes 6] [--out FILE]

Discs on a lattice are hidden, and the network is trained on raw frames to predict them.
A map takes one call for each offset of the lattice and keeps the centres of the discs
alone: no pixel's own light, nor that of a point on it, can enter its map. run.py
measures it beside the others once it is trained.
"""

import argparse
import os
import sys
import time
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy import ndimage
from torch.nn import functional

from bgrem_core.networks.context import ContextUNet
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import draw_frame
from bgrem_core.zscale import normalise

FILE = Path(__file__).parents[2] / "runs" / "satellite_bench" / "disc.safetensors"
LATTICE, RADIUS = 10, 2.3
"""Distance of the discs and their radius, pixels."""
FILL = 2.0
"""Sigma of the mean that stands in a hidden disc, pixels."""
CONFIG = {"widths": (32, 48, 64), "hidden": 16}
FRAMES, SIDE, BATCH, RATE, SEED = 1200, 128, 16, 2e-3, 20261208


def discs(shape: tuple[int, int], row: int, column: int) -> tuple[np.ndarray, ...]:
    """Return the hidden pixels and their centres for an offset of the lattice."""
    y, x = np.indices(shape)
    y, x = ((v + LATTICE // 2) % LATTICE - LATTICE // 2 for v in (y - row, x - column))
    return np.hypot(y, x) <= RADIUS, (y == 0) & (x == 0)


def hidden(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill hidden pixels of (b, ny, nx) frames by the mean of what is near them."""
    sigma = (0, FILL, FILL)
    seen = np.broadcast_to(~mask, frames.shape).astype(np.float32)
    weight = ndimage.gaussian_filter(seen, sigma)
    near = ndimage.gaussian_filter(frames * seen, sigma) / np.maximum(weight, 1e-6)
    return np.where(mask, near, frames).astype(np.float32)


def predict(network: torch.nn.Module, frames: np.ndarray) -> torch.Tensor:
    """Return what the network says of (b, ny, nx) frames; at time 0 it is told all."""
    x = torch.from_numpy(frames)[:, None]
    out: torch.Tensor = network(x, torch.zeros(len(x)))[:, 0]
    return out


def disc_map(frame: np.ndarray, file: str) -> np.ndarray:
    """Return the map of a raw frame, in its unit."""
    network = _loaded(file)
    x, offset, scale = normalise(frame)
    fill = [(0, -n % network.pooling) for n in x.shape]
    whole = np.pad(x, fill, mode="symmetric")
    out = np.zeros_like(whole)
    for row in range(LATTICE):
        masks = [discs(whole.shape, row, k) for k in range(LATTICE)]
        seen = np.concatenate([hidden(whole[None], mask) for mask, _ in masks])
        with torch.inference_mode():
            said = predict(network, seen).numpy()
        for (_, centre), one in zip(masks, said, strict=True):
            out[centre] = one[centre]
    return offset + scale * out[: x.shape[0], : x.shape[1]].astype(np.float64)


@cache
def _loaded(file: str) -> ContextUNet:
    network = ContextUNet(**CONFIG)
    network.load_state_dict(load_file(file))
    return network.eval()


def train(minutes: float, out: Path) -> None:
    """Train for so long, the drawing of frames not counted, and write the weights."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    shape = (SIDE, SIDE)
    raw = (draw_frame(rng, shape, SatelliteSettings()).raw for _ in range(FRAMES))
    frames = np.stack([normalise(f)[0] for f in raw])
    network = ContextUNet(**CONFIG)
    ease = torch.optim.AdamW(network.parameters(), lr=RATE, betas=(0.9, 0.98))
    begun, step, losses = time.monotonic(), 0, []
    while (part := (time.monotonic() - begun) / (60 * minutes)) < 1:
        ease.param_groups[0]["lr"] = RATE * min(1, step / 100) * (1 - part) ** 0.5
        some = frames[rng.integers(FRAMES, size=BATCH)]
        if rng.random() < 0.5:  # a half turn leaves the direction of the trails
            some = some[:, ::-1, ::-1]
        mask, _ = discs(shape, *rng.integers(LATTICE, size=2))
        said = predict(network, hidden(some, mask))
        where = torch.from_numpy(mask)
        truth = torch.from_numpy(np.ascontiguousarray(some))
        loss = functional.mse_loss(said[:, where], truth[:, where])
        ease.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        ease.step()
        losses.append(float(loss.detach()))
        step += 1
        if step % 100 == 0:
            print(f"step {step}  loss {np.mean(losses[-100:]):.4f}", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_suffix(".new")
    save_file(network.state_dict(), new)
    new.replace(out)
    print(f"{step} steps; {sum(p.numel() for p in network.parameters()):,} parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--out", type=Path, default=FILE)
    o = parser.parse_args()
    train(o.minutes, o.out)
