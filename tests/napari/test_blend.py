"""Strength, live: the layers become those of a run with another strength."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

import bgrem_core
from bgrem_core.strength import at_strength
from napari_bgrem.blend import Blend
from napari_bgrem.mark import mark_of
from napari_bgrem.products import result_layers


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(8)
    x = np.arange(260)
    frame = rng.normal(100 + 0.1 * x, 5, (200, 260)).astype(np.float32)
    frame[50:53, 70] = np.nan
    return bgrem_core.clean(frame, threads=1, sky_scale=64)


@pytest.fixture
def layers(result):
    viewer = ViewerModel()
    made = [Layer.create(*m) for m in result_layers(result, run="1")]
    for layer in made:
        viewer.add_layer(layer)
    return {mark_of(layer).role: layer for layer in made}


def drawn(layers, corners):
    for layer in layers.values():
        layer.corner_pixels = np.array(corners)


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_settled_layers_are_those_of_such_a_run(result, layers, strength):
    blend = Blend(result, layers)
    steps = list(blend.settle(strength))
    assert steps
    expected = at_strength(result, strength)
    np.testing.assert_array_equal(layers["cleaned"].data, expected.cleaned)
    np.testing.assert_array_equal(layers["residual"].data, expected.residual)
    np.testing.assert_array_equal(
        layers["uncertainty"].data, np.asarray(expected.uncertainty)
    )
    assert blend.shown.provenance.settings["strength"] == strength
    assert mark_of(layers["cleaned"]).separation is blend.shown


def test_back_at_full_strength_the_layers_are_those_of_the_run(result, layers):
    blend = Blend(result, layers)
    for strength in (0.2, 1.0):
        list(blend.settle(strength))
    np.testing.assert_array_equal(layers["cleaned"].data, result.cleaned)
    assert blend.shown is result


def test_what_is_in_view_changes_at_once(result, layers):
    drawn(layers, [[20, 30], [119, 149]])
    Blend(result, layers).show(0.3)
    expected = at_strength(result, 0.3)
    here = np.s_[20:120, 30:150]
    np.testing.assert_allclose(
        layers["cleaned"].data[here], expected.cleaned[here], rtol=0, atol=1e-4
    )
    np.testing.assert_array_equal(layers["cleaned"].data[130:], result.cleaned[130:])


def test_the_result_itself_is_not_touched(result, layers):
    before = result.cleaned.copy(), np.array(result.parts["noise"])
    drawn(layers, [[0, 0], [199, 259]])
    blend = Blend(result, layers)
    blend.show(0.1)
    list(blend.settle(0.5))
    np.testing.assert_array_equal(result.cleaned, before[0])
    np.testing.assert_array_equal(np.array(result.parts["noise"]), before[1])


def test_deleted_layers_are_left_out(result, layers):
    blend = Blend(result, layers)
    blend.forget(layers["sky"])
    blend.forget(layers["residual"])
    drawn(layers, [[0, 0], [199, 259]])
    blend.show(0.5)  # cannot, and does not
    np.testing.assert_array_equal(layers["cleaned"].data, result.cleaned)
    list(blend.settle(0.5))
    np.testing.assert_array_equal(
        layers["cleaned"].data, at_strength(result, 0.5).cleaned
    )
