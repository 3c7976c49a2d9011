"""What a model makes of a frame, what it should have made, and the light in it."""

import functools
from collections.abc import Callable

import numpy as np
import sep
from denoiser import Denoiser
from frames import Frame, is_extended
from images import flatten
from scipy import ndimage
from scipy.spatial import cKDTree

Maker = Callable[[Frame], np.ndarray]
APART = 3.0  # FWHM to the next brighter source, for the flux of single sources


def told(frame: Frame) -> dict[str, float | None]:
    """Return what a network is told of a frame."""
    return {"rho": frame.rho, "sigma_e": frame.sigma_e}


def coarse_sky(image: np.ndarray) -> np.ndarray:
    """Return what `Denoiser` sets aside before it asks its network."""
    return sep.Background(np.ascontiguousarray(image), bw=256, bh=256).back()


def is_joint(denoise: Denoiser) -> bool:
    return denoise.model.card.objective == "joint"


def which(denoise: Denoiser) -> list[str]:
    """Return what names a model in kept results."""
    return [denoise.digest, denoise.model.card.objective]


def filed(denoise: Denoiser) -> list[str]:
    """Return what names a model with its own number of steps."""
    steps = denoise.model.card.steps
    return [*which(denoise), *([f"{steps} steps"] if steps > 1 else [])]


@functools.lru_cache(maxsize=16)
def clean(denoise: Denoiser, frame: Frame, *, steps: int | None = None) -> np.ndarray:
    """Return what the model was asked for: without noise; if joint, without sky too."""
    image = np.asarray(frame.image, np.float32)
    out = denoise(image, steps=steps, **told(frame))
    return out - coarse_sky(image) if is_joint(denoise) else out


def aim(denoise: Denoiser, frame: Frame) -> np.ndarray:
    """Return what `clean` should have given."""
    return frame.source if is_joint(denoise) else frame.source + frame.background


def level(image: np.ndarray) -> np.ndarray:
    """Take the 64-pixel mesh off an image without noise: the same way for all."""
    return flatten(image, blur=0, least=0.3)


@functools.lru_cache(maxsize=8)
def flat(denoise: Denoiser, *, steps: int | None = None) -> Maker:
    """Return the maker of flat cleaned frames; each is made once."""

    @functools.cache
    def make(frame: Frame) -> np.ndarray:
        return level(clean(denoise, frame, steps=steps))

    return make


def given_out(denoise: Denoiser, frame: Frame) -> np.ndarray:
    """Return what a user would search: joint output as it is, the other one flat."""
    return clean(denoise, frame) if is_joint(denoise) else flat(denoise)(frame)


def flat_truth(frame: Frame) -> np.ndarray:
    """Return the flat frame without noise."""
    return level(np.asarray(frame.source + frame.background, np.float32))


def counted(frame: Frame) -> np.ndarray:
    """Return which pixels count."""
    out, edge = ~frame.mask, frame.edge
    out[:edge], out[-edge:], out[:, :edge], out[:, -edge:] = False, False, False, False
    return out


def blank(frame: Frame, limit: float = 0.02) -> np.ndarray:
    """Return the pixels that count and have no light, sigma per pixel."""
    return (ndimage.gaussian_filter(frame.source, 2) < limit) & counted(frame)


def inner_sources(frame: Frame, margin: float) -> np.ndarray:
    """Return which sources have so many counted pixels on all sides."""
    t = frame.truth
    good = ~is_extended(t)
    inside = ndimage.binary_erosion(counted(frame), iterations=max(round(margin), 1))
    ny, nx = inside.shape
    row = np.clip(np.rint(t.y), 0, ny - 1).astype(int)
    col = np.clip(np.rint(t.x), 0, nx - 1).astype(int)
    return good & inside[row, col]


def alone(frame: Frame) -> np.ndarray:
    """Return which sources have no brighter one, nor an equal one, near by."""
    t = frame.truth
    places = np.stack([t.x, t.y], 1)
    near = cKDTree(places).query_ball_point(places, APART * frame.fwhm)
    return np.array(
        [
            all(k == i or t.snr[k] < 0.5 * t.snr[i] for k in n)
            for i, n in enumerate(near)
        ],
        bool,
    )


def circle_sum(
    image: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float
) -> np.ndarray:
    """Return the light in circles."""
    image = np.ascontiguousarray(image, np.float32)
    return sep.sum_circle(image, x, y, radius, subpix=5)[0]


def box_sum(image: np.ndarray, x: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
    """Return the light in boxes of an odd side round the nearest pixels."""
    total = np.pad(np.cumsum(np.cumsum(image, 0, dtype=float), 1), ((1, 0), (1, 0)))
    half = side // 2
    row, col = np.rint(y).astype(int), np.rint(x).astype(int)
    low, high = row - half, row + half + 1
    left, right = col - half, col + half + 1
    return total[high, right] - total[low, right] - total[high, left] + total[low, left]


def spread(values: np.ndarray, least: int = 5) -> list[float | int | None]:
    """Return number, median, its error and the 68 % half-width."""
    values = np.asarray(values, float)
    if len(values) < least:
        return [len(values), None, None, None]
    low, middle, high = np.percentile(values, [15.87, 50, 84.13])
    half = (high - low) / 2
    error = 1.2533 * half / np.sqrt(len(values))
    return [len(values), *(round(float(v), 4) for v in (middle, error, half))]


def mean_error(values: list[float] | np.ndarray) -> list[float | None]:
    """Return the mean over frames and its error; None for the error of one frame."""
    v = np.asarray(values, float)
    error = float(v.std(ddof=1) / len(v) ** 0.5) if len(v) > 1 else None
    return [float(v.mean()), error]
