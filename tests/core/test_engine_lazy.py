"""dask arrays give what arrays in memory give, and only when they are computed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clusters import TILED, same, small_field

import bgrem_core
from bgrem_core.errors import ImageError, UsageError

da = pytest.importorskip("dask.array", reason="the extra 'distributed' is missing")

SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def field():
    return small_field()


@pytest.fixture(scope="module")
def whole(field):
    return bgrem_core.clean(field, gain=2.0, **TILED)


@pytest.mark.parametrize("chunks", [(100, 77), (212, 268)])
def test_a_dask_array_gives_the_bits_of_the_whole_frame(field, whole, chunks):
    lazy = bgrem_core.clean(da.from_array(field, chunks), gain=2.0, **TILED)
    assert len(lazy.cleaned.chunks[0]) > 1
    got = lazy.compute()
    assert list(got.parts) == list(whole.parts)
    for name, part in whole.parts.items():
        assert same(got.parts[name], part), name
    assert same(got.cleaned, whole.cleaned)
    assert same(got.photometric, whole.photometric)
    assert same(got.flags, whole.flags)
    assert set(got.extras) == set(whole.extras)
    for name, plane in whole.extras.items():
        assert same(got.extras[name], plane), name
    assert (got.uncertainty is None) == (whole.uncertainty is None)
    if whole.uncertainty is not None:
        assert same(got.uncertainty, whole.uncertainty)
    assert got.provenance == whole.provenance


def test_arrays_computed_alone_agree(field, whole):
    lazy = bgrem_core.clean(da.from_array(field, 128), gain=2.0, **TILED)
    block = lazy.cleaned[90:130, 80:150].compute()
    assert same(block, whole.cleaned[90:130, 80:150])
    assert same(lazy.residual.compute(), whole.residual)


@pytest.mark.parametrize("options", [{}, {"norm": 0.2, "sky_scale": "none"}])
def test_workers_compute_the_same_bits(field, two_workers, options):
    two_workers.wait_for_workers(2, timeout=300)
    options = {**TILED, **options}
    lazy = bgrem_core.clean(da.from_array(field, 128), **options)
    got = two_workers.compute(lazy.cleaned).result(timeout=120)
    assert same(got, bgrem_core.clean(field, **options).cleaned)


def test_the_share_of_the_noise_holds(field):
    options = {**TILED, "strength": 0.5}
    lazy = bgrem_core.clean(da.from_array(field, 128), **options)
    assert same(lazy.cleaned.compute(), bgrem_core.clean(field, **options).cleaned)


def test_the_classical_sky_is_the_same_too(field):
    lazy = bgrem_core.clean(da.from_array(field, 90), method="mesh", tile=100)
    expected = bgrem_core.clean(field, method="mesh")
    got = lazy.compute()
    assert same(got.cleaned, expected.cleaned)
    assert got.provenance.sky == expected.provenance.sky
    assert got.notices == expected.notices[-len(got.notices) :]


def test_only_the_scale_is_measured_at_once(field):
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    array = da.from_array(field, 106).map_blocks(read, meta=field[:0, :0])
    lazy = bgrem_core.clean(array, method="mesh")
    before = len(reads)
    assert before == array.npartitions  # each block once
    assert lazy.scale.median_sigma == pytest.approx(5, rel=0.1)
    lazy.cleaned.compute()
    assert len(reads) > before


def test_sources_are_found_in_what_was_computed(field, whole):
    lazy = bgrem_core.clean(da.from_array(field, 128), gain=2.0, **TILED)
    found = bgrem_core.find_sources(lazy.compute())
    expected = bgrem_core.find_sources(whole)
    assert len(found) == len(expected) > 5
    assert same(found["flux"].value, expected["flux"].value)


def test_a_large_frame_is_measured_on_bands():
    from bgrem_core.engine.measured import measured
    from bgrem_core.image import Image
    from bgrem_core.methods.mesh import MeshSettings

    draw = np.random.default_rng(1)
    y = np.arange(2304, dtype=np.float32)[:, None]
    frame = (0.1 * y + draw.normal(0, 5, (2304, 260))).astype(np.float32)
    nothing = Image(data=frame[:0], flags=np.zeros((0, 260), np.uint8))
    scale = measured(frame, MeshSettings(), known=nothing, most=frame.size // 3)
    assert scale.offset.shape == scale.sigma.shape == frame.shape
    assert scale.median_sigma == pytest.approx(5, rel=0.05)
    level = scale.offset[0:2304, 100:101][:, 0]
    assert abs(level - 0.1 * y[:, 0])[256:-256].max() < 15
    assert any("one band of 256 rows in 3" in n for n in scale.notices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "stars"}, "works on whole frames in memory"),
        ({"method": "nothing"}, "is not known"),
        ({"mask_grow": 2}, "needs the whole frame in memory"),
        ({"error": "rms.fits"}, "known of files only"),
    ],
)
def test_what_needs_the_whole_frame_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        bgrem_core.clean(da.zeros((64, 64), chunks=32), **options)


@pytest.mark.parametrize("shape", [(3, 64, 64), (64,), (8, 64)])
def test_arrays_that_are_no_image_are_refused(shape):
    with pytest.raises(ImageError):
        bgrem_core.clean(da.zeros(shape, chunks=32), method="mesh")


def test_the_core_does_not_load_dask_and_names_the_extra():
    code = f"""
import sys
sys.path.insert(0, {str(SOURCES)!r})
import numpy as np, bgrem_core
bgrem_core.clean(np.random.default_rng(1).normal(size=(64, 64)), method="mesh")
assert not {{"dask", "distributed", "zarr"}} & set(sys.modules)
sys.modules["dask"] = None
from bgrem_core.engine.extra import need
try:
    need("dask.array")
except bgrem_core.BGRemError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 'pip install "napari-bgrem[distributed]"' in done.stdout
