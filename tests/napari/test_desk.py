"""The desk: runs become layers, whatever happens to the layers meanwhile."""

import dataclasses
import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

import bgrem_core
from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.methods import get_method
from bgrem_core.settings import FindSettings
from bgrem_core.strength import at_strength
from napari_bgrem.compared import newest_groups
from napari_bgrem.comparison import Comparison
from napari_bgrem.desk import Desk
from napari_bgrem.in_colour import colour_layers
from napari_bgrem.layers import image_layers
from napari_bgrem.mark import mark_of, marked

LONG = 30.0


class Queue:
    """Calls that wait until the test lets the viewer have them."""

    def __init__(self):
        self.calls = []

    def __call__(self, function):
        self.calls.append(function)

    def serve(self):
        while self.calls:
            self.calls.pop(0)()


@pytest.fixture
def viewer(frame):
    viewer = ViewerModel()
    for made in image_layers(bgrem_core.open_image(frame), name="field"):
        viewer.add_layer(Layer.create(*made))
    return viewer


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def desk(viewer, queue, toy_method):
    desk = Desk(viewer, later=queue)
    desk.source = viewer.layers[0]
    yield desk
    desk.close()
    assert desk.session.wait(LONG), "the worker did not end"


def settings(name="toy", **values):
    return get_method(name).settings(**values)


def finish(desk, queue):
    """Serve the viewer until nothing is at work."""
    for _ in range(3000):
        queue.serve()
        if not desk.busy:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the desk is still busy")


def look(desk, view):
    """Pretend that a canvas shows a block of the source."""
    desk.source.corner_pixels = np.array(view)


def test_a_run_becomes_layers_upon_the_source(desk, viewer, queue, frame):
    shown = []
    desk.shown.connect(shown.append)
    desk.start(settings(level=7.0), "toy")
    assert desk.busy
    finish(desk, queue)
    assert shown == ["1"]
    cleaned = marked(viewer, "cleaned", "1")[0]
    np.testing.assert_array_equal(cleaned.data, frame - np.float32(7))
    assert marked(viewer, "partial") == []
    source = viewer.layers[0]
    assert source.name == "field"
    np.testing.assert_array_equal(source.data, frame)
    assert mark_of(cleaned).image is mark_of(source).image


def test_the_layer_that_fills_shows_tiles_as_they_come(desk, viewer, queue, toy_method):
    reached, opened = threading.Event(), threading.Event()

    def gate(done):
        if done == 3:
            reached.set()
            assert opened.wait(LONG)

    toy_method.hook["before_tile"] = gate
    desk.start(settings(), "toy")
    assert reached.wait(LONG)
    queue.serve()
    layer = marked(viewer, "partial")[0]
    share = np.isfinite(layer.data).mean()
    assert 0 < share < 1
    opened.set()
    finish(desk, queue)
    assert layer not in viewer.layers


def test_cancel_leaves_what_was_done_as_partial(desk, viewer, queue, toy_method, frame):
    reached, opened = threading.Event(), threading.Event()

    def gate(done):
        if done == 3:
            reached.set()
            assert opened.wait(LONG)

    toy_method.hook["before_tile"] = gate
    desk.start(settings(level=2.0), "toy")
    assert reached.wait(LONG)
    queue.serve()
    desk.cancel()
    opened.set()
    finish(desk, queue)
    layer = marked(viewer, "partial")[0]
    assert layer.name == "field: partial"
    done = np.isfinite(layer.data)
    assert 0 < done.mean() < 1
    np.testing.assert_array_equal(layer.data[done], (frame - np.float32(2))[done])
    assert marked(viewer, "cleaned") == []
    assert desk.result is None


def test_a_second_run_is_refused_while_one_is_at_work(desk, queue, toy_method):
    opened = threading.Event()
    toy_method.hook["before_tile"] = lambda done: opened.wait(LONG)
    desk.start(settings(), "toy")
    with pytest.raises(UsageError, match="at work"):
        desk.start(settings(), "toy")
    with pytest.raises(UsageError, match="at work"):
        desk.preview(settings(), "toy")
    with pytest.raises(UsageError, match="at work"):
        desk.find(FindSettings())
    opened.set()
    finish(desk, queue)
    desk.start(settings(), "toy")
    finish(desk, queue)
    assert len(marked(desk.viewer, "cleaned")) == 2


def test_the_source_may_be_renamed_or_removed_while_at_work(
    desk, viewer, queue, toy_method
):
    reached, opened = threading.Event(), threading.Event()

    def gate(done):
        reached.set()
        assert opened.wait(LONG)

    toy_method.hook["before_tile"] = gate
    desk.start(settings(), "toy")
    assert reached.wait(LONG)
    viewer.layers[0].name = "another"
    viewer.layers.clear()
    opened.set()
    finish(desk, queue)
    assert len(marked(viewer, "cleaned", "1")) == 1
    with pytest.raises(UsageError, match="no image"):
        desk.start(settings(), "toy")


def test_a_failure_is_told_and_the_next_run_works(desk, queue):
    errors = []
    desk.failed.connect(errors.append)
    desk.start(settings(mood="angry"), "toy")
    finish(desk, queue)
    assert isinstance(errors[0], BGRemError)
    assert "angry" in str(errors[0])
    desk.start(settings(), "toy")
    finish(desk, queue)
    assert desk.result is not None


def test_layers_that_cannot_be_made_are_a_failure_and_no_hang(desk, queue, monkeypatch):
    def full(*args, **keywords):
        raise MemoryError

    monkeypatch.setattr("napari_bgrem.job.result_layers", full)
    errors = []
    desk.failed.connect(errors.append)
    desk.start(settings(), "toy")
    finish(desk, queue)
    assert errors[0].code == 7


def test_a_preview_lies_where_it_was_taken(desk, viewer, queue, frame):
    source = viewer.layers[0]
    source.scale, source.translate, source.rotate = (2, 2), (5, 7), 30
    look(desk, [[40, 60], [139, 179]])
    for _ in range(2):  # the second takes the place of the first
        desk.preview(settings(level=3.0), "toy")
        finish(desk, queue)
    layers = marked(viewer, "preview")
    assert len(layers) == 1
    layer = layers[0]
    np.testing.assert_array_equal(layer.data, frame[40:140, 60:180] - np.float32(3))
    here = source.data_to_world((45.0, 66.0))
    np.testing.assert_allclose(layer.world_to_data(here), (5, 6), atol=1e-9)
    assert desk.result is None


def test_a_preview_of_nothing_is_refused(desk):
    look(desk, [[0, 0], [0, 0]])
    with pytest.raises(UsageError, match="in view"):
        desk.preview(settings(), "toy")
    assert not desk.busy


def test_the_noise_is_measured_without_a_run(desk, queue):
    told = []
    desk.scale_changed.connect(told.append)
    desk.estimate(settings("bgrem", threads=1), "bgrem")
    finish(desk, queue)
    assert told[0].median_sigma == pytest.approx(5, rel=0.05)


def test_sources_are_told(desk, queue):
    with pytest.raises(UsageError, match="no result"):
        desk.find(FindSettings())
    desk.start(settings(), "toy")
    finish(desk, queue)
    told = []
    desk.found.connect(told.append)
    desk.find(FindSettings())
    finish(desk, queue)
    assert len(told[0]) == 1


def test_what_is_in_view_comes_first(desk, queue):
    look(desk, [[150, 200], [199, 259]])
    desk.start(settings("mesh", sky_scale=64), "mesh")
    rows, cols = desk.session.view
    assert (rows.start, cols.start) == (150, 200)
    finish(desk, queue)


def test_a_closed_desk_tells_nobody(desk, queue, toy_method):
    opened = threading.Event()
    toy_method.hook["before_tile"] = lambda done: opened.wait(LONG)
    told = []
    desk.changed.connect(lambda: told.append(1))
    desk.start(settings(), "toy")
    before = len(told)
    desk.close()
    opened.set()
    assert desk.session.wait(LONG)
    queue.serve()
    assert len(told) == before


def test_the_script_gives_the_same_result(desk, queue, tmp_path, frame):
    from astropy.io import fits

    path = tmp_path / "field.fits"
    hdus = [fits.PrimaryHDU(frame), fits.ImageHDU(frame[::-1])]  # one must be chosen
    fits.HDUList(hdus).writeto(path)
    viewer = desk.viewer
    for made in image_layers(bgrem_core.open_image(path, hdu="1"), name="file"):
        desk.source = viewer.add_layer(Layer.create(*made))
    desk.start(settings("bgrem", threads=1, sky_scale=64), "bgrem")
    finish(desk, queue)
    desk.source = viewer.layers[0]
    desk.estimate(settings("mesh"), "mesh")  # of another image, by another method
    finish(desk, queue)

    there = {}
    exec(desk.as_python(0.5), there)  # noqa: S102 - our own text
    expected = at_strength(desk.result, 0.5)
    np.testing.assert_array_equal(there["result"].cleaned, expected.cleaned)


def test_a_strangers_layer_is_opened_once(desk, viewer, queue, frame):
    layer = viewer.add_layer(Image(frame.astype(">i2")))
    desk.source = layer
    images = []
    for _ in range(2):
        desk.start(settings(), "toy")
        images.append(desk.session.image)
        finish(desk, queue)
    assert images[0] is images[1]
    layer.data = frame[::-1]
    desk.start(settings(), "toy")
    assert desk.session.image is not images[0]
    finish(desk, queue)


def test_colours_run_plane_by_plane(desk, viewer, queue, frame):
    rgb = np.stack([frame, frame + 50, frame + 90], axis=-1).astype(np.uint8)
    desk.source = viewer.add_image(rgb, rgb=True, name="colour")
    desk.start(settings(level=4.0), "toy")
    finish(desk, queue)
    cleaned = marked(viewer, "cleaned")
    assert [layer.name for layer in cleaned] == [
        f"colour: after, plane {k}" for k in (1, 2, 3)
    ]
    for k, layer in enumerate(cleaned):
        np.testing.assert_array_equal(layer.data, rgb[..., k] - np.float32(4))


def test_of_a_colour_image_the_colours_are_compared(desk, viewer, queue, frame):
    rgb = np.stack([frame, frame + 50, frame + 90], axis=-1).clip(0, 255)
    rgb = rgb.astype(np.uint8)
    rgb[10, 10] = 0, 120, 255
    source = desk.source = viewer.add_image(rgb, rgb=True, name="colour", scale=(2, 2))
    for _ in range(2):
        desk.start(settings(level=4.0), "toy")
        finish(desk, queue)
    groups = newest_groups(viewer)
    assert [group[0].name for group in groups] == [
        "colour", "colour: after in colour, run 2",
        "colour: toy in colour, run 2",
    ]  # fmt: skip
    assert groups[0][0] is source
    cleaned, residual = groups[1][0], groups[2][0]
    assert cleaned.rgb
    assert residual.rgb
    np.testing.assert_array_equal(cleaned.scale, (2, 2))
    assert viewer.layers.selection == {cleaned}
    # What is taken is a level, which stays: it looks as the original does.
    np.testing.assert_array_equal(cleaned.data, rgb)
    assert set(np.unique(residual.data)) <= {127, 128}
    assert [x for x in viewer.layers if x.visible and mark_of(x)] == [
        marked(viewer, "original")[0],
        *marked(viewer, "cleaned in colour"),
    ]
    compare = Comparison(viewer)
    limits = source.contrast_limits
    compare.enter(groups)
    assert source.contrast_limits == limits
    assert [g[0] for g in compare.groups] == [source, cleaned, residual]
    compare.leave()


def test_a_colour_of_which_more_is_taken_is_seen_in_the_residual(viewer, frame):
    rgb = np.stack([frame, frame, frame], axis=-1)
    result = bgrem_core.clean(
        np.moveaxis(rgb, -1, 0), method="mesh", sky_scale=30, plane="all"
    )
    like = viewer.add_image((rgb / rgb.max()).astype(np.float32), rgb=True)
    planes = list(result.planes)
    ramp = np.linspace(0, 60, frame.shape[1], dtype=np.float32)
    sky = np.asarray(planes[0].parts["sky"]) + ramp
    planes[0] = dataclasses.replace(planes[0], parts={"sky": sky})
    (_, residual) = colour_layers(planes, like=like, run="1", name="x", note="")
    red, green = residual[0][..., 0], residual[0][..., 1]
    assert red[:, -20:].mean() > red[:, :20].mean() + 50
    assert abs(float(green[:, -20:].mean() - green[:, :20].mean())) < 20


def test_a_strangers_image_is_compared_with_what_was_made_from_it(desk, viewer, queue):
    rng = np.random.default_rng(1)
    first = viewer.add_image(rng.normal(10, 1, (80, 90)), name="first")
    other = viewer.add_image(rng.normal(10, 1, (80, 90)), name="other")
    desk.source = first
    desk.start(settings(level=4.0), "toy")
    finish(desk, queue)
    # Neither who asks nor what is chosen now counts.
    for source in (None, other):
        assert newest_groups(viewer, source)[0][0] is first
    viewer.layers.remove(first)
    assert len(newest_groups(viewer)) == 2


def test_what_is_no_image_is_refused(desk, viewer):
    desk.source = viewer.add_labels(np.zeros((40, 40), int))
    with pytest.raises(UsageError, match="label"):
        desk.start(settings(), "toy")
    assert not desk.busy


def test_of_a_cube_the_plane_that_is_shown_is_worked_on(desk, viewer, queue, frame):
    cube = np.stack([frame, frame + 10, frame + 20])
    desk.source = viewer.add_image(cube, name="cube", scale=(1, 2, 2))
    viewer.dims.set_current_step(0, 2)
    desk.start(settings(level=5.0), "toy")
    finish(desk, queue)
    cleaned = marked(viewer, "cleaned")[-1]
    assert cleaned.name == "cube [2]: after"
    np.testing.assert_array_equal(cleaned.data, cube[2] - np.float32(5))
    np.testing.assert_array_equal(cleaned.scale, (2, 2))
    viewer.dims.set_current_step(0, 0)
    desk.source.corner_pixels = np.array([[0, 20, 30], [0, 79, 99]])
    desk.preview(settings(level=5.0), "toy")
    finish(desk, queue)
    preview = marked(viewer, "preview")[0]
    np.testing.assert_array_equal(preview.data, cube[0, 20:80, 30:100] - np.float32(5))
    np.testing.assert_array_equal(preview.translate, (40, 60))


def test_a_cancelled_run_leaves_the_last_result_and_its_script(desk, queue, toy_method):
    desk.start(settings(level=7.0), "toy")
    finish(desk, queue)
    before = desk.result
    opened = threading.Event()
    toy_method.hook["before_tile"] = lambda done: opened.wait(LONG)
    desk.start(settings(level=9.0), "toy")
    desk.cancel()
    opened.set()
    finish(desk, queue)
    assert desk.result is before
    assert "level=7.0" in desk.as_python()
    told = []
    desk.found.connect(told.append)
    desk.find(FindSettings())
    finish(desk, queue)
    assert len(told) == 1


def test_the_newest_result_is_the_one_compared_wherever_its_layers_lie(
    desk, viewer, queue
):
    for level in (1.0, 2.0):
        desk.start(settings(level=level), "toy")
        finish(desk, queue)
    viewer.layers.move(viewer.layers.index(marked(viewer, "cleaned", "2")[0]), 0)
    groups = newest_groups(viewer, desk.source)
    assert [mark_of(group[0]).run for group in groups] == ["", "2", "2"]
    assert mark_of(groups[0][0]).role == "original"
