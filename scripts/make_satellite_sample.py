"""Make src/bgrem_core/samples/satellite.fits: a raw frame of which everything is known.

The telescope follows satellites: they are points, the stars are trails. Drawn by
`bgrem_core.simulate.satellites` as the frames that the model `satellites` was trained
on. The table TRUTH behind it says what was put in. An equal seed gives equal numbers.

python scripts/make_satellite_sample.py [--out src/bgrem_core/samples]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits

from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import Frame, draw_frame
from bgrem_core.simulate.trails import Trails, trail
from bgrem_core.systematics.point_fit import kernel_of, phase_noise

NAME = "satellite.fits"
SEED = 5
SIDE = 256
BEGIN = "2026-03-05T01:02:03.000"
BIAS = 100  # electrons
WIDTH = 0.85  # sigma of a satellite, pixels: as wide as the trails
SNR = (80.0, 40.0, 25.0, 18.0, 12.0, 9.0, 7.0, 6.0)
PLACES = (
    (60.3, 70.8), (190.1, 50.4), (118.6, 190.2), (40.7, 190.5),
    (215.2, 150.9), (95.4, 30.1), (170.8, 225.3), (235.5, 205.0),
)  # fmt: skip
SETTINGS = SatelliteSettings(exposures=(1.0,), targets=0, moving=0, cloud=0)


def main() -> None:
    """Draw the frame, write it, say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("src/bgrem_core/samples"))
    path = parser.parse_args().out / NAME
    frame, light, targets = draw()
    raw = np.clip(np.rint(frame.raw + light + BIAS), 0, 2**16 - 1).astype(np.uint16)
    image = fits.PrimaryHDU(raw, header(frame))
    fits.HDUList([image, table(targets)]).writeto(path, overwrite=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {digest}")
    length, angle = frame.exposure.length, frame.exposure.angle
    print(
        f"trails {length:.2f} pix at {angle:.2f} deg, white noise {frame.white:.1f} e-"
    )


def draw() -> tuple[Frame, np.ndarray, Trails]:
    """Return a frame without satellites, their light, and what they are."""
    rng = np.random.default_rng(SEED)
    frame = draw_frame(rng, (SIDE, SIDE), SETTINGS)
    x, y = np.array(PLACES).T
    noise = frame.white * np.sqrt(np.sum(kernel_of(WIDTH) ** 2))
    flux = np.array(SNR) * noise * phase_noise(x, y, WIDTH)
    still = np.zeros(len(x))
    targets = Trails(x=x, y=y, flux=flux, length=still, angle=still)
    light = np.zeros_like(frame.raw)
    trail(light, targets, WIDTH)
    return frame, rng.poisson(light).astype(np.float32), targets


def header(frame: Frame) -> fits.Header:
    """Return the cards of a raw frame."""
    out = fits.Header()
    out["BUNIT"] = "electron"
    out["DATE-OBS"] = (BEGIN, "begin of the exposure")
    out["TIMESYS"] = "UTC"
    out["EXPTIME"] = (frame.exposure.seconds, "[s]")
    out["OBJECT"] = ("simulated frame", "no satellite and no star of the sky")
    out["SIMULATE"] = (True, "simulated by scripts/make_satellite_sample.py")
    out["SIMBIAS"] = (BIAS, "[electron] level of a pixel without light")
    out["SIMSEED"] = (SEED, "seed of everything that was drawn")
    out["SIMANGLE"] = (round(frame.exposure.angle, 3), "[deg] of the trails")
    out["SIMLENGT"] = (round(frame.exposure.length, 3), "[pix] of the trails")
    return out


def table(targets: Trails) -> fits.BinTableHDU:
    """Return what was put in, the brightest satellite first."""
    n = len(targets.x)
    columns = {
        "x": ("E", "pixel", targets.x, "column, 0-based: first pixel is 0"),
        "y": ("E", "pixel", targets.y, "row, 0-based: first pixel is 0"),
        "flux": ("E", "electron", targets.flux, "expected light"),
        "snr": ("E", None, np.array(SNR), "best that a linear filter reaches"),
        "kind": ("10A", None, np.full(n, "satellite"), "population"),
        "size": ("E", "pixel", np.zeros(n), "half-light radius before the PSF"),
    }
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=name, format=code, unit=unit, array=values)
            for name, (code, unit, values, _) in columns.items()
        ],
        name="TRUTH",
    )
    for k, (*_, about) in enumerate(columns.values(), start=1):
        hdu.header[f"TCOMM{k}"] = about
    return hdu


if __name__ == "__main__":
    main()
