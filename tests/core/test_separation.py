"""Separation: everything adds up, whatever the parts are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bgrem_core.image import Image, MaskBit
from bgrem_core.io.provenance import Provenance
from bgrem_core.normalize import Scale
from bgrem_core.planes import LazyPlane, allocate, constant
from bgrem_core.separation import Separation

SHAPE = (7, 9)
finite = st.floats(-(2.0**99), 2.0**99, width=32)
any_float = finite | st.sampled_from([np.nan, np.inf, -np.inf])
planes = hnp.arrays(np.float32, SHAPE, elements=finite)
images = hnp.arrays(np.float32, SHAPE, elements=any_float)


def separate(data, **parts):
    flags = np.where(np.isfinite(data), 0, MaskBit.NON_FINITE).astype(np.uint8)
    for part in parts.values():
        part[~np.isfinite(data)] = np.nan
    scale = Scale(offset=constant(0, SHAPE), sigma=constant(1, SHAPE), median_sigma=1.0)
    return Separation(
        image=Image(data=data, flags=flags),
        parts=parts,
        flags=flags,
        scale=scale,
        provenance=Provenance(version="0", method="test"),
        photometric=data,
    )


@given(images, planes, planes)
def test_cleaned_and_residual_sum_to_the_image_within_one_ulp(data, sky, noise):
    result = separate(data, sky=sky, noise=noise)
    good = np.isfinite(data)
    cleaned = result.cleaned[good].astype(np.float64)
    residual = result.residual[good].astype(np.float64)
    limit = np.spacing(np.maximum(abs(data[good]), abs(result.residual[good])))
    assert (abs(cleaned + residual - data[good]) <= limit).all()


@given(images)
def test_a_zero_part_changes_no_bit(data):
    result = separate(data, noise=np.zeros(SHAPE, np.float32))
    assert result.cleaned.tobytes() == data.tobytes()


@given(images, planes)
def test_non_finite_pixels_keep_their_bits_and_are_nan_in_the_parts(data, sky):
    result = separate(data, sky=sky)
    bad = ~np.isfinite(data)
    assert result.cleaned[bad].tobytes() == data[bad].tobytes()
    assert np.isnan(result.residual[bad]).all()
    assert np.isfinite(result.cleaned[~bad]).all()


def test_a_part_that_the_method_does_not_have_is_zero():
    result = separate(np.ones(SHAPE, np.float32), sky=np.ones(SHAPE, np.float32))
    assert (result.noise == 0).all()
    assert (result.sky == 1).all()


def test_blocks_of_a_result_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    result = separate(
        rng.normal(size=SHAPE).astype("f4"), sky=rng.normal(size=SHAPE).astype("f4")
    )
    block = np.s_[2:5, 3:9]
    np.testing.assert_array_equal(result.cleaned_plane[block], result.cleaned[block])
    np.testing.assert_array_equal(result.residual_plane[block], result.residual[block])


def test_ccddata_carries_the_cleaned_image_its_mask_and_unit():
    data = np.ones(SHAPE, np.float32)
    data[2, 3] = np.nan
    ccd = separate(data, sky=np.full(SHAPE, 0.25, np.float32)).to_ccddata()
    assert ccd.data[0, 0] == pytest.approx(0.75)
    assert ccd.mask[2, 3]
    assert not ccd.mask[0, 0]


def test_big_arrays_live_in_scratch_files_that_have_no_name(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("bgrem_core.planes.IN_MEMORY", 100)
    big = allocate((50, 50))
    big[:] = 3
    assert isinstance(big, np.memmap)
    assert list(tmp_path.iterdir()) == []
    assert big.sum() == 7500


def test_a_lazy_plane_is_evaluated_only_where_it_is_read():
    asked = []

    def evaluate(rows, cols):
        asked.append((rows, cols))
        return np.zeros((rows.stop - rows.start, cols.stop - cols.start))

    LazyPlane((10, 20), evaluate)[2:4, 5:9]
    assert asked == [(slice(2, 4, 1), slice(5, 9, 1))]
