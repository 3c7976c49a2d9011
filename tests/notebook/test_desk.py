"""Desk: what is asked and what is told, without a browser."""

import dataclasses
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import bgrem_core
from bgrem_core import samples
from bgrem_core.errors import UsageError
from bgrem_core.image import Stack
from bgrem_core.inspection_rows import row_help
from bgrem_core.methods import METHODS
from bgrem_core.settings import OpenSettings
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_notebook.still import still_of
from bgrem_notebook.table import frame_of

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import fields
from listener import LONG, Listener


@pytest.fixture(scope="module")
def decam():
    """A run on a real frame, with its sources; tests must leave it as it is."""
    listener = Listener(samples.path("decam_i"))
    listener.ask("hello")
    listener.ask("run", settings={}, find={})
    listener.ask("find", find={})
    return listener


@pytest.fixture
def stars():
    """A small field of known stars, separated by the mesh."""
    listener = Listener(fields.result(side=200).image)
    listener.desk.session.choose("mesh", sky_scale=64)
    return listener


def test_hello_tells_all_that_a_page_needs_and_may_be_said_again(decam):
    decam.ask("hello")
    scene, buffers = decam.last_with_buffers("scene")
    image = decam.desk.image
    assert (scene["ny"], scene["nx"]) == image.shape
    assert set(scene["planes"]) == {"image", "noise", "rest"}
    assert scene["has_strength"] is True
    assert scene["busy"] == ""
    assert scene["sky"] == {"n": buffers[0].shape[0], "m": buffers[0].shape[1]}
    assert [row["name"] for row in scene["models"]][0:1] != []
    assert "strength" not in [row["name"] for row in scene["form"]]
    again = decam.ask("hello")
    assert [m["type"] for m in again][:2] == ["scene", "sources"]


def test_the_planes_that_travel_add_up_to_the_image(decam):
    separation = decam.desk.separation
    image, noise, rest = (decam.plane(n) for n in ("image", "noise", "rest"))
    np.testing.assert_array_equal(image, separation.image.data)
    np.testing.assert_array_equal(noise, separation.noise)
    np.testing.assert_allclose(image - noise - rest, separation.cleaned, atol=2e-3)


def test_the_result_is_that_of_clean_bit_for_bit(decam):
    direct = bgrem_core.clean(samples.path("decam_i"))
    np.testing.assert_array_equal(decam.desk.result.cleaned, direct.cleaned)
    table = bgrem_core.find_sources(direct)
    assert len(table) == len(decam.desk.collected.table)
    np.testing.assert_array_equal(table["flux"], decam.desk.collected.table["flux"])


def test_strength_is_that_of_a_run_with_it(decam):
    direct = bgrem_core.clean(samples.path("decam_i"), strength=0.4)
    decam.desk.strength = 0.4
    try:
        np.testing.assert_array_equal(decam.desk.result.cleaned, direct.cleaned)
        assert "strength=0.4" in decam.desk.as_python()
    finally:
        decam.desk.strength = 1.0


def test_a_click_is_answered_as_the_core_answers_it(decam):
    table = decam.desk.collected.table
    k = int(np.argmax(table["snr"]))
    x, y = table["x"][k].value, table["y"][k].value
    decam.ask("click", x=round(x), y=round(y))
    seen = decam.last("seen")
    direct = decam.desk.collected.look(round(x), round(y))
    assert (seen["x"], seen["y"]) == (direct.x, direct.y)
    assert [row[:2] for row in seen["rows"]][: len(direct.rows())] == [
        list(row) for row in direct.rows()
    ]
    assert seen["row"] == k
    total = np.array(seen["growth"]["cleaned"]) + np.array(seen["growth"]["residual"])
    np.testing.assert_allclose(total, seen["growth"]["original"], rtol=1e-5)


@pytest.fixture(scope="module")
def starless():
    """A field of stars in colour, and a run that takes them away."""
    scene = dataclasses.replace(preset("RGB"), stars=60, nebula=200.0)
    field = draw_star_field(np.random.default_rng(12), (160, 160), scene)
    planes = tuple(bgrem_core.open_image(plane, gain=1.0) for plane in field.image)
    listener = Listener()
    stack = Stack(planes=planes, axis_name="rgb", kind="rgb")
    listener.desk.session.take(stack, OpenSettings())
    listener.desk.session.choose("stars")
    listener.desk.choose_plane(0)
    listener.ask("run", settings={}, find={})
    return listener


def test_the_words_are_those_of_the_result_not_of_the_next_run(starless):
    assert starless.last("scene")["words"] == ["Original", "Starless", "Stars"]
    starless.ask("method", name="bgrem")
    scene = starless.last("scene")
    assert scene["method"] == "bgrem"
    assert scene["words"] == ["Original", "Starless", "Stars"]
    assert scene["slider"]["label"] == "Star amount"
    starless.ask("method", name="stars")


def test_without_a_result_the_words_are_those_of_the_method():
    listener = Listener(fields.result(side=64).image)
    for name in ("stars", "gamma", "mesh"):
        listener.ask("method", name=name)
        scene = listener.last("scene")
        assert scene["words"] == list(METHODS[name].panels)
        assert scene["slider"]["of_left"] is (name == "stars")


def test_the_level_of_what_holds_no_sky_is_nought(starless):
    for limits in starless.last("scene")["limits"].values():
        assert limits["image"] == limits["cleaned"]


def test_a_click_on_a_star_tells_what_was_taken_of_the_plane_that_is_shown(starless):
    for k in (0, 2):
        starless.desk.choose_plane(k)
        plane = starless.desk.session.result.planes[k]
        star = plane.catalog[0]
        x, y = star["x"].value, star["y"].value
        starless.ask("click", x=x + 0.5, y=y - 0.5)
        seen = starless.last("seen")
        direct = bgrem_core.inspect(plane, x, y)
        assert seen["rows"] == [
            [*row, row_help(direct.words).get(row[0], "")] for row in direct.rows()
        ]
        rows = {label: text for label, text, _ in seen["rows"]}
        assert "±" in rows["Flux (star)"]
        assert rows["Left of it"].endswith("%")
    starless.desk.choose_plane(0)


def test_stars_that_were_put_back_are_left(starless):
    star = starless.desk.separation.catalog[0]
    at = {"x": star["x"].value, "y": star["y"].value}
    left = []
    for strength in (1.0, 0.6):
        starless.desk.strength = strength
        if strength == 1:
            starless.ask("click", **at)
        else:
            starless.desk.look_again()
            assert starless.last("seen")["again"]
            assert starless.last("seen")["row"] == 0
        rows = {row[0]: row[1] for row in starless.last("seen")["rows"]}
        left.append(float(rows["Left of it"].split(" ±")[0]))
        frame = frame_of(starless.desk.collected)
        assert {"Flux starless", "Spread"} <= set(frame.columns)
        if strength < 1:
            assert f"strength={strength}" in starless.desk.as_python()
    starless.desk.strength = 1.0
    assert left[1] - left[0] == pytest.approx(40, abs=1.1)  # as far as it is written


def test_the_picture_without_a_kernel_says_the_words_of_the_result(starless):
    assert "original, starless and stars" in still_of(starless.desk)["text/html"]


def test_a_place_that_was_not_found_is_collected_once(stars):
    stars.ask("run", settings={}, find={})
    # Far from every star: what is measured is the place itself.
    free = _free_place(fields.scene(200).truth)
    for _ in range(2):
        stars.ask("click", x=free[0], y=free[1])
    assert len(stars.desk.collected.clicked) == 1
    assert stars.last("sources")["rows"] == 1
    assert stars.last("seen")["row"] == 0


def _free_place(truth):
    rng = np.random.default_rng(1)
    at = np.stack([truth.x, truth.y], axis=1)
    places = rng.uniform(40, 160, (500, 2))
    away = [np.hypot(*(at - place).T).min() for place in places]
    return [float(v) for v in places[int(np.argmax(away))]]


def test_a_row_is_shown_without_being_collected_again(decam):
    n = len(decam.desk.collected.positions)
    decam.ask("select", row=3)
    table = decam.desk.collected.table
    seen = decam.last("seen")
    assert (
        np.hypot(seen["x"] - table["x"][3].value, seen["y"] - table["y"][3].value) < 2
    )
    assert seen["row"] == 3
    assert len(decam.desk.collected.positions) == n
    assert decam.ask("select", row=10_000) == []


def test_sources_of_the_simulated_sample_are_told_from_what_is_not_there():
    listener = Listener(samples.path("simulated"))
    listener.ask("run", settings={}, find={})
    listener.ask("find", find={})
    message, (x, y, r, kind) = listener.last_with_buffers("sources")
    match = listener.desk.collected.match
    assert len(x) == len(y) == len(r) == len(kind) == message["n"]
    assert (kind == 1).sum() == match.hit.sum() > 100
    assert (kind == 3).sum() == match.false.sum()
    missed = match.miss & ~(match.snr < 5)
    assert (kind == 2).sum() == missed.sum()
    assert message["rows"] == len(listener.desk.collected.table)
    # What was missed is no row: its rings come last.
    assert (kind[message["rows"] :] == 2).all()


def test_a_preview_is_shown_where_it_is_and_nowhere_else(stars):
    image = stars.desk.image
    stars.ask("preview", settings={}, block=[40, 120, 60, 200])
    scene = stars.last("scene")
    assert scene["result"]["kind"] == "preview"
    rest = stars.plane("rest")
    assert np.isfinite(rest[40:120, 60:200]).all()
    rest[40:120, 60:200] = np.nan
    assert np.isnan(rest).all()
    assert rest.shape == image.shape
    assert stars.desk.result is None


class Gate:
    """Holds the worker before a tile until it is opened."""

    def __init__(self, toy, at):
        self.reached, self.opened, self.at = threading.Event(), threading.Event(), at
        toy.hook["before_tile"] = self

    def __call__(self, done):
        if done == self.at:
            self.reached.set()
            assert self.opened.wait(LONG)


@pytest.fixture
def toy(toy_method, frame):
    listener = Listener(frame)
    listener.desk.session.choose("toy", level=7.0)
    listener.toy = toy_method
    yield listener
    toy_method.hook["before_tile"] = lambda done: None


def test_a_run_fills_the_view_tile_by_tile_and_says_how_far_it_is(toy):
    gate = Gate(toy.toy, at=4)
    start = len(toy.said)
    toy.desk.run()
    assert gate.reached.wait(LONG)
    live = toy.plane("live")
    frame = toy.desk.image.data
    assert toy.last("scene")["busy"] == "run"
    done = np.isfinite(live)
    assert 0.1 < done.mean() < 0.9
    np.testing.assert_array_equal(live[done], frame[done] - 7)
    gate.opened.set()
    assert toy.desk.session.wait(LONG)
    kinds = [m["type"] for m, _ in toy.said[start:]]
    assert "fresh" in kinds
    shares = [m["share"] for m, _ in toy.said[start:] if m["type"] == "progress"]
    assert [s for s in shares if s] == sorted(s for s in shares if s)
    assert "live" not in toy.last("scene")["planes"]


def test_cancel_keeps_what_was_done_and_says_so(toy):
    gate = Gate(toy.toy, at=4)
    toy.desk.run()
    assert gate.reached.wait(LONG)
    toy.desk.cancel()
    gate.opened.set()
    assert toy.desk.session.wait(LONG)
    scene = toy.last("scene")
    assert scene["result"]["kind"] == "partial"
    assert scene["busy"] == ""
    noise = toy.plane("noise")
    done = np.isfinite(noise)
    assert 0.1 < done.mean() < 0.9
    assert np.allclose(noise[done], 7, atol=1e-4)


def test_a_cancelled_run_does_not_cost_the_result_that_was_there(toy):
    toy.ask("run", settings={}, find={})
    before = toy.desk.result
    gate = Gate(toy.toy, at=2)
    toy.desk.run()
    assert gate.reached.wait(LONG)
    toy.desk.cancel()
    gate.opened.set()
    assert toy.desk.session.wait(LONG)
    assert toy.desk.session.result is before
    assert toy.last("scene")["result"]["kind"] == "run"


def test_two_runs_at_once_are_refused_in_words(toy):
    gate = Gate(toy.toy, at=2)
    toy.desk.run()
    assert gate.reached.wait(LONG)
    with pytest.raises(UsageError, match="a run is at work"):
        toy.desk.run()
    gate.opened.set()
    assert toy.desk.session.wait(LONG)
    assert toy.desk.result is not None


def test_a_method_that_fails_tells_why_and_leaves_nothing_half_done(toy):
    toy.ask("run", settings={"mood": "angry"}, find={})
    banner = toy.last("banner")
    assert "the toy is angry" in banner["text"]
    assert toy.last("scene")["busy"] == ""
    # A page that comes later is told too, until it was read.
    assert "banner" in [m["type"] for m in toy.ask("hello")]
    toy.ask("close_banner")
    assert "banner" not in [m["type"] for m in toy.ask("hello")]
    toy.ask("run", settings={"mood": "calm"}, find={})
    assert toy.desk.result is not None


def test_a_desk_that_is_closed_during_a_run_ends_it_and_says_nothing(toy):
    gate = Gate(toy.toy, at=2)
    toy.desk.run()
    assert gate.reached.wait(LONG)
    toy.desk.close()
    said = len(toy.said)
    gate.opened.set()
    assert toy.desk.session.wait(LONG)
    assert len(toy.said) == said


def test_two_desks_on_one_image_do_not_meet(toy_method, frame):
    first, second = Listener(frame), Listener(frame)
    for listener, level in ((first, 3.0), (second, 9.0)):
        listener.desk.session.choose("toy", level=level)
        listener.ask("run", settings={}, find={})
    assert np.allclose(first.plane("rest"), 3)
    assert np.allclose(second.plane("rest"), 9)


def test_every_method_has_its_form_the_toy_too(toy):
    scene = toy.ask("method", name="toy")[-1]
    assert {"level", "mood"} <= {row["name"] for row in scene["form"]}
    assert scene["words"] == ["Before", "After", "Toy"]
    scene = toy.ask("method", name="mesh")[-1]
    assert scene["models"] == []
    assert "sky_scale" in {row["name"] for row in scene["form"]}


def test_the_planes_of_a_stack_are_chosen(tmp_path, toy_method):
    cube = np.arange(3, dtype=np.float32)[:, None, None] * 100 + np.ones((3, 70, 80))
    fits.PrimaryHDU(cube.astype(np.float32)).writeto(tmp_path / "cube.fits")
    settings = bgrem_core.settings.OpenSettings(plane="all")
    listener = Listener(tmp_path / "cube.fits", settings=settings)
    listener.desk.session.choose("toy", level=1.0)
    listener.ask("hello")
    assert len(listener.last("scene")["stack"]["names"]) == 3
    assert (listener.plane("image") == 1).all()
    listener.ask("run", settings={}, find={})
    listener.ask("plane", index=2)
    assert listener.last("scene")["stack"]["index"] == 2
    assert (listener.plane("image") == 201).all()
    assert (listener.plane("rest") == 1).all()
    assert len(listener.desk.result.planes) == 3
    assert listener.ask("plane", index=9) == []


def test_checks_answer_with_a_verdict_and_something_to_look_at(decam):
    for name in ("blank_sky", "residual", "faint_flux"):
        decam.ask("check", name=name)
        check = decam.last("check")
        assert check["name"] == name
        assert check["verdict"]
        assert check["plots"]
        for plot in check["plots"]:
            for curve in plot.get("curves", ()):
                assert len(curve["x"]) == len(curve["y"]) > 0


def test_faint_flux_searches_first_where_nothing_was_searched(stars):
    stars.ask("run", settings={}, find={})
    stars.ask("check", name="faint_flux")
    assert stars.last("check") is not None
    assert len(stars.desk.collected.table) > 3
    assert stars.last("sources")["rows"] == len(stars.desk.collected.table)


def test_steps_start_at_the_image_and_end_at_the_cleaned_one():
    listener = Listener(samples.path("decam_i"))
    listener.ask("steps", settings={"steps": "3"}, x=60, y=70)
    message, frames = listener.last_with_buffers("steps")
    assert message["n"] == 3
    assert len(frames) == 2 * 3 + 1
    y0, x0 = message["y0"], message["x0"]
    part = (slice(y0, y0 + message["ny"]), slice(x0, x0 + message["nx"]))
    np.testing.assert_array_equal(frames[0], listener.desk.image.data[part])
    assert len(message["captions"]) == 4
    scatter = [np.median(np.abs(f - np.median(f))) for f in frames[:4]]
    assert scatter == sorted(scatter, reverse=True)
    assert scatter[3] < 0.5 * scatter[0]


def test_steps_of_a_method_without_any_are_refused(stars):
    stars.ask("steps", settings={}, x=10, y=10)
    assert "no steps" in stars.last("banner")["text"]


def test_save_asks_before_it_replaces_and_writes_all_or_nothing(stars, tmp_path):
    stars.ask("run", settings={}, find={})
    path = tmp_path / "out.fits"
    stars.ask("save", path=str(path))
    assert "Wrote" in stars.last("said")["text"]
    np.testing.assert_array_equal(fits.getdata(path), stars.desk.separation.cleaned)
    before = path.read_bytes()
    stars.ask("save", path=str(path))
    assert stars.last("ask")["what"] == "save"
    assert path.read_bytes() == before
    path.write_bytes(b"old")
    stars.ask("save", path=str(path), overwrite=True)
    np.testing.assert_array_equal(fits.getdata(path), stars.desk.separation.cleaned)
    stars.ask("save", path=str(tmp_path / "no" / "folder.fits"))
    assert stars.last("banner") is not None
    assert [p.name for p in tmp_path.iterdir()] == ["out.fits"]


@pytest.mark.parametrize("ending", [".ecsv", ".csv", ".fits", ".vot", ".reg"])
def test_export_writes_what_was_found_and_clicked(stars, tmp_path, ending):
    stars.ask("run", settings={}, find={})
    stars.ask("find", find={})
    free = _free_place(fields.scene(200).truth)
    stars.ask("click", x=free[0], y=free[1])
    path = tmp_path / f"sources{ending}"
    stars.ask("export", path=str(path))
    n = len(stars.desk.collected.positions)
    assert f"Wrote {n} sources" in stars.last("said")["text"]
    assert path.stat().st_size > 100
    stars.ask("export", path=str(path))
    assert stars.last("ask")["what"] == "export"
    stars.ask("export", path=str(tmp_path / "x.docx"))
    assert "docx" in stars.last("banner")["text"]


def test_what_is_asked_wrongly_is_answered_in_words(stars):
    cases = [
        ("click", {"x": 1, "y": 1}, "no result"),
        ("find", {}, "no result"),
        ("check", {"name": "blank_sky"}, "no result"),
        ("save", {"path": "x.fits"}, "no result"),
        ("run", {"settings": {"sky_scale": "much"}}, "much"),
        ("run", {"settings": {"tile": "1"}}, "out of range"),
        ("check", {"name": "nothing"}, "no check"),
        ("method", {"name": "magic"}, "magic"),
        ("goto", {"text": "over there"}, "over there"),
        ("model", {"name": "no-such-model"}, "no-such-model"),
        ("want", {"tiles": 5}, "TypeError"),
    ]
    for kind, message, word in cases:
        stars.ask(kind, **message)
        assert word in stars.last("banner")["text"], kind
    assert stars.ask("unheard of") == []
    assert stars.desk.result is None
    stars.ask("run", settings={}, find={})
    assert stars.desk.result is not None


def test_what_was_typed_wrongly_changes_nothing(stars):
    before = stars.desk.session.settings, stars.desk.session.find_settings
    stars.ask("run", settings={"sky_scale": "128"}, find={"threshold": "low"})
    assert (stars.desk.session.settings, stars.desk.session.find_settings) == before


def test_a_place_is_gone_to_by_pixels_and_by_the_sky(decam):
    decam.ask("goto", text="50, 60")
    assert (decam.last("center")["x"], decam.last("center")["y"]) == (50, 60)
    ra, dec = decam.desk.image.wcs.all_pix2world(80, 90, 0)
    decam.ask("goto", text=f"{ra:.7f}d {dec:.7f}d")
    assert abs(decam.last("center")["x"] - 80) < 0.01


def test_a_large_file_is_seen_before_it_was_read(tmp_path, monkeypatch):
    monkeypatch.setattr("bgrem_notebook.desk.LARGE", 1000)
    data = np.random.default_rng(0).normal(50, 3, (700, 600)).astype(np.float32)
    fits.PrimaryHDU(data).writeto(tmp_path / "large.fits")
    gate = threading.Event()
    real = bgrem_core.session.open_image

    def slow(*args, **kwargs):
        assert gate.wait(LONG)
        return real(*args, **kwargs)

    monkeypatch.setattr("bgrem_core.session.open_image", slow)
    listener = Listener(tmp_path / "large.fits")
    scene = [m for m in _hear(listener, "hello") if m["type"] == "scene"][-1]
    assert scene["busy"] == "loading"
    assert (scene["ny"], scene["nx"]) == (700, 600)
    _hear(listener, "want", tiles=[["image", scene["planes"]["image"], 2, 0, 0]])
    np.testing.assert_array_equal(
        listener.last_with_buffers("tiles")[1][0], data[::4, ::4]
    )
    # What is asked meanwhile is done as soon as it can be.
    listener.desk.session.choose("mesh")
    _hear(listener, "run", settings={}, find={})
    gate.set()
    deadline = threading.Event()
    for _ in range(600):
        if listener.desk.result is not None:
            break
        deadline.wait(0.1)
    assert listener.desk.session.wait(LONG)
    np.testing.assert_array_equal(listener.plane("image"), data)
    assert listener.desk.result is not None


def _hear(listener, kind, **message):
    from bgrem_notebook.hearing import hear

    start = len(listener.said)
    hear(listener.desk, {"type": kind, **message})
    return [m for m, _ in listener.said[start:]]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (np.full((50, 50), np.nan, np.float32), "finite"),
        (np.zeros((5, 50, 50), np.float32), "plane"),
        (np.zeros((3, 3), np.float32), "too small"),
    ],
)
def test_bad_images_are_refused_with_what_to_do(data, word):
    with pytest.raises(bgrem_core.errors.BGRemError, match=word):
        Listener(data)
