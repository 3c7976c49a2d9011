"""Stretch and limits of layers."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from bgrem_core.display import COLOUR_MAPS, STRETCHES, to_rgba
from bgrem_core.errors import UsageError
from napari_bgrem.stretch import apply_stretch, colour_map, level_between, set_limits


@pytest.fixture
def sky():
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (300, 400)).astype(np.float32)


@pytest.mark.parametrize("base", COLOUR_MAPS)
@pytest.mark.parametrize("stretch", STRETCHES)
def test_screen_shows_the_colours_of_the_core(base, stretch):
    values = np.linspace(0, 1, 200)
    ours = colour_map(base, stretch).map(values)
    core = to_rgba(values[None], (0, 1), stretch, base)[0] / 255
    # The first step of the log curve is steep; elsewhere the two agree closely.
    np.testing.assert_allclose(ours[2:], core[2:], atol=0.03)


def test_nan_stays_transparent():
    assert colour_map("grey", "asinh").map(np.nan)[0, 3] == 0


def test_stretch_keeps_colours_and_limits(sky):
    grey = Image(sky, colormap=colour_map("grey"), contrast_limits=(-2, 20))
    green = Image(sky, colormap="viridis")
    apply_stretch([grey, green], "asinh")
    apply_stretch([grey, green], "log")
    assert (grey.colormap.name, green.colormap.name) == ("grey (log)", "viridis (log)")
    assert grey.contrast_limits == [-2, 20]
    apply_stretch([green], "linear")
    np.testing.assert_allclose(
        green.colormap.map([0, 0.5, 1]),
        Image(sky, colormap="viridis").colormap.map([0, 0.5, 1]),
        atol=0.01,
    )


def test_unknown_stretch_names_those_that_are_known(sky):
    layer = Image(sky, colormap="gray")
    with pytest.raises(UsageError, match=r"stretch 'cube' .* asinh, log"):
        apply_stretch([layer], "cube")
    assert layer.colormap.name == "gray"


def test_colour_layers_are_left_alone(sky):
    rgb = Image(np.zeros((20, 20, 3), np.uint8), rgb=True)
    apply_stretch([rgb], "asinh")
    set_limits(rgb, "zscale")
    assert rgb.rgb


def test_minmax_spans_all_pixels_of_a_small_image(sky):
    layer = Image(sky)
    set_limits(layer, "minmax")
    assert layer.contrast_limits == pytest.approx([sky.min(), sky.max()])


@pytest.mark.parametrize("how", ["zscale", "percentile"])
def test_one_hot_pixel_does_not_decide_the_limits(sky, how):
    sky[5, 5] = 1e6
    layer = Image(sky)
    set_limits(layer, how)
    low, high = layer.contrast_limits
    assert -5 < low < -1
    assert 1 < high < 5


def test_limits_survive_an_image_without_pixels(sky):
    layer = Image(np.full_like(sky, np.nan), contrast_limits=(0, 1))
    set_limits(layer, "zscale")
    assert layer.contrast_limits[0] < layer.contrast_limits[1]


def test_shared_limits_differ_by_the_sky(sky):
    cleaned, original = Image(sky), Image(sky + 150)
    set_limits(cleaned, "percentile", shared=[original])
    low, high = cleaned.contrast_limits
    assert original.contrast_limits == pytest.approx([low + 150, high + 150], abs=1e-3)


def test_level_is_that_of_the_pixels_which_both_have(sky):
    upper = sky + 40
    upper[:100] = np.nan
    assert level_between(Image(upper), Image(sky)) == pytest.approx(40, abs=1e-4)
    nothing = Image(np.full_like(sky, np.nan), contrast_limits=(0, 1))
    assert level_between(nothing, Image(sky)) == 0


class Watched(np.ndarray):
    """An array that counts the pixels that are taken from it."""

    taken = 0

    def __array_finalize__(self, source):
        if source is not None and self.size < getattr(source, "size", 0):
            type(self).taken = max(type(self).taken, self.size)


def test_a_large_frame_is_sampled_not_read():
    full = np.zeros((6000, 6000), np.float32)
    full[::7, ::7] = 1
    levels = [full.view(Watched), full[::2, ::2].copy()]
    layer = Image(levels, multiscale=True, contrast_limits=(0, 1))
    Watched.taken = 0
    set_limits(layer, "minmax")
    assert Watched.taken <= 600**2


def test_lazy_levels_are_not_computed():
    def never(block):
        raise AssertionError("the full level was computed")

    full = da.zeros((4096, 4096), chunks=512, dtype=np.float32).map_blocks(
        never, dtype=np.float32, meta=np.zeros((0, 0), np.float32)
    )
    coarse = [da.ones((4096 >> k,) * 2, dtype=np.float32) for k in (1, 2, 3, 4)]
    layer = Image([full, *coarse], multiscale=True, contrast_limits=(0, 9))
    set_limits(layer, "minmax")
    assert layer.contrast_limits == pytest.approx([1, 1], abs=1e-5)


def test_one_plane_of_a_cube_stands_for_all(sky):
    cube = np.stack([sky, sky + 5, sky + 99])
    layer = Image(cube)
    set_limits(layer, "minmax")
    assert layer.contrast_limits == pytest.approx([sky.min() + 5, sky.max() + 5])
