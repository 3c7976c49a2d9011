"""Forced and detected fluxes of the product against the noise-free image.

Everything is what a user gets: PSF, noise and sky are measured by the product. The
truth is the same aperture with the same ring of sky on the noise-free image; beside it
the bare sum of that aperture, which the ring's share of unresolved light biases.
"""

from typing import Any

import numpy as np
from cache import Cache
from frames import Frame, is_extended
from scipy.spatial import cKDTree
from score import MATCH, Scorer

import bgrem_core
from bgrem_core.photometry import aperture_sums, frame_psf, measure_arrays

EDGES = (2.0, 3.0, 5.0, 10.0, 30.0, 100.0, np.inf)
NAMES = ("2-3", "3-5", "5-10", "10-30", "30-100", "> 100")
LEAST = 5  # sources in a bin


def product(frame: Frame, method: str, model: str, **settings: Any) -> Any:
    """Run the product on a frame; it is told the gain and nothing else."""
    if method == "bgrem":
        settings["model"] = model
    image = np.asarray(frame.image, "f4")
    return bgrem_core.clean(image, method=method, gain=frame.sigma_e, **settings)


def rows(frame: Frame, method: str, model: str) -> list[list[float]]:
    """Return S/N, ratio to the ring-corrected truth, to the bare one, and detected."""
    result = product(frame, method, model)
    t = frame.truth
    # The truth is masked and cut as it is for detections.
    keep = (t.snr >= EDGES[0]) & ~is_extended(t) & Scorer(frame).inner
    x, y = t.x[keep], t.y[keep]
    shared = {
        "image": result.image, "scale": result.scale, "flags": result.flags,
        "psf": frame_psf(result), "method": "aperture",
    }  # fmt: skip
    ours = measure_arrays(result.photometric, x, y, quiet=result.quiet_plane, **shared)
    true = measure_arrays(frame.source, x, y, **shared).aperture_flux
    bare = aperture_sums(
        frame.source, x, y, ours.setup.radius, flags=np.asarray(result.flags)
    )
    found = bgrem_core.find_sources(result)
    seen = np.zeros(len(x), bool)
    if len(found) and len(x):
        places = np.stack([np.asarray(found[c], float) for c in ("x", "y")], 1)
        near = cKDTree(places).query(np.stack([x, y], 1))[0]
        seen = near < MATCH * frame.fwhm
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.stack(
            [t.snr[keep], ours.aperture_flux / true, ours.aperture_flux / bare, seen], 1
        )
    table = table[np.isfinite(table).all(1) & (true > 0)]
    return np.round(table, 4).tolist()


def binned(table: np.ndarray) -> dict[str, list[Any]]:
    """Return per bin of true S/N: number, median, its error, 68 % half-width."""
    out = {}
    for name, low, high in zip(NAMES, EDGES[:-1], EDGES[1:], strict=True):
        here = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        seen = here[here[:, 3] > 0]
        out[name] = {
            "forced": _summary(here[:, 1]),
            "bare": _summary(here[:, 2]),
            "detected": _summary(seen[:, 1]),
        }
    return out


def _summary(ratio: np.ndarray) -> list[float | int | None]:
    if len(ratio) < LEAST:
        return [len(ratio), None, None, None]
    low, middle, high = np.percentile(ratio, [15.87, 50, 84.13])
    half = (high - low) / 2
    error = 1.2533 * half / np.sqrt(len(ratio))
    return [len(ratio), *(round(float(v), 4) for v in (middle, error, half))]


def run(
    kinds: dict[str, list[Frame]], methods: dict[str, tuple[str, str]], cache: Cache
) -> dict[str, Any]:
    """Measure all kinds; ``methods`` gives a model's name and digest for each."""
    out: dict[str, Any] = {}
    for kind, frames in kinds.items():
        for method, (model, digest) in methods.items():
            print(f"flux, {kind}: {method}", flush=True)
            table = [
                row
                for f in frames
                for row in cache.get(
                    ["flux", f.digest, method, digest],
                    lambda f=f, m=method, w=model: rows(f, m, w),
                )
            ]
            got = binned(np.array(table, float).reshape(-1, 4))
            out.setdefault(kind, {})[method] = got
    return out
