"""A page of full optical fields beside real frames.

The samples that ship and fields of the same kind, in units of the sky noise and on one
grey scale; below them what the plain simulator does not have.

python benchmarks/simulate/survey_page.py [--out docs/images/...png]
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import bgrem_core
from bgrem_core import samples
from bgrem_core.simulate import KINDS, draw_noise, draw_sky
from bgrem_core.simulate.survey import LABELS, Field, SurveySettings, draw_field

OUT = Path(__file__).parents[2] / "docs" / "images" / "simulated_survey.png"
SIDE, ZOOM, GAP, HEAD = 240, 2, 12, 34
LOW, HIGH = -3.0, 15.0  # sigma
REAL = {
    "decam_r": "real: DECam r, one exposure",
    "decam_i": "real: DECam i, one exposure",
    "cfhtls_g": "real: CFHTLS g, stack",
}
# FWHM, sources per Mpix, electrons, correlation of what stands below each.
LIKE = ((4.0, 400.0, 16.0, 0.0), (4.0, 1200.0, 60.0, 0.05), (4.5, 1500.0, 30.0, 0.3))
COLOURS = {
    "saturated": (255, 70, 70),
    "bleed": (255, 170, 60),
    "glare": (70, 90, 200),
    "cosmic ray": (90, 230, 90),
    "hot pixel": (240, 240, 80),
    "streak": (90, 220, 240),
}


def real(name: str) -> np.ndarray:
    image = bgrem_core.open_image(samples.path(name))
    sigma = bgrem_core.clean(image, method="mesh").scale.median_sigma
    data = np.nan_to_num(np.asarray(image.data))
    y, x = (max((n - SIDE) // 2, 0) for n in data.shape)
    cut = data[y : y + SIDE, x : x + SIDE]
    return (cut - np.median(cut)) / sigma


def exposed(field: Field, seed: int, electrons: float, rho: float) -> np.ndarray:
    rng = np.random.default_rng([seed, 1])
    shape = field.source.shape
    noise = draw_noise(rng, field.source, sigma_e=electrons, rho=rho)
    image = field.source + field.artefact + noise
    return image + draw_sky(rng, shape=shape, level=2.0, channels=0.05) - 2.0


def draw(seed: int, side: int = SIDE, **changes: object) -> Field:
    settings = dataclasses.replace(SurveySettings(), **changes)
    return draw_field(
        np.random.default_rng(seed), shape=(side, side), settings=settings
    )


def like(k: int, seed: int) -> np.ndarray:
    fwhm, density, electrons, rho = LIKE[k]
    field = draw(
        seed,
        fwhm=(fwhm, fwhm),
        density=(density, density),
        galaxies=(0.6, 0.6),
        bright=0.0,
        nebula=0.0,
        discs=10.0,
    )
    return exposed(field, seed, electrons, rho)


def crop(image: np.ndarray, x: float, y: float, side: int) -> np.ndarray:
    y0, x0 = (
        int(np.clip(c - side / 2, 0, n - side))
        for c, n in zip((y, x), image.shape, strict=True)
    )
    return image[y0 : y0 + side, x0 : x0 + side]


def grey(sigmas: np.ndarray, high: float = HIGH) -> Image.Image:
    low = np.arcsinh(LOW)
    shade = (np.arcsinh(sigmas) - low) / (np.arcsinh(high) - low)
    levels = np.round(255 * np.clip(shade, 0, 1)).astype(np.uint8)[::-1]
    return enlarged(Image.fromarray(levels).convert("RGB"))


def coloured(labels: np.ndarray) -> Image.Image:
    page = np.full((*labels.shape, 3), 24, np.uint8)
    for name in ("glare", "streak", "bleed", "saturated", "cosmic ray", "hot pixel"):
        page[(labels & LABELS[name]) > 0] = COLOURS[name]
    return enlarged(Image.fromarray(np.ascontiguousarray(page[::-1])))


def enlarged(image: Image.Image) -> Image.Image:
    return image.resize((SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST)


def galaxies(seed: int, kind: str) -> np.ndarray:
    """Sixteen of the brightest galaxies of one kind, each in its own box."""
    field = draw(
        seed, 1024, density=(2500.0, 2500.0), galaxies=(0.9, 0.9), fwhm=(4.0, 4.0),
        snr=(40.0, 4000.0), real=0.6, bright=0.0, nebula=0.0, full_well=(2e4, 2e4),
    )  # fmt: skip
    image, t = exposed(field, seed, 30.0, 0.0), field.truth
    inside = (np.abs(t.x - 512) < 470) & (np.abs(t.y - 512) < 470)
    rows = np.flatnonzero(inside & (t.kind == KINDS.index(kind)) & (t.snr > 150))
    rows = rows[np.argsort(-t.size[rows])][:16]
    boxes = [crop(image, t.x[k], t.y[k], SIDE // 4) for k in rows]
    return np.vstack([np.hstack(boxes[k : k + 4]) for k in range(0, 16, 4)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    panels = [(title, grey(real(name))) for name, title in REAL.items()]
    for k, (fwhm, density, electrons, rho) in enumerate(LIKE):
        text = f"simulated: FWHM {fwhm:g}, {density:g} per Mpix, {electrons:g} e-"
        text += f", correlation {rho:g}" if rho else ""
        panels.append((text, grey(like(k, args.seed + k))))
    star = draw(
        4, 480, density=(250.0, 250.0), fwhm=(4.5, 4.5), full_well=(2e3, 2e3),
        bright=9.0, bleed=1.0, spikes=1.0, ghost=1.0, streaks=9.0, nebula=0.0,
        cosmic_rays=(150.0, 150.0), hot_pixels=(150.0, 150.0),
        halo=(0.02, 0.04), ghost_light=(2e-3, 6e-3), spike_light=(6e-3, 0.02),
    )  # fmt: skip
    wide = exposed(star, 7, 30.0, 0.0)
    t = star.truth
    k = int(np.argmax(t.snr))
    panels += [
        ("simulated: the glare of bright stars (half the scale)", grey(half(wide))),
        ("its labels", coloured(star.labels[::2, ::2])),
        (
            "zoom on the brightest star (to 4000 sigma)",
            grey(crop(wide, t.x[k], t.y[k], 120), 4e3),
        ),
        (
            "simulated: nebula (half the scale)",
            grey(half(nebula()), 8.0),
        ),
        ("simulated: real galaxies (HST/ACS), 16 boxes", grey(galaxies(5, "real"), 60)),
        ("simulated: Sersic galaxies, 16 boxes", grey(galaxies(5, "sersic"), 60)),
    ]
    each = SIDE * ZOOM
    rows = len(panels) // 3
    size = (3 * (each + GAP) + GAP, rows * (each + HEAD) + GAP)
    page = Image.new("RGB", size, (24, 24, 24))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for k, (title, image) in enumerate(panels):
        left, top = GAP + k % 3 * (each + GAP), k // 3 * (each + HEAD)
        pen.text((left, top + 9), title, fill=(235, 235, 235), font=font)
        page.paste(image, (left, top + HEAD))
    # 63 greys, the few colours as they are.
    levels = [v for g in range(0, 249, 4) for v in (g, g, g)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(levels + [v for c in COLOURS.values() for v in c])
    flat = page.quantize(palette=palette, dither=Image.Dither.NONE)
    flat.save(args.out, optimize=True)
    print(f"wrote {args.out.name}, {args.out.stat().st_size / 1000:.0f} kB")


def half(image: np.ndarray) -> np.ndarray:
    ny, nx = (n // 2 for n in image.shape)
    return image.reshape(ny, 2, nx, 2).mean((1, 3))


def nebula() -> np.ndarray:
    field = draw(
        3, 480, density=(300.0, 300.0), fwhm=(4.0, 4.0), nebula=1.0,
        nebula_peak=(3.0, 3.0), bright=0.0,
    )  # fmt: skip
    return exposed(field, 7, 30.0, 0.0)


if __name__ == "__main__":
    main()
