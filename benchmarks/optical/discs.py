"""Light of faint exponential discs that is kept, against what removes it.

Discs of 10" and 30" at the scale, noise and zero point of a MeerLICHT frame (0.564"
per pixel, 60 s, sigma 16.3 e-, 23.65 mag for one electron per second). The same noise
with and without the disc: the difference is what the disc left.
"""

from typing import Any

import numpy as np
import sep
from cache import Cache
from denoiser import Denoiser
from frames import SEED
from scipy import ndimage

from bgrem_core.simulate import draw_noise

PIXEL, ZERO, SECONDS, SIGMA_E = 0.564, 23.65, 60.0, 16.32
SCALES = (10.0, 30.0)  # arcsec
LEVELS = (23.0, 24.0, 25.0)  # mag per square arcsec in the middle
MESHES = (64, 128, 256)
SIDE = 1024  # four of the largest meshes
REPEATS = 4
INSIDE = 4.0  # scale lengths
FWHM = 4.3


def peak(magnitude: float) -> float:
    """Return a surface brightness in sigma per pixel."""
    electrons = SECONDS * 10 ** (-0.4 * (magnitude - ZERO)) * PIXEL**2
    return electrons / SIGMA_E


def _mesh(image: np.ndarray, size: int) -> np.ndarray:
    image = np.ascontiguousarray(image)
    return image - sep.Background(image, bw=size, bh=size).back()


def kept(
    scale: float, level: float, repeat: int, denoise: Denoiser | None, side: int
) -> dict[str, float]:
    """Return the share of the light inside `INSIDE` scale lengths, percent."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    radius = np.hypot(x, y)
    disc = (peak(level) * np.exp(-radius * PIXEL / scale)).astype(np.float32)
    inside = radius * PIXEL < INSIDE * scale
    rng = np.random.default_rng([SEED, 1000, repeat])
    noise = draw_noise(rng, np.zeros_like(disc), sigma_e=SIGMA_E)
    pair = [noise, noise + disc]
    images: dict[str, list[np.ndarray]] = {}
    if denoise is None:
        images["nothing"] = pair
        images["blur"] = [ndimage.gaussian_filter(p, FWHM / 2.3548) for p in pair]
        images |= {f"raw mesh {m}": [_mesh(p, m) for p in pair] for m in MESHES}
    else:
        clean = [denoise(p, rho=0.0, sigma_e=SIGMA_E) for p in pair]
        images["denoised"] = clean
        for m in MESHES:
            images[f"denoised, mesh {m}"] = [_mesh(p, m) for p in clean]
    light = float(disc[inside].sum())
    return {
        name: 100 * float((b - a)[inside].sum()) / light
        for name, (a, b) in images.items()
    }


def run(
    denoisers: dict[str, Denoiser], cache: Cache, *, toy: bool = False
) -> list[dict[str, Any]]:
    """Return one row for each disc, with the mean and its error for each arm."""
    out = []
    side, repeats = (512, 2) if toy else (SIDE, REPEATS)
    for scale in SCALES[:1] if toy else SCALES:
        for level in LEVELS[1:2] if toy else LEVELS:
            print(f'discs, {scale:g}", {level:g} mag', flush=True)
            row: dict[str, Any] = {
                "scale": scale, "level": level, "pixels": round(scale / PIXEL, 1),
                "peak": round(peak(level), 3), "kept": {},
            }  # fmt: skip
            for name, denoise in {"": None, **denoisers}.items():
                key = denoise.key if denoise else ""
                got = [
                    cache.get(
                        ["disc", SEED, scale, level, k, key, side],
                        lambda k=k, d=denoise, s=scale, v=level: kept(s, v, k, d, side),
                    )
                    for k in range(repeats)
                ]
                for arm in got[0]:
                    label = arm.replace("denoised", name) if denoise else arm
                    values = np.array([g[arm] for g in got])
                    error = values.std(ddof=1) / np.sqrt(repeats)
                    row["kept"][label] = [
                        round(float(values.mean()), 1), round(float(error), 1)
                    ]  # fmt: skip
            out.append(row)
    return out
