"""Comparison: what is where, what is linked, and that everything comes back."""

import sys
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels, Points

sys.path.insert(0, str(Path(__file__).parent))
import scenes

from napari_bgrem.comparison import OVER, Comparison
from napari_bgrem.stretch import colour_map


@pytest.fixture
def trio():
    return scenes.layers_of(scenes.result(), scale=(0.36, 0.36), units=("arcsec",) * 2)


def overlay(name, **options):
    placed = {"scale": (0.36, 0.36), "units": ("arcsec",) * 2} | options
    return Points([[5, 5]], name=name, **placed)


@pytest.fixture
def viewer(trio):
    viewer = scenes.viewer_with(*trio)
    viewer.scene.camera.orientation2d = ("up", "right")
    return viewer


def cells(viewer):
    """Names of the visible layers in each cell."""
    grid = viewer.canvas.grid
    return [
        [viewer.layers[k].name for k in inside if viewer.layers[k].visible]
        for _, inside in grid.iter_viewboxes(viewer.layers)
    ]


def state_of(viewer):
    """Everything that has to come back."""
    grid, bar = viewer.canvas.grid, viewer.canvas.overlays.scale_bar
    return {
        "grid": (grid.enabled, grid.shape, grid.stride, grid.spacing),
        "order": list(viewer.layers),
        "visible": [layer.visible for layer in viewer.layers],
        "selection": set(viewer.layers.selection),
        "overlays": [
            (layer.name_overlay.visible, getattr(layer, "colorbar", None) is not None
             and layer.colorbar.visible)
            for layer in viewer.layers
        ],
        "bar": (bar.visible, bar.gridded),
        "limits": [getattr(layer, "contrast_limits", None) for layer in viewer.layers],
        "zoom": round(viewer.scene.camera.zoom, 9),
        "center": viewer.scene.camera.center,
        "orientation": viewer.scene.camera.orientation2d,
    }  # fmt: skip


def test_each_image_has_a_cell_of_its_own(viewer, trio):
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    assert cells(viewer) == [["original"], ["cleaned"], ["residual"]]
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (1, 3)
    assert set(viewer.layers.selection) == {trio[1]}
    assert all(x.name_overlay.visible and x.colorbar.visible for x in trio)
    assert viewer.canvas.overlays.scale_bar.visible
    assert viewer.scene.camera.orientation2d == ("up", "right")


@pytest.mark.parametrize("hidden", [0, 1, 5])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_overlays_lie_in_the_cell_of_their_image(viewer, trio, where, hidden):
    for k in range(hidden):
        viewer.add_layer(overlay(f"other {k}"))
    groups = [[layer] for layer in trio]
    for k in range(3):
        groups[where].append(viewer.add_layer(overlay(f"ring {k}")))
    expected = [[layer.name for layer in group] for group in groups]
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter(groups)
    assert cells(viewer) == expected
    compare.leave()
    assert state_of(viewer) == before


def test_leaving_brings_everything_back(viewer, trio):
    mask = viewer.add_layer(
        Labels(np.zeros((120, 140), int), scale=(0.36, 0.36), units=("arcsec",) * 2)
    )
    trio[1].visible = False
    trio[0].name_overlay.visible = True
    viewer.canvas.grid.stride, viewer.canvas.grid.shape = -2, (2, 2)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.layers.selection = {mask}
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter([[trio[2]], [trio[0], mask], [trio[1]]])
    assert state_of(viewer) != before
    compare.leave()
    assert state_of(viewer) == before
    compare.leave()
    assert state_of(viewer) == before


def test_the_cells_are_laid_out_once_and_again_once(viewer, trio):
    heard = []
    for name in ("shape", "stride", "spacing", "enabled"):
        getattr(viewer.canvas.grid.events, name).connect(
            lambda _, name=name: heard.append(name)
        )
    on_it = viewer.add_layer(overlay("ring"))
    compare = Comparison(viewer)
    compare.enter([[trio[0], on_it], [trio[1]], [trio[2]]])
    assert heard == ["enabled"]
    compare.leave()
    assert heard == ["enabled", "enabled"]
    # In a grid that is on already, one event must stand for all fields.
    viewer.canvas.grid.enabled = True
    heard.clear()
    compare.enter([[trio[0], on_it], [trio[1]], [trio[2]]])
    assert len(heard) == 1


def test_names_and_bars_come_piece_by_piece(viewer, trio):
    queue = []
    compare = Comparison(viewer)
    compare.soon = queue.append

    def shown():
        return sum(
            [x.name_overlay.visible + x.colorbar.visible for x in trio],
            start=int(viewer.canvas.overlays.scale_bar.visible),
        )

    compare.enter([[layer] for layer in trio])
    assert cells(viewer) == [["original"], ["cleaned"], ["residual"]]
    counts = [shown()]
    while queue:
        queue.pop(0)()
        counts.append(shown())
    assert counts[0] == 0
    assert counts[-1] == 7
    assert max(np.diff(counts)) == 1


@pytest.mark.parametrize("how", ["leave", "rest", "enter"])
def test_pieces_of_a_comparison_that_is_over_do_not_come(viewer, trio, how):
    queue = []
    compare = Comparison(viewer)
    compare.soon = queue.append
    before = state_of(viewer)
    compare.enter([[layer] for layer in trio])
    queue.pop(0)()
    queue.pop(0)()
    assert trio[0].name_overlay.visible
    stale = queue.pop(0)
    if how == "enter":
        compare.enter([[trio[0]], [trio[1]]])
    else:
        getattr(compare, how)()
    stale()
    assert not trio[1].name_overlay.visible
    assert len(queue) == (how == "enter")
    compare.leave()
    assert state_of(viewer) == before


def test_an_image_in_colour_has_no_colour_bar(viewer, trio):
    colour = viewer.add_image(np.zeros((120, 140, 3), np.uint8), rgb=True)
    compare = Comparison(viewer)
    compare.enter([[colour], [trio[1]], [trio[2]]])
    assert not colour.colorbar.visible
    assert colour.name_overlay.visible
    assert trio[1].colorbar.visible


def test_entering_twice_comes_back_to_the_first_state(viewer, trio):
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    compare.enter([[trio[2]], [trio[0]]])
    assert cells(viewer) == [["residual"], ["original"]]
    compare.leave()
    assert state_of(viewer) == before


def test_limits_follow_each_other_with_the_sky_between(viewer, trio):
    original, cleaned, residual = trio
    cleaned.contrast_limits = (-2, 30)
    kept = residual.contrast_limits
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    assert original.contrast_limits == pytest.approx([98, 130], abs=0.1)
    original.contrast_limits = (90, 150)
    assert cleaned.contrast_limits == pytest.approx([-10, 50], abs=0.1)
    cleaned.gamma = 0.5
    assert original.gamma == 0.5
    original.colormap = colour_map("grey", "asinh")
    assert cleaned.colormap.name == "grey (asinh)"
    assert residual.contrast_limits == kept
    compare.leave()
    assert original.contrast_limits == pytest.approx([90, 150])
    original.contrast_limits = (0, 1)
    assert cleaned.contrast_limits == pytest.approx([-10, 50], abs=0.1)


def test_one_change_is_one_change(viewer, trio):
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    heard = []
    trio[1].events.contrast_limits.connect(lambda: heard.append("cleaned"))
    # Inside the range of both, so that napari itself says it once.
    trio[0].contrast_limits = [x + 1 for x in trio[0].contrast_limits]
    trio[0].contrast_limits = [x - 0.5 for x in trio[0].contrast_limits]
    assert 2 <= len(heard) <= 4


def test_limits_that_were_not_touched_come_back(viewer, trio):
    trio[0].contrast_limits = (1, 2)
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    assert trio[0].contrast_limits != [1, 2]
    compare.leave()
    assert trio[0].contrast_limits == [1, 2]


def test_links_of_the_user_stay(viewer, trio):
    viewer.layers.link_layers(trio[:2], ("gamma",))
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    compare.leave()
    trio[0].gamma = 0.3
    assert trio[1].gamma == 0.3


def test_a_cell_shows_as_much_as_the_canvas_did(viewer, trio):
    viewer.canvas.size = (600, 1200)
    viewer.reset_view()
    zoom = viewer.scene.camera.zoom
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    seen = np.array([height, width]) / viewer.scene.camera.zoom
    assert (seen >= np.array([120, 140]) * 0.36).all()
    assert (seen / (np.array([120, 140]) * 0.36)).min() < 1.1
    # What is zoomed meanwhile stays zoomed.
    viewer.scene.camera.zoom *= 2
    compare.leave()
    assert viewer.scene.camera.zoom == pytest.approx(2 * zoom)


def test_blinking_shows_original_and_cleaned_in_turn(viewer, trio):
    rings = viewer.add_layer(overlay("rings"))
    before = state_of(viewer)
    states = []
    compare = Comparison(viewer)
    compare.changed.connect(states.append)
    for shown in ([trio[0]], [trio[1], rings], [trio[0]]):
        compare.blink([[trio[0]], [trio[1], rings], [trio[2]]])
        assert [x for x in viewer.layers if x.visible] == shown
        assert not viewer.canvas.grid.enabled
    compare.side_by_side()
    assert cells(viewer) == [["original"], ["cleaned", "rings"], ["residual"]]
    compare.leave()
    assert state_of(viewer) == before
    assert states == ["side by side", "blink", "side by side", "off"]


def test_toggle_knows_the_layers_of_the_last_time(viewer, trio):
    compare = Comparison(viewer)
    compare.toggle()
    assert not compare.active
    compare.toggle([[layer] for layer in trio])
    assert compare.active
    compare.toggle()
    assert not compare.active
    compare.toggle()
    assert cells(viewer) == [["original"], ["cleaned"], ["residual"]]


def test_fewer_than_two_images_are_no_comparison(viewer, trio):
    gone = Image(np.zeros((9, 9)))
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter([[trio[0]], [gone], []])
    compare.blink([[gone], []])
    assert not compare.active
    assert state_of(viewer) == before


def test_renamed_layers_are_the_same_layers(viewer, trio):
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    trio[1].name = "something else"
    compare.leave()
    assert state_of(viewer) == before


def test_new_layers_lie_on_their_image(viewer, trio):
    before = state_of(viewer)["order"]
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    on_residual = viewer.add_layer(overlay("mine", metadata={OVER: trio[2]}))
    stranger = viewer.add_layer(overlay("new"))
    also = viewer.add_layer(overlay("also", metadata={OVER: trio[2]}))
    assert cells(viewer) == [
        ["original", "new"], ["cleaned"], ["residual", "mine", "also"],
    ]  # fmt: skip
    compare.leave()
    assert list(viewer.layers)[: len(before)] == before
    assert set(list(viewer.layers)[len(before) :]) == {on_residual, stranger, also}
    assert not [x for x in viewer.layers if "spacer" in x.name]


def test_layers_that_lie_on_an_image_come_with_it(viewer, trio):
    viewer.add_layer(overlay("sources", metadata={OVER: trio[1]}))
    viewer.add_layer(overlay("hidden", metadata={OVER: trio[1]}, visible=False))
    Comparison(viewer).enter([[layer] for layer in trio])
    assert cells(viewer) == [["original"], ["cleaned", "sources"], ["residual"]]


def test_others_keep_their_cells_when_an_overlay_goes(viewer, trio):
    rings = [viewer.add_layer(overlay(f"ring {k}")) for k in range(3)]
    before = state_of(viewer)["order"]
    compare = Comparison(viewer)
    compare.enter([[x, y] for x, y in zip(trio, rings, strict=True)])
    viewer.layers.remove(rings[0])
    assert cells(viewer) == [
        ["original"],
        ["cleaned", "ring 1"],
        ["residual", "ring 2"],
    ]
    compare.leave()
    assert list(viewer.layers) == [x for x in before if x is not rings[0]]


def test_comparison_ends_when_an_image_goes(viewer, trio):
    rings = viewer.add_layer(overlay("rings"))
    mask = viewer.add_layer(overlay("mask", visible=False))
    before = state_of(viewer)["order"]
    compare = Comparison(viewer)
    compare.enter([[trio[0]], [trio[1], rings], [trio[2]]])
    viewer.layers.remove(trio[1])
    assert not compare.active
    assert not viewer.canvas.grid.enabled
    assert not mask.visible
    compare.leave()
    assert list(viewer.layers) == [x for x in before if x is not trio[1]]


@pytest.mark.parametrize("gone", [slice(0, 2), slice(1, 4), slice(None)])
def test_deleting_a_slice_deletes_those_layers_and_no_others(viewer, trio, gone):
    rings = [viewer.add_layer(overlay(f"ring {k}")) for k in range(2)]
    compare = Comparison(viewer)
    compare.enter([[trio[0], rings[0]], [trio[1]], [trio[2], rings[1]]])
    meant = set(list(viewer.layers)[gone])
    stay = [x for x in viewer.layers if x not in meant]
    del viewer.layers[gone]
    compare.leave()
    left = [x for x in viewer.layers if x in [*trio, *rings]]
    assert set(left) == set(stay) & {*trio, *rings}


def test_all_layers_can_be_cleared(viewer, trio):
    compare = Comparison(viewer)
    compare.enter([[trio[0], viewer.add_layer(overlay("ring"))], [trio[1]]])
    viewer.layers.clear()
    compare.leave()
    assert list(viewer.layers) == []
    assert not compare.active


def test_nothing_listens_after_leaving(viewer, trio):
    def listeners():
        emitters = [viewer.layers.events.inserted, viewer.layers.events.removed]
        for layer in trio:
            emitters += [layer.events.contrast_limits, layer.events.colormap]
        return [len(emitter.callbacks) for emitter in emitters]

    before = listeners()
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    compare.leave()
    assert listeners() == before


def test_planes_of_a_cube_can_be_compared():
    cubes = [Image(np.random.default_rng(k).random((3, 20, 30))) for k in range(3)]
    viewer = scenes.viewer_with(*cubes)
    before = state_of(viewer)
    compare = Comparison(viewer)
    compare.enter(
        [[cubes[0], viewer.add_layer(Points(ndim=3))], *([x] for x in cubes[1:])]
    )
    assert len(cells(viewer)) == 3
    compare.leave()
    viewer.layers.pop()
    assert state_of(viewer)["visible"] == before["visible"]
