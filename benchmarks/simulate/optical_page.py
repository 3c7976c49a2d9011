"""A page of simulated optical fields beside real frames.

The samples that ship, and fields with the same noise in electrons, PSF width and noise
correlation; all in units of the sky noise, on one grey scale.

python benchmarks/simulate/optical_page.py [--out docs/images/...png]
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import bgrem_core
from bgrem_core import samples
from bgrem_core.simulate import SceneSettings, draw_noise, draw_scene, draw_sky

OUT = Path(__file__).parents[2] / "docs" / "images" / "simulated_optical.png"
REAL = {
    "decam_r": "DECam r, one exposure",
    "decam_i": "DECam i, one exposure",
    "cfhtls_g": "CFHTLS g, stack",
}
# What is drawn below each: FWHM, sources per Mpix, electrons, correlation.
DRAWN = ((4.0, 400.0, 16.0, 0.0), (4.0, 1200.0, 60.0, 0.05), (4.5, 4000.0, 30.0, 0.3))
SIDE, ZOOM, GAP, HEAD = 240, 2, 12, 40
LOW, HIGH = -3.0, 12.0  # sigma


def real(name: str) -> np.ndarray:
    image = bgrem_core.open_image(samples.path(name))
    sigma = bgrem_core.clean(image, method="mesh").scale.median_sigma
    data = np.nan_to_num(np.asarray(image.data))
    y, x = (max((n - SIDE) // 2, 0) for n in data.shape)
    cut = data[y : y + SIDE, x : x + SIDE]
    return (cut - np.median(cut)) / sigma


def drawn(k: int, seed: int) -> np.ndarray:
    fwhm, density, electrons, rho = DRAWN[k]
    settings = dataclasses.replace(
        SceneSettings(), fwhm=(fwhm, fwhm), density=(density, density), discs=20.0
    )
    rng = np.random.default_rng([seed, k])
    shape = (SIDE, SIDE)
    scene = draw_scene(rng, shape=shape, settings=settings)
    sky = draw_sky(rng, shape=shape, level=3.0)
    noise = draw_noise(rng, scene.source, sigma_e=electrons, rho=rho)
    image = scene.source + sky + noise
    return image - np.median(image)


def panel(sigmas: np.ndarray) -> Image.Image:
    shade = (np.arcsinh(sigmas) - np.arcsinh(LOW)) / (
        np.arcsinh(HIGH) - np.arcsinh(LOW)
    )
    grey = np.round(255 * np.clip(shade, 0, 1)).astype(np.uint8)[::-1]
    return Image.fromarray(grey.repeat(ZOOM, 0).repeat(ZOOM, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    each = SIDE * ZOOM
    page = Image.new("L", (3 * (each + GAP) + GAP, 2 * (each + HEAD) + GAP), 24)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for k, (name, title) in enumerate(REAL.items()):
        left = GAP + k * (each + GAP)
        fwhm, density, electrons, rho = DRAWN[k]
        pen.text((left, 10), title, fill=235, font=font)
        page.paste(panel(real(name)), (left, HEAD))
        text = (
            f"simulated: FWHM {fwhm:g} pix, {density:g} per Mpix, sky noise "
            f"{electrons:g} e-, correlation {rho:g}"
        )
        pen.text(
            (left, HEAD + each + 10), text, fill=235, font=ImageFont.load_default(15)
        )
        page.paste(panel(drawn(k, args.seed)), (left, 2 * HEAD + each))
    page.save(args.out, optimize=True)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
