"""Fixtures of the plugin's tests."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

sys.path.insert(0, str(Path(__file__).parent))  # modules that tests share

MANIFEST = Path(__file__).parents[2] / "src" / "napari_bgrem" / "napari.yaml"


@pytest.fixture
def plugin(npe2pm):
    """Register our plugin, and no other, whether it is installed or not."""
    with npe2pm.tmp_plugin(manifest=str(MANIFEST)) as found:
        yield found


@pytest.fixture
def viewer(plugin):
    """Give a viewer without a window that knows our plugin."""
    return ViewerModel()


@pytest.fixture
def told():
    """Give a function that returns the texts of the notifications of a test."""
    notification_manager.records.clear()

    def texts(severity=None):
        return [
            record.message
            for record in notification_manager.records
            if severity in (None, str(record.severity))
        ]

    return texts


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
        fits.HDUList(list(hdus)).writeto(path, **options)
        return path

    return write
