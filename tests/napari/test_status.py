"""The status bar: pixel, sky and values at once, from any thread."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from napari.layers import Image, Points

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from scenes import fields

from napari_bgrem.comparison import Comparison
from napari_bgrem.mark import KEY, Mark
from napari_bgrem.status import ROLES, follow, unwatch, watch


@pytest.fixture
def trio():
    separation = scenes.result(header=fields.tan_header(120))
    found = scenes.layers_of(separation, scale=(0.36, 0.36))
    for layer in found:
        watch(layer)
    yield found
    for layer in found:
        unwatch(layer)


def text(layer, x, y, scale=0.36):
    return layer.get_status((y * scale, x * scale), world=True)["coordinates"]


def test_all_three_values_are_said_with_the_pixel_and_the_unit(trio):
    original, cleaned, residual = trio
    said = text(cleaned, 90, 60)
    assert said.startswith("x 90.0 y 60.0   ")
    for layer in trio:
        assert f"{layer.name} {layer.data[60, 90]:.5g}" in said
    assert said.endswith(" adu")
    assert text(original, 90, 60) == text(residual, 90, 60) == said


def test_sky_position_is_that_of_astropy(trio):
    wcs = trio[0].metadata["wcs"]
    ra, dec = wcs.all_pix2world(33.3, 77.7, 0)
    said = text(trio[0], 33.3, 77.7).split("   ")[1]
    at = SkyCoord(said.replace(":", " "), unit=("hourangle", "deg"))
    assert at.ra.deg == pytest.approx(float(ra), abs=1e-5)
    assert at.dec.deg == pytest.approx(float(dec), abs=1e-5)


def test_the_value_alone_is_the_layers_own(trio):
    status = trio[2].get_status((3.6, 3.6), world=True)
    assert status["value"] == "100 adu"
    assert status["coords"].startswith("x 10.0 y 10.0")


def test_outside_the_image_there_are_no_values(trio):
    said = text(trio[1], -3, 500)
    assert said.startswith("x -3.0 y 500.0")
    assert "cleaned" not in said


def test_a_pixel_belongs_to_its_centre_to_half_a_pixel(trio):
    assert "cleaned" in text(trio[1], -0.49, -0.49)
    assert "cleaned" not in text(trio[1], -0.51, 0)


def test_watching_twice_is_watching_once(trio):
    watch(trio[0])
    unwatch(trio[0])
    assert "get_status" not in vars(trio[0])
    assert "adu" not in trio[0].get_status((1, 1), world=True)["coordinates"]
    unwatch(trio[0])


def test_layers_of_strangers_keep_their_status():
    stranger = Image(np.ones((9, 9)))
    watch(stranger)
    assert "get_status" not in vars(stranger)


def test_full_level_is_read_where_coarse_ones_are_shown():
    data = np.arange(64, dtype=np.float32).reshape(8, 8)
    layer = Image(
        [data, data[::2, ::2] + 1000], multiscale=True, contrast_limits=(0, 63),
        metadata={KEY: Mark(role="original", image=scenes.result().image)},
    )  # fmt: skip
    watch(layer)
    assert "original 43 adu" in layer.get_status((5, 3), world=True)["coordinates"]
    unwatch(layer)


def test_results_of_two_runs_are_not_mixed():
    separation = scenes.result()
    original, cleaned, residual = scenes.layers_of(separation, run="1")
    _, newer, _ = scenes.layers_of(separation, run="2")
    newer.data = newer.data + 7
    layers = (original, cleaned, residual, newer)
    for layer in layers:
        watch(layer)
    old, new = (f"cleaned {x.data[5, 5]:.5g}" for x in (cleaned, newer))
    assert old in text(residual, 5, 5, scale=1)
    assert new in text(newer, 5, 5, scale=1)
    assert new in text(original, 5, 5, scale=1)
    unwatch(newer)
    assert old in text(original, 5, 5, scale=1)
    for layer in layers:
        unwatch(layer)


def test_original_is_said_where_its_layer_is_a_strangers():
    separation = scenes.result()
    _, cleaned, _ = scenes.layers_of(separation)
    watch(cleaned)
    said = text(cleaned, 5, 7, scale=1).split("   ")[1:]
    assert said == [
        f"original {separation.image.data[7, 5]:.5g}",
        f"cleaned {cleaned.data[7, 5]:.5g} adu",
    ]
    unwatch(cleaned)


def test_a_broken_layer_is_no_reason_to_raise(trio):
    def broken(position):
        raise RuntimeError("the layer is changing")

    trio[0].world_to_data = broken
    status = trio[0].get_status((1, 1), world=True)
    assert status["coordinates"] == ""


def test_it_can_be_asked_from_a_thread_while_layers_come_and_go(trio):
    raised = []

    def ask():
        try:
            for k in range(300):
                assert text(trio[1], k % 100, 5).startswith("x ")
        except Exception as error:  # noqa: BLE001 - any error is the finding
            raised.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        watch(trio[2])
        unwatch(trio[2])
    assert not raised


def test_it_is_fast_enough_for_every_move(trio):
    text(trio[0], 1, 1)
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        text(trio[0], 50, 50)
        best = min(best, time.perf_counter() - start)
    # SkyCoord alone takes 4 ms.
    assert best < 2e-3


def test_the_viewer_shows_it_and_forgets_layers_that_are_removed():
    separation = scenes.result()
    layers = scenes.layers_of(separation)
    viewer = scenes.viewer_with(layers[0])
    follow(viewer)
    follow(viewer)
    for layer in layers[1:]:
        viewer.add_layer(layer)
    points = viewer.add_layer(Points([[1, 1]]))
    viewer.mouse_over_canvas = True
    viewer.cursor.position = (60.0, 90.0)
    viewer.layers.selection.active = layers[1]
    viewer.update_status_from_cursor()
    assert "residual 100 adu" in viewer.status["coordinates"]
    viewer.layers.remove(layers[2])
    viewer.update_status_from_cursor()
    assert "residual" not in viewer.status["coordinates"]
    assert "get_status" not in vars(points)


def test_points_of_ours_say_who_they_are_and_rings_nothing():
    separation = scenes.result()
    layers = scenes.layers_of(separation)
    viewer = scenes.viewer_with(*layers)
    follow(viewer)
    for role, features in (
        ("sources", {"id": [7, 8], "flux": [1.0, 2.0]}),
        ("rings", {"id": [1, 1]}),
        ("fates", {"fate": ["hit", "miss"]}),
    ):
        mark = Mark(role=role, image=separation.image)
        points = [[60.0, 90.0], [1.0, 1.0]]
        viewer.add_layer(
            Points(points, size=9, name=role, features=features, metadata={KEY: mark})
        )
    viewer.canvas.grid.enabled = True
    viewer.layers.selection = set(layers)
    viewer.mouse_over_canvas = True
    viewer.cursor.position = (60.0, 90.0)
    viewer.update_status_from_cursor()
    place, values = viewer.status.split(" » ")
    assert place == "x 90.0 y 60.0"
    assert values.startswith("fates: hit    sources: 7    residual: 100 adu")
    viewer.cursor.position = (30.0, 30.0)
    viewer.update_status_from_cursor()
    assert viewer.status.split(" » ")[1].startswith("residual: 100 adu")


def test_while_comparing_values_are_said_from_left_to_right_then_the_source():
    separation = scenes.result()
    layers = scenes.layers_of(separation)
    viewer = scenes.viewer_with(*layers)
    follow(viewer)
    sources = viewer.add_layer(
        Points(
            [[60.0, 90.0], [1.0, 1.0]],
            size=9,
            features={"id": [7, 8]},
            metadata={KEY: Mark(role="sources", image=separation.image)},
        )
    )
    Comparison(viewer).enter([[layers[0]], [layers[1], sources], [layers[2]]])
    viewer.mouse_over_canvas = True

    def said(y, x):
        viewer.cursor.position = (y, x)
        viewer.update_status_from_cursor()
        return viewer.status["coordinates"]

    words = [word for word in said(60.0, 90.0).split() if word.isalpha()]
    assert [w for w in words if w in ROLES] == ["original", "cleaned", "residual"]
    assert said(60.0, 90.0).endswith("adu   source 7")
    assert said(30.0, 30.0).endswith("adu")
    sources.visible = False
    assert said(60.0, 90.0).endswith("adu")


def test_in_the_grid_each_cell_says_its_value():
    viewer = scenes.viewer_with(*scenes.layers_of(scenes.result()))
    follow(viewer)
    viewer.canvas.grid.enabled = True
    viewer.layers.selection = set(viewer.layers)
    viewer.mouse_over_canvas = True
    viewer.cursor.position = (60.0, 90.0)
    viewer.update_status_from_cursor()
    assert viewer.status.startswith("x 90.0 y 60.0 » residual: 100 adu")
    assert viewer.status.count("adu") == 3
    assert viewer.status.count("x 90.0") == 1
