"""A page of simulated frames of satellites and what each is made of.

python benchmarks/simulate/satellites_page.py [--out docs/images/...png]
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import Frame, draw_frame

OUT = Path(__file__).parents[2] / "docs" / "images" / "simulated_satellites.png"
SEED = 5
EXPOSURES = (0.3, 1.0, 2.0)
PANELS = {
    "raw": "raw frame",
    "stars": "stars",
    "sky": "sky",
    "pattern": "rows and columns",
    "fixed": "dark, hot, sensitivity",
    "targets": "satellites",
    "noise": "photon and read noise",
}
LOW, HIGH = -2.5, 6.0  # of the white noise, about the median
SIDE, ZOOM, GAP, HEAD, LABEL = 128, 2, 10, 76, 92


def draw(exposure: float, seed: int) -> Frame:
    settings = dataclasses.replace(
        SatelliteSettings(), exposures=(exposure,), targets=4.0, target_peak=(1.5, 5.0)
    )
    return draw_frame(
        np.random.default_rng([seed, int(10 * exposure)]), settings=settings
    )


def panel(image: np.ndarray, white: float) -> Image.Image:
    middle = np.median(image)
    shade = ((image - middle) / white - LOW) / (HIGH - LOW)
    grey = np.round(255 * np.clip(shade, 0, 1)).astype(np.uint8)[::-1]
    return Image.fromarray(grey.repeat(ZOOM, 0).repeat(ZOOM, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    each = SIDE * ZOOM
    width = LABEL + len(PANELS) * (each + GAP) + GAP
    height = HEAD + len(EXPOSURES) * (each + GAP) + GAP
    page = Image.new("L", (width, height), 24)
    pen = ImageDraw.Draw(page)
    large, small = ImageFont.load_default(20), ImageFont.load_default(15)
    pen.text(
        (LABEL, 10),
        f"Simulated frames of {SIDE} x {SIDE} pixels and their parts; more satellites "
        f"than usual. Grey runs from {LOW:g} to {HIGH:g} times the white noise about "
        "the median, in all panels of a row.",
        fill=235,
        font=large,
    )
    for row, seconds in enumerate(EXPOSURES):
        frame = draw(seconds, args.seed)
        top = HEAD + row * (each + GAP)
        lines = (
            f"{seconds:g} s",
            f"trails of\n{frame.exposure.length:.0f} pix",
            f"sky\n{np.median(frame.sky):.0f} e-",
            f"white noise\n{frame.white:.1f} e-",
        )
        pen.text((10, top + 4), lines[0], fill=255, font=large)
        for k, text in enumerate(lines[1:]):
            pen.text((10, top + 40 + 50 * k), text, fill=180, font=small)
        for column, (name, title) in enumerate(PANELS.items()):
            left = LABEL + column * (each + GAP)
            if row == 0:
                pen.text((left, HEAD - 26), title, fill=255, font=small)
            page.paste(panel(getattr(frame, name), frame.white), (left, top))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    page.save(args.out, optimize=True)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
