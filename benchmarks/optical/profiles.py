"""Surface brightness of real galaxies before and after the noise was taken off.

An HSC galaxy of low surface brightness (g, r, i) and ESO 085-030 (two exposures of a
small telescope). In rings round the galaxy: the mean of the image, what the model took
out of it, and the error of that mean by the image's own noise. A model that takes noise
and no light takes nothing on average: the profile is kept as deep as that holds within
two errors. Of ESO 085 the other exposure, with noise of its own, is a second judge.

python benchmarks/optical/profiles.py [--models optical optical-paper] [--data FOLDER]
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from cache import RESULTS
from real import DATA
from scipy import ndimage

import bgrem_core
from bgrem_core.errors import BGRemError
from bgrem_core.models import find_card

HSC_ZERO, HSC_PIXEL = 27.0, 0.168  # mag of one count per second, arcsec per pixel
BANDS = "gri"
KEPT = 2.0  # errors


@dataclass(frozen=True, kw_only=True, eq=False)
class Galaxy:
    """A galaxy in a frame, where it is, and another exposure of it."""

    name: str
    image: np.ndarray
    centre: tuple[float, float]  # x, y
    radii: np.ndarray
    other: np.ndarray | None = None
    zero: float | None = None  # mag per square arcsec of one unit per pixel
    sky: tuple[int, int] | None = None  # radii of a ring without the galaxy


def galaxies(folder: Path) -> Iterator[Galaxy]:
    """Yield the galaxies whose data are here."""
    path = folder / "hsc_lsb/lsbg_hsc.fits"
    if path.exists():
        with fits.open(path) as hdus:
            planes = np.asarray(hdus["SCI"].data, np.float32)
        smooth = ndimage.gaussian_filter(planes[:3].sum(0), 6)
        for k, band in enumerate(BANDS):
            yield Galaxy(
                name=f"HSC, {band}",
                image=planes[k],
                centre=_brightest(smooth, 0.3),
                radii=np.array([0, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78]),
                zero=HSC_ZERO + 5 * np.log10(HSC_PIXEL),
            )
    pair = [folder / f"eso085/aligned_eso085-030-{n}.fit" for n in ("004", "005")]
    if all(p.exists() for p in pair):
        first, second = (np.asarray(fits.getdata(p), np.float32) for p in pair)
        # The brightest spot near the middle once stars are gone.
        centre = _brightest(ndimage.median_filter(first, 9), 0.42)
        radii = np.array([0, 3, 6, 9, 12, 16, 20, 25, 30, 36, 43, 51, 60])
        for name, one, two in (("004", first, second), ("005", second, first)):
            yield Galaxy(
                name=f"ESO 085-030, {name}", image=one, centre=centre, radii=radii,
                other=two, sky=(80, 120),
            )  # fmt: skip


def _brightest(image: np.ndarray, edge: float) -> tuple[float, float]:
    """Return x, y of the brightest pixel away from the edges (a share of the side)."""
    ny, nx = image.shape
    rows = slice(int(edge * ny), int((1 - edge) * ny))
    columns = slice(int(edge * nx), int((1 - edge) * nx))
    inner = image[rows, columns]
    y, x = np.unravel_index(np.argmax(inner), inner.shape)
    return float(x + columns.start), float(y + rows.start)


def profile(galaxy: Galaxy, model: str) -> dict[str, Any]:
    """Return the rings of a galaxy with what a model took out of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = bgrem_core.clean(galaxy.image, method="bgrem", model=model)
    joint = find_card(model).objective == "joint"
    taken = np.asarray(result.parts["background" if joint else "noise"][:, :])
    scale = result.scale
    y, x = np.indices(galaxy.image.shape)
    radius = np.hypot(x - galaxy.centre[0], y - galaxy.centre[1])
    # Stars and other galaxies would rule the mean of a ring, not its error.
    bad = np.asarray(result.flags[:, :]) != 0
    # HSC's frames are free of sky already. Joint models take offsets too, as sky.
    sky, level = 0.0, float(np.median(taken)) if joint else 0.0
    if galaxy.sky is not None:
        ring = (radius >= galaxy.sky[0]) & (radius < galaxy.sky[1]) & ~bad
        sky, level = float(np.median(galaxy.image[ring])), float(np.mean(taken[ring]))
    rows = []
    for low, high in pairwise(galaxy.radii):
        ring = (radius >= low) & (radius < high) & ~bad
        sigma = np.asarray(scale.sigma[:, :])[ring]
        light = galaxy.image[ring] - sky
        keep = np.abs(light - np.median(light)) < 5 * np.std(light)
        n = int(keep.sum())
        # Noise of neighbours adds up in a mean.
        grown = 1 + 2 * max(scale.rho, 0.0)
        error = float(np.sqrt(np.mean(sigma[keep] ** 2) / n) * grown)
        brightness = float(np.median(light[keep]))
        row = {
            "radius": [int(low), int(high)],
            "brightness": brightness,
            "brightness_sigma": brightness / float(scale.median_sigma),
            "taken": float(np.mean(taken[ring][keep])) - level,
            "error": error,
        }
        if galaxy.zero is not None and brightness > 0:
            row["mag_per_arcsec2"] = galaxy.zero - 2.5 * np.log10(brightness)
        if galaxy.other is not None:
            other = galaxy.other[ring][keep]
            row["image_less_other"] = float(np.mean(galaxy.image[ring][keep] - other))
            cleaned = galaxy.image[ring][keep] - taken[ring][keep]
            row["cleaned_less_other"] = float(np.mean(cleaned - other))
        rows.append({k: _short(v) for k, v in row.items()})
    return {
        "rings": rows,
        "rho": _short(scale.rho),
        "taken_in_sky": _short(level),
        "kept": _depth(rows),
    }


def _depth(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the faintest ring out to which what was taken is within the errors."""
    good = [abs(r["taken"]) <= KEPT * r["error"] for r in rows]
    last = good.index(False) if False in good else len(rows)
    fields = ("radius", "brightness", "brightness_sigma", "mag_per_arcsec2")
    out = {k: rows[last - 1][k] for k in fields if last and k in rows[last - 1]}
    pulls = [abs(r["taken"]) / r["error"] for r in rows]
    return {**out, "rings_within": f"{sum(good)} of {len(rows)}",
            "worst_in_errors": _short(max(pulls))}  # fmt: skip


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["optical", "optical-paper"])
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    out: dict[str, Any] = {"kept_within_errors": KEPT, "weights": {}, "galaxies": {}}
    for model in args.models:
        try:
            out["weights"][model] = find_card(model).training["tensors"]
        except BGRemError as error:
            print(f"skipped: {model}: {error}")
            continue
        for galaxy in galaxies(args.data):
            got = profile(galaxy, model)
            out["galaxies"].setdefault(galaxy.name, {})[model] = got
            print(galaxy.name, model, json.dumps(got["kept"]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "profiles.json"
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
