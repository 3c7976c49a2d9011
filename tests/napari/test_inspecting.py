"""Clicks: what is one, which image it means, and what is left behind."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Points
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

sys.path.insert(0, str(Path(__file__).parent))
import scenes

from napari_bgrem import inspecting
from napari_bgrem.inspecting import ClickTool, panels

SCALE = 0.36


@pytest.fixture
def bench():
    layers = scenes.layers_of(scenes.result(), scale=(SCALE, SCALE))
    viewer = scenes.viewer_with(*layers)
    hits = []
    tool = ClickTool(viewer, lambda *hit: hits.append(hit))
    tool.attach()
    return SimpleNamespace(viewer=viewer, layers=layers, hits=hits, tool=tool)


def event(kind, x, y, *, pos=(50, 50), viewbox=(0, 0), button=1, modifiers=()):
    told = SimpleNamespace(
        type=kind, position=(y * SCALE, x * SCALE), pos=pos, viewbox=viewbox,
        button=button, modifiers=modifiers, dims_displayed=[0, 1], handled=False,
        view_direction=None, is_dragging=False, dims_point=[0, 0],
    )  # fmt: skip
    # As the canvas does: one wrapper lives on, what it wraps is replaced.
    return ReadOnlyWrapper(told, exceptions=("handled",))


def click(viewer, x, y, *, end=None, moves=(), **given):
    mouse_press_callbacks(viewer, event("mouse_press", x, y, **given))
    for pos in moves:
        mouse_move_callbacks(viewer, event("mouse_move", x, y, **given | {"pos": pos}))
    given["pos"] = end or (moves[-1] if moves else given.get("pos", (50, 50)))
    mouse_release_callbacks(viewer, event("mouse_release", x, y, **given))


def test_click_says_layer_and_pixel(bench):
    click(bench.viewer, 33.25, 71.5)
    [(layer, x, y)] = bench.hits
    assert layer is bench.layers[2]
    assert (x, y) == pytest.approx((33.25, 71.5))


@pytest.mark.parametrize("cell", [0, 1, 2])
def test_each_cell_of_the_grid_has_its_image(bench, cell):
    grid = bench.viewer.canvas.grid
    grid.enabled, grid.shape, grid.stride = True, (1, 3), 1
    click(bench.viewer, 10, 20, viewbox=(0, cell))
    [(layer, x, y)] = bench.hits
    assert layer is bench.layers[cell]
    assert (x, y) == pytest.approx((10, 20))


def test_overlays_do_not_catch_the_click(bench):
    bench.viewer.add_layer(Points([[20, 10]], size=50, scale=(SCALE, SCALE)))
    click(bench.viewer, 10, 20)
    assert bench.hits[0][0] is bench.layers[2]


def test_hidden_images_are_not_meant(bench):
    bench.layers[2].visible = False
    click(bench.viewer, 10, 20)
    assert bench.hits[0][0] is bench.layers[1]


def test_image_of_a_stranger_is_looked_through(bench):
    bench.viewer.add_layer(Image(np.zeros((300, 300)), scale=(SCALE, SCALE)))
    click(bench.viewer, 10, 20)
    assert bench.hits[0][0] is bench.layers[2]


def test_source_of_ours_is_clicked_though_it_bears_no_mark(bench):
    bench.layers[0].metadata = {}
    bench.layers[1].visible = bench.layers[2].visible = False
    click(bench.viewer, 10, 20)
    assert bench.hits[0][0] is bench.layers[0]


def test_the_selected_image_is_meant_if_none_is_visible(bench):
    for layer in bench.layers:
        layer.visible = False
    bench.viewer.layers.selection.active = bench.layers[0]
    click(bench.viewer, 10, 20)
    assert bench.hits[0][0] is bench.layers[0]


def test_click_beside_the_image_is_none(bench):
    click(bench.viewer, -0.6, 20)
    click(bench.viewer, 20, 119.6)
    assert bench.hits == []


@pytest.mark.parametrize(
    "given",
    [
        {"moves": [(52, 50), (58, 50)]},
        {"moves": [(58, 50)], "end": (50, 50)},
        {"end": (54, 50)},
        {"button": 2},
        {"modifiers": ("Shift",)},
    ],
)
def test_pans_other_buttons_and_modifiers_are_no_clicks(bench, given):
    click(bench.viewer, 10, 20, **given)
    assert bench.hits == []


def test_a_hand_that_trembles_still_clicks(bench):
    click(bench.viewer, 10, 20, moves=[(51, 51), (52, 49)])
    assert len(bench.hits) == 1


def test_a_long_press_is_no_click(bench, monkeypatch):
    clock = iter([0.0, 0.41])
    told = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr(inspecting, "time", told)
    click(bench.viewer, 10, 20)
    assert bench.hits == []


def test_a_double_click_is_one_click(bench):
    click(bench.viewer, 10, 20)
    mouse_double_click_callbacks(bench.viewer, event("mouse_double_click", 10, 20))
    mouse_release_callbacks(bench.viewer, event("mouse_release", 10, 20))
    assert len(bench.hits) == 1


def test_tools_of_the_active_layer_keep_their_clicks(bench):
    points = bench.viewer.add_layer(Points(ndim=2))
    bench.viewer.layers.selection.active = points
    points.mode = "add"
    click(bench.viewer, 10, 20)
    assert bench.hits == []


def test_panels_are_the_images_of_the_field_in_their_cells(bench):
    viewer, layers = bench.viewer, bench.layers
    assert panels(viewer, layers[1]) == [layers[1]]
    viewer.add_layer(Image(np.zeros((50, 50)), scale=(SCALE, SCALE)))
    viewer.add_layer(Points([[1, 1]], scale=(SCALE, SCALE)))
    grid = viewer.canvas.grid
    grid.enabled, grid.shape, grid.stride = True, (1, 5), 1
    assert panels(viewer, layers[1]) == layers
    layers[0].visible = False
    assert panels(viewer, layers[1]) == layers[1:]


def test_detached_means_nothing_is_left(bench):
    before = len(bench.viewer.mouse_drag_callbacks)
    bench.tool.attach()
    assert len(bench.viewer.mouse_drag_callbacks) == before
    bench.tool.detach()
    bench.tool.detach()
    assert len(bench.viewer.mouse_drag_callbacks) == before - 1
    click(bench.viewer, 10, 20)
    assert bench.hits == []


def test_a_dock_that_closes_during_a_click_hears_no_more(bench):
    mouse_press_callbacks(bench.viewer, event("mouse_press", 10, 20))
    bench.tool.detach()
    mouse_release_callbacks(bench.viewer, event("mouse_release", 10, 20))
    assert bench.hits == []


def test_pixels_are_those_of_a_turned_and_shifted_layer():
    layers = scenes.layers_of(
        scenes.result(), scale=(SCALE, SCALE), translate=(5, -3), rotate=30
    )
    viewer = scenes.viewer_with(layers[0])
    hits = []
    ClickTool(viewer, lambda *hit: hits.append(hit)).attach()
    at = layers[0].data_to_world((40.0, 25.0))
    click(viewer, at[1] / SCALE, at[0] / SCALE)
    assert hits[0][1:] == pytest.approx((25, 40))
