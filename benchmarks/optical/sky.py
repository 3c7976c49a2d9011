"""Error of the product's sky on structured frames, and blank sky of the arms."""

from typing import Any

import numpy as np
from arms import Arm
from cache import Cache
from flux import product
from frames import Frame
from images import flat_raw
from scipy import ndimage

SCALES = (64, 256)
BLANK = 0.1  # sigma per pixel of smoothed source light, for the sky
DARK = 0.02  # for the blank sky of a searched image
LEAST = 10_000  # pixels


def error(frame: Frame, method: str, model: str, scale: int) -> list[float]:
    """Give the rms and the mean of (sky - truth) far from sources, in sigma."""
    result = product(frame, method, model, sky_scale=scale)
    blank = (ndimage.gaussian_filter(frame.source, 2) < BLANK) & ~frame.mask
    off = (np.asarray(result.sky) - frame.background)[blank]
    return [float(off.std()), float(off.mean())]


def blank(frame: Frame, arm: Arm | None) -> list[float] | None:
    """Give the rms and the mean of a searched image where there is no light."""
    dark = (ndimage.gaussian_filter(frame.source, 2) < DARK) & ~frame.mask
    if dark.sum() < LEAST:
        return None
    image = arm.prepare(frame).image if arm else flat_raw(frame.image, frame.fwhm)
    return [float(image[dark].std()), float(image[dark].mean())]


def run(
    kinds: dict[str, list[Frame]], methods: dict[str, tuple[str, str]], cache: Cache
) -> dict[str, Any]:
    """Return rms and mean of the sky error by kind, method and sky scale."""
    out: dict[str, Any] = {}
    for kind, frames in kinds.items():
        print(f"sky, {kind}", flush=True)
        for method, (model, digest) in methods.items():
            for scale in SCALES:
                got = [
                    cache.get(
                        ["sky", f.digest, method, digest, scale],
                        lambda f=f, m=method, w=model, s=scale: error(f, m, w, s),
                    )
                    for f in frames
                ]
                out.setdefault(kind, {}).setdefault(method, {})[str(scale)] = [
                    round(float(v), 4) for v in np.mean(got, axis=0)
                ]
    return out


def run_blank(
    kinds: dict[str, list[Frame]], chosen: dict[str, Arm], cache: Cache
) -> dict[str, Any]:
    """Return rms and mean of blank sky: the flat input, and arms in its units."""
    out: dict[str, Any] = {}
    own = {n: a for n, a in chosen.items() if a.model or n == "starlet"}
    for kind, frames in kinds.items():
        for name, arm in {"input": None, **own}.items():
            key = arm.key if arm else ""
            got = [
                cache.get(
                    ["blank", f.digest, "model" if arm and arm.model else name, key],
                    lambda f=f, a=arm: blank(f, a),
                )
                for f in frames
            ]
            got = [g for g in got if g is not None]
            mean = [round(float(v), 4) for v in np.mean(got, axis=0)] if got else None
            out.setdefault(kind, {})[name] = mean
    return out
