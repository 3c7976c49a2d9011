"""Our reader for FITS files: offered, and stored when it is asked for, never before."""

import numpy as np
import pytest
from napari.layers import Image
from napari.plugins.utils import get_preferred_reader
from napari.settings import NapariSettings
from napari.utils.notifications import notification_manager

from napari_bgrem._qt.offer import ReaderOffer
from napari_bgrem.preferences import OURS, fits_reader, read_fits_by_default
from napari_bgrem.reader import ENDINGS


@pytest.fixture
def plugins(monkeypatch):
    """Give napari's settings of plugins, new ones that no file keeps."""
    settings = NapariSettings(config_path=None)
    monkeypatch.setattr("napari.settings.get_settings", lambda: settings)
    monkeypatch.setattr("napari.plugins.utils.get_settings", lambda: settings)
    return settings.plugins


@pytest.fixture
def offer(qtbot, plugins):
    button = ReaderOffer()
    qtbot.addWidget(button)
    return button


def is_offered(offer, source=None):
    offer.look(source)
    return not offer.isHidden()


def turned(tmp_path):
    """Return a layer of a FITS file as napari's own reader gives it."""
    layer = Image(np.zeros((9, 9)))
    layer._set_source(layer.source.model_copy(
        update={"path": str(tmp_path / "in.fits"), "reader_plugin": "napari"}
    ))  # fmt: skip
    return layer


def test_it_is_stored_when_it_is_asked_for_and_then_napari_asks_no_more(
    offer, plugins, tmp_path
):
    plugins.extension2reader = {"*.tif": "other"}
    assert is_offered(offer)
    assert plugins.extension2reader == {"*.tif": "other"}
    assert "Preferences" in offer.accept()
    assert plugins.extension2reader["*.tif"] == "other"
    for ending in ENDINGS:
        assert get_preferred_reader(str(tmp_path / f"frame{ending}")) == OURS
    assert get_preferred_reader(str(tmp_path / "frame.png")) is None
    assert not is_offered(offer)


def test_who_chose_another_reader_is_asked_only_where_it_turned_an_image(
    offer, plugins, tmp_path
):
    plugins.extension2reader = {"*.fits": "napari"}
    assert not is_offered(offer)
    assert not is_offered(offer, Image(np.zeros((9, 9))))
    assert is_offered(offer, turned(tmp_path))
    read_fits_by_default()
    assert not is_offered(offer, turned(tmp_path))


def test_settings_that_cannot_be_read_stop_nobody(offer, monkeypatch):
    def broken():
        raise OSError

    monkeypatch.setattr("napari.settings.get_settings", broken)
    notification_manager.records.clear()
    assert fits_reader() is None
    assert not is_offered(offer)
    assert not notification_manager.records
