"""Noise left on bright extended light, with and without the level set aside.

python benchmarks/optical/bright_light.py
"""

import itertools

import numpy as np
from denoiser import Denoiser

from bgrem_core.level import bright_level

SIDE, SIGMA_E = 320, 10.0
STEPS = (0, 1, 5, 15, 25, 60, 150)


def main():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    galaxy = 150 * np.exp(-np.hypot(y - SIDE / 2, x - SIDE / 2) / 25)
    sigma = np.sqrt(1 + galaxy / SIGMA_E)
    z = (galaxy + sigma * rng.normal(size=galaxy.shape)).astype(np.float32)
    model = Denoiser().model
    level = bright_level(z)
    spread = np.sqrt(1 + level / SIGMA_E)
    seen = ((z - level) / spread).astype(np.float32)
    arms = {
        "as it is": z - model.denoise(z, 1.0, sigma_e=SIGMA_E),
        "set aside": z - spread * model.denoise(seen, 1.0, sigma_e=SIGMA_E),
    }
    print("rms of (cleaned - truth) over the noise of the input, by surface brightness")
    for low, high in itertools.pairwise(STEPS):
        here = (galaxy >= low) & (galaxy < high)
        left = {k: np.std(((v - galaxy) / sigma)[here]) for k, v in arms.items()}
        print(f"{low:4d}-{high:<4d} sigma", {k: f"{v:.3f}" for k, v in left.items()})


if __name__ == "__main__":
    main()
