"""Figure 10: images of other telescopes, never seen in training.

What the paper's figure shows is known to us only as other telescopes, without training
on them. As there: before and after, clipped at zero. Fair: what was taken away, in
sigma of the sky, where a light that is lost would be seen.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from cleaned import is_joint
from given import JOINT, NOISE, Given
from picture import bar, halves, new, nothing, show
from scipy import ndimage

import bgrem_core

DARK, BRIGHT = 0.5, 5.0  # sigma per pixel, smoothed


@dataclass(frozen=True, kw_only=True)
class View:
    """One image, and where it is looked at.

    Attributes
    ----------
    name, path : str
        Telescope, and file within the data.
    whole : tuple of int
        y, x and side of what is cleaned.
    shown : tuple of int
        y, x and side of what is shown, within that.
    """

    name: str
    path: str
    whole: tuple[int, int, int]
    shown: tuple[int, int, int]


VIEWS = (
    View(name="DECam i, one exposure", path="decam_pairs/DEC-OBS04a.mini.fits",
         whole=(0, 0, 256), shown=(40, 40, 180)),
    View(name="CFHTLS g, stack", path="cfhtls/CFHTLS-test_g.fits",
         whole=(0, 0, 440), shown=(60, 130, 220)),
    View(name="SDSS g, by the cluster M 2",
         path="sdss_m2/frame-g-002583-2-0136.fits.bz2",
         whole=(640, 600, 512), shown=(150, 60, 220)),
)  # fmt: skip


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    views, images = [], {}
    for k, view in enumerate(VIEWS[:1] if given.toy else VIEWS):
        path = given.data / view.path
        if not path.is_file():
            continue
        row, shown = _view(view, path, given)
        views.append(row)
        images |= {f"{k} {n}": v for n, v in shown.items()}
    if not views:
        return {"skipped": "no frames of other telescopes here"}, {}
    return {"views": views, "models": list(given.models)}, images


def _view(
    view: View, path: Any, given: Given
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    y, x, side = view.whole
    with fits.open(path) as hdus:
        data = np.asarray(hdus[0].data, np.float32)[y : y + side, x : x + side]
    data = np.ascontiguousarray(data)
    mesh = bgrem_core.clean(data, method="mesh", sky_scale=64)
    sigma = float(mesh.scale.median_sigma)
    flat = np.asarray(mesh.cleaned, np.float32) / sigma
    smooth = ndimage.gaussian_filter(flat, 2)
    y, x, side = view.shown
    cut = (slice(y, y + side), slice(x, x + side))
    row: dict[str, Any] = {"name": view.name, "sigma": sigma, "models": {}}
    shown = {"input": flat[cut]}
    for name, denoise in given.models.items():
        result = bgrem_core.clean(data, model=denoise.name, sky_scale=64)
        clean = np.asarray(result.cleaned, np.float32) / sigma
        if is_joint(denoise):
            taken = flat - clean  # beyond the sky that a mesh sees
        else:
            taken = np.asarray(result.noise, np.float32) / sigma
        row["models"][name] = _numbers(taken, smooth, flat, float(result.scale.rho))
        shown |= {f"{name} cleaned": clean[cut], f"{name} taken": taken[cut]}
    return row, {n: np.asarray(v, np.float32) for n, v in shown.items()}


def _numbers(
    taken: np.ndarray, smooth: np.ndarray, flat: np.ndarray, rho: float
) -> dict[str, float]:
    dark, bright = smooth < DARK, smooth > BRIGHT
    light = float(flat[bright].sum())
    return {
        "dark rms": round(float(taken[dark].std()), 4),
        "light taken": round(100 * float(taken[bright].sum()) / light, 3),
        "rho": round(rho, 3),
    }


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:
    views = result["views"]
    figure = new(1.2 + 2.9 * len(views))
    left, right = halves(
        figure, "Figure 10  Other telescopes (content known to us in outline)"
    )
    before = left.subplots(len(views), 2, squeeze=False)
    after = right.subplots(len(views), 2, squeeze=False)
    taken = None
    for k, view in enumerate(views):
        shown = show(before[k, 0], images[f"{k} input"], low=-2, high=10,
                     title=f"{view['name']}: input")  # fmt: skip
        _cleaned(before[k, 1], images, f"{k} {JOINT}", clipped=True)
        _cleaned(after[k, 0], images, f"{k} {NOISE}", clipped=False)
        key = f"{k} {NOISE} taken"
        if key not in images:
            nothing(after[k, 1], "no weights")
            continue
        row = view["models"][NOISE]
        words = (
            f"taken: rms {row['dark rms']:.2f} on dark sky,\n"
            f"{row['light taken']:.1f} % of the bright light"
        )
        taken = show(after[k, 1], images[key], low=-4, high=4, signed=True,
                     title=words)  # fmt: skip
    bar(left, shown, list(before.flat), "sigma of the sky (all in grey)")
    if taken is not None:
        bar(right, taken, list(after.flat), "sigma of the sky (taken)")
    return figure


def _cleaned(
    axis: Any, images: dict[str, np.ndarray], key: str, *, clipped: bool
) -> None:
    if f"{key} cleaned" not in images:
        nothing(axis, "no weights")
        return
    image = images[f"{key} cleaned"]
    name = key.split(" ", 1)[1]
    title = f"{name}, clipped at 0" if clipped else f"{name}, sky of 64 pixels off"
    image = np.maximum(image, 0) if clipped else image
    show(axis, image, low=-2, high=10, title=title)
