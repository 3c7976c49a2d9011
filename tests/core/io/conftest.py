"""Fixtures of the tests of reading and writing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.io.provenance import Provenance
from bgrem_core.normalize import Scale
from bgrem_core.planes import constant
from bgrem_core.separation import Separation

DATA = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.fixture
def shared_data():
    """Give a function from a name to a file of the shared data; skips without it."""

    def find(name):
        path = DATA / name
        if not path.exists():
            pytest.skip("the shared data are not here")
        return path

    return find


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def noise(rng):
    """Give white noise on a level, shape (40, 52), float32."""
    return rng.normal(1000, 12, (40, 52)).astype(np.float32)


@pytest.fixture
def save(tmp_path):
    """Give a function that writes HDUs and returns the path."""

    def write(*hdus, name="in.fits", **options):
        path = tmp_path / name
        first = hdus[0]
        if isinstance(first, np.ndarray):
            hdus = (fits.PrimaryHDU(first), *hdus[1:])
        if not isinstance(hdus[0], fits.PrimaryHDU):
            hdus = (fits.PrimaryHDU(), *hdus)
        fits.HDUList(list(hdus)).writeto(path, overwrite=True, **options)
        return path

    return write


@pytest.fixture
def separate():
    """Give a function that takes a smooth sky and a checkered noise off an image."""

    def run(image, *, method="mesh", extras=None, uncertainty=None, gain=None):
        rows, cols = np.indices(image.shape)
        sky = (100 + rows / 7 + cols / 11).astype(np.float32)
        checks = np.where((rows + cols) % 2, 0.25, -0.25).astype(np.float32)
        bad = ~np.isfinite(image.data)
        sky[bad] = checks[bad] = np.nan
        return Separation(
            image=image,
            parts={"sky": sky, "noise": checks},
            flags=image.flags,
            scale=Scale(
                offset=constant(100, image.shape),
                sigma=constant(1, image.shape),
                median_sigma=1.0,
            ),
            provenance=Provenance(version="9.8.7", method=method, gain=gain),
            photometric=image.data - sky,
            extras=extras or {"rms": constant(1, image.shape)},
            uncertainty=uncertainty,
        )

    return run


@pytest.fixture
def sha():
    def digest(path):
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    return digest
