"""A page of simulated gamma-ray patches beside the sky they stand for.

Each row is one square of the sky: the published block means of the emission model with
the sources of 4FGL-DR4 (where the data folder is given), then what is simulated there.

python benchmarks/simulate/gamma_page.py [--data FOLDER] [--out FILE]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bgrem_core.display import to_rgba
from bgrem_core.simulate.gamma import (
    GammaPatch,
    GammaSettings,
    draw_counts,
    draw_patch,
    view_diffuse,
)
from bgrem_core.simulate.gamma_sky import ISOTROPIC, Footprint

PLACES = (
    ("Galactic plane", Footprint(l=28.0, b=0.0)),
    ("Orion and Taurus", Footprint(l=190.0, b=-17.0)),
    ("high latitude", Footprint(l=270.0, b=62.0)),
)
SETTINGS = GammaSettings(
    emission=(1, 1), isotropic=(1, 1), psf=0, distorted=0, density=(1, 1), faint_share=0
)
FLUX = 5e-10  # ph / (cm2 s): sources that are ringed
ZOOM, GAP, TOP, LEFT = 4, 10, 66, 128
SIDE = 64
RING = (235, 130, 30)
INK = (20, 20, 20)
PAPER = (255, 255, 255)
HEADS = (
    ("emission model, block means", "+ isotropic; 4FGL-DR4 sources"),
    ("simulated background", "expected"),
    ("simulated sources", "expected; brighter ones ringed"),
    ("background + sources", "expected"),
    ("photons", "drawn"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gamma"))
    parser.add_argument(
        "--out", type=Path, default=Path("docs/images/simulated_gamma.png")
    )
    parser.add_argument("--seed", type=int, default=12)
    args = parser.parse_args()
    step = SIDE * ZOOM + GAP
    size = (LEFT + len(HEADS) * step, TOP + len(PLACES) * step + 34)
    page = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(page)
    for k, (head, line) in enumerate(HEADS):
        pen.text((LEFT + k * step, 18), head, INK, font(16))
        pen.text((LEFT + k * step, 40), line, (110, 110, 110), font(14))
    for row, (name, foot) in enumerate(PLACES):
        rng = np.random.default_rng([args.seed, row])
        patch = draw_patch(rng, SETTINGS, diffuse=view_diffuse(foot, SIDE))
        counts = draw_counts(rng, patch)
        top = TOP + row * step
        limits = limits_of(patch)
        pen.text((8, top + 4), name, INK, font(15))
        where = (f"l = {foot.l:g} deg", f"b = {foot.b:g} deg")
        scale = (f"{limits[0]:.1f} to {limits[1]:.0f}", "counts per pixel")
        for k, text in enumerate((*where, "", *scale)):
            pen.text((8, top + 30 + 19 * k), text, (90, 90, 90), font(13))
        whole = patch.background + patch.source
        faint = (0.0, limits[1] - limits[0])
        panels = [
            (patch.background, limits), (patch.source, faint), (whole, limits),
            (counts, limits),
        ]  # fmt: skip
        real = read_real(args.data, foot, patch.exposure)
        left = [LEFT + k * step for k in range(len(HEADS))]
        if real is not None:
            page.paste(panel(real[0], limits), (left[0], top))
            rings(pen, (left[0], top), *real[1])
        else:
            pen.text((left[0] + 60, top + 120), "data not given", INK, font(14))
        for x, (image, span) in zip(left[1:], panels, strict=True):
            page.paste(panel(image, span), (x, top))
        c = patch.catalogue
        bright = c.flux > FLUX
        rings(pen, (left[2], top), c.x[bright], c.y[bright])
    note = (
        "12.8 deg squares, 0.2 deg pixels, 1-2 GeV FRONT, 10 years; north up, "
        f"longitude rises to the left; square-root scale; rings: above {FLUX:g} "
        "ph / (cm2 s). Sources are drawn, not the real ones."
    )
    pen.text((LEFT, size[1] - 28), note, (110, 110, 110), font(14))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(128).save(args.out, optimize=True)
    print(f"{args.out}: {size[0]} x {size[1]}, {args.out.stat().st_size / 1e3:.0f} kB")


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def limits_of(patch: GammaPatch) -> tuple[float, float]:
    low, high = np.percentile(patch.background, [0.5, 99.5])
    bright = np.percentile(patch.background + patch.source, 99.5)
    return 0.7 * float(low), float(max(high, bright))


def panel(image: np.ndarray, limits: tuple[float, float]) -> Image.Image:
    rgba = to_rgba(image[::-1], limits, "sqrt")[..., :3]
    return Image.fromarray(rgba.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1))


def rings(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], x: np.ndarray, y: np.ndarray
) -> None:
    for px, py in zip(x, y, strict=True):
        cx = corner[0] + (px + 0.5) * ZOOM
        cy = corner[1] + (SIDE - py - 0.5) * ZOOM
        pen.ellipse((cx - 8, cy - 8, cx + 8, cy + 8), outline=RING, width=2)


def read_real(
    folder: Path, foot: Footprint, exposure: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]] | None:
    """Return expected counts of the block means, and places of 4FGL sources."""
    if not folder.exists():
        return None
    from astropy.io import fits

    with fits.open(folder / "gll_iem_v07_blocks.fits") as file:
        energy = file[1].data["Energy"].astype(float)
        near = (energy > 900) & (energy < 2300)
        cube = file[0].data[near].astype(float)
    grid = np.geomspace(1000, 2000, 33)
    spectra = np.log(cube.reshape(len(cube), -1)).T
    known = np.log(energy[near])
    log = np.array([np.interp(np.log(grid), known, v) for v in spectra])
    band = np.trapezoid(np.exp(log) * grid, np.log(grid), axis=1)
    band = band.reshape(cube.shape[1:])
    place = np.arange(SIDE) - (SIDE - 1) / 2
    l, b = foot.coordinates(place[None, :], place[:, None])  # noqa: E741
    column = np.round((179.25 - l) / 1.5).astype(int) % band.shape[1]
    rows = np.round((b + 89.375) / 1.375).astype(int)
    solid = np.radians(foot.pixel) ** 2
    counts = (band[rows, column] + ISOTROPIC) * exposure * solid
    with np.load(folder / "4fgl_dr4_12.npz") as data:
        bright = data["f"] > FLUX
        lon, lat = (data[k][bright].astype(float) for k in ("l", "b"))
    ahead = np.cos(np.radians(lon - foot.l)) * np.cos(np.radians(lat)) * np.cos(
        np.radians(foot.b)
    ) + np.sin(np.radians(lat)) * np.sin(np.radians(foot.b))
    x, y = foot.places(lon, lat)
    middle = (SIDE - 1) / 2
    own = (ahead > 0.9) & (np.abs(x) < middle) & (np.abs(y) < middle)
    return counts, (x[own] + middle, y[own] + middle)


if __name__ == "__main__":
    main()
