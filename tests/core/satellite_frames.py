"""Raw frames of satellites that tests share, with what was put into them."""

import numpy as np

from bgrem_core.simulate.satellites import SatelliteSettings, draw_frame

WIDTH = 0.5
FWHM = 2.3548200450309493 * WIDTH


def frame(seed, shape=(128, 128), **settings):
    """Draw a frame without satellites and without hot pixels."""
    chosen = {"targets": 0, "hot": 0.0, **settings}
    rng = np.random.default_rng([20, seed])
    return draw_frame(rng, shape, SatelliteSettings(**chosen))


def points(shape, x, y, flux, width=WIDTH):
    """Return the light of round Gaussian points."""
    rows, cols = np.indices(shape)
    out = np.zeros(shape)
    for cx, cy, f in zip(x, y, flux, strict=True):
        r2 = (cols - cx) ** 2 + (rows - cy) ** 2
        out += f * np.exp(-r2 / (2 * width**2)) / (2 * np.pi * width**2)
    return out


def snr_flux(white, snr, width=WIDTH):
    """Return the flux that a fit sees with a signal to noise in white noise."""
    return snr * white * np.sqrt(4 * np.pi) * width
