"""Filters, labels and sums on dask arrays are those of arrays in memory."""

import numpy as np
import pytest
from clusters import same, small_field
from scipy import ndimage

import bgrem_core
from bgrem_core.engine import labelled
from bgrem_core.errors import UsageError
from bgrem_core.matched import matched_filter

da = pytest.importorskip("dask.array", reason="the extra 'distributed' is missing")
pytest.importorskip("dask_image", reason="the extra 'distributed' is missing")

OPTIONS = {"method": "mesh", "tile": 100, "sky_scale": 64, "fwhm": 3.7, "gain": 2.0}
THRESHOLD = 6.0


@pytest.fixture(scope="module")
def lazy():
    return bgrem_core.clean(da.from_array(small_field(), 128), **OPTIONS)


@pytest.fixture(scope="module")
def snr(lazy):
    return lazy.significance.compute()


@pytest.fixture(scope="module")
def found(lazy):
    return lazy.labels(THRESHOLD)


@pytest.fixture(scope="module")
def expected():
    options = {k: v for k, v in OPTIONS.items() if k != "tile"}
    whole = bgrem_core.clean(small_field(), **options)
    plane = np.asarray(whole.photometric)
    snr = matched_filter(
        plane, sigma=np.asarray(whole.scale.sigma[:, :]), fwhm=3.7,
        rho_xy=whole.scale.rho_xy, mask=whole.flags != 0,
    )  # fmt: skip
    return plane, snr


def test_the_matched_filter_is_that_of_the_array_in_memory(lazy, snr, expected):
    assert lazy.significance.numblocks == lazy.cleaned.numblocks
    assert min(lazy.significance.numblocks) > 2
    assert snr.dtype == np.float32
    assert np.array_equal(np.isnan(snr), np.isnan(expected[1]))
    assert np.isnan(snr).any()
    off = np.abs(snr - expected[1])
    assert np.nanmax(off) < 1e-5 * np.nanmax(expected[1])


def test_labels_go_on_across_chunks(found, snr):
    labels = found.labels
    got = labels.compute()
    truth, number = ndimage.label(snr >= THRESHOLD, np.ones((3, 3)))
    assert number > 10
    pairs = np.unique(np.stack([got.ravel(), truth.ravel()]), axis=1)
    assert pairs.shape[1] == number + 1  # one to one, and 0 is 0
    assert pairs[:, 0].tolist() == [0, 0]
    borders = np.cumsum(labels.chunks[1])[:-1]
    crossing = [np.any((got[:, b - 1] > 0) & (got[:, b] > 0)) for b in borders]
    assert any(crossing)


def test_sums_centroids_areas_and_peaks_are_those_of_scipy(found, snr, expected):
    table = found.measure()
    truth, number = ndimage.label(snr >= THRESHOLD, np.ones((3, 3)))
    y, x = table["y"].value, table["x"].value
    own = np.array([truth[tuple(p)] for p in np.rint(np.stack([y, x], 1)).astype(int)])
    assert sorted(own) == list(range(1, number + 1))
    plane = np.asarray(found.plane)
    centre = np.array(ndimage.center_of_mass(snr, truth, own))
    assert np.allclose(np.stack([y, x], 1), centre, atol=1e-4)
    assert np.allclose(table["flux"], ndimage.sum_labels(plane, truth, own), rtol=1e-5)
    ones = np.ones(truth.shape)
    assert same(table["npix"], ndimage.sum_labels(ones, truth, own))
    assert same(table["peak"], ndimage.maximum(snr, truth, own))
    assert np.allclose(plane, expected[0], equal_nan=True)


def test_nothing_above_the_threshold_is_an_empty_table(lazy):
    assert len(lazy.labels(1e6).measure()) == 0


def test_what_would_not_end_is_refused(lazy, found, monkeypatch):
    monkeypatch.setattr(labelled, "MOST", 3)
    with pytest.raises(UsageError, match="too many to be measured lazily"):
        found.measure()
    with pytest.raises(UsageError, match="is not above the sky"):
        lazy.labels(0)


def test_the_width_of_the_filter_is_that_of_the_frame(lazy):
    assert lazy.fwhm == 3.7
    options = {k: v for k, v in OPTIONS.items() if k != "fwhm"}
    other = bgrem_core.clean(da.from_array(small_field(), 128), **options)
    assert other.fwhm == other.scale.fwhm
