"""Session: one run as a window sees it, without a window."""

import dataclasses
import threading

import numpy as np
import pytest

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.io import open_image
from bgrem_core.methods import METHODS
from bgrem_core.session import Session

LONG = 20.0


@pytest.fixture
def session(toy_method, frame):
    session = Session(frame)
    session.choose("toy", level=7.0)
    yield session
    session.cancel()
    assert session.wait(LONG), "the worker did not end"


class Gate:
    """Holds the worker before a tile until it is opened."""

    def __init__(self, toy, at):
        self.reached, self.opened = threading.Event(), threading.Event()
        self.at = at
        toy.hook["before_tile"] = self

    def __call__(self, done):
        if done == self.at:
            self.reached.set()
            assert self.opened.wait(LONG)


def test_a_run_ends_done_with_a_result_that_adds_up(session, frame):
    states, results = [], []
    session.state_changed.connect(states.append)
    session.result_changed.connect(results.append)
    session.start()
    assert session.wait(LONG)
    assert states == ["running", "done"]
    assert results == [session.result]
    np.testing.assert_array_equal(session.result.cleaned, frame - np.float32(7))
    assert session.partial is None


def test_work_is_done_on_another_thread(session):
    threads = []
    session.progressed.connect(lambda step: threads.append(threading.get_ident()))
    session.start()
    assert session.wait(LONG)
    assert threads
    assert threading.get_ident() not in threads


def test_cancel_stops_after_the_current_tile_and_leaves_what_was_done(
    session, toy_method, frame
):
    gate = Gate(toy_method, at=3)
    states = []
    session.state_changed.connect(states.append)
    session.start()
    assert gate.reached.wait(LONG)
    session.cancel()
    gate.opened.set()
    assert session.wait(LONG)
    assert states == ["running", "cancelling", "idle"]
    assert session.result is None
    done = np.isfinite(session.partial)
    assert 0 < done.mean() < 1
    np.testing.assert_array_equal(session.partial[done], (frame - np.float32(7))[done])


def test_the_newest_run_wins(session, toy_method, frame):
    gate = Gate(toy_method, at=2)
    results = []
    session.result_changed.connect(results.append)
    session.start()
    assert gate.reached.wait(LONG)
    session.choose("toy", level=1.0)
    session.start()
    session.choose("toy", level=2.0)
    session.start()
    gate.opened.set()
    assert session.wait(LONG)
    assert len(results) == 1
    np.testing.assert_array_equal(results[0].cleaned, frame - np.float32(2))


def test_an_error_is_kept_and_told_and_the_next_run_works(session):
    errors = []
    session.failed.connect(errors.append)
    session.choose("toy", mood="angry")
    session.start()
    assert session.wait(LONG)
    assert session.state == "failed"
    assert errors == [session.error]
    assert isinstance(session.error, BGRemError)
    assert "the toy is angry" in str(session.error)
    session.choose("toy")
    session.start()
    assert session.wait(LONG)
    assert (session.state, session.error) == ("done", None)


def test_two_sessions_on_one_image_do_not_disturb_each_other(toy_method, frame):
    before = frame.copy()
    pair = [Session(frame), Session(frame)]
    for level, one in enumerate(pair, start=1):
        one.choose("toy", level=float(level))
        one.start()
    assert all(one.wait(LONG) for one in pair)
    for level, one in enumerate(pair, start=1):
        np.testing.assert_array_equal(one.result.cleaned, frame - np.float32(level))
    np.testing.assert_array_equal(frame, before)


def test_a_preview_is_of_the_rectangle_and_is_not_the_result(session, frame):
    session.preview((slice(20, 90), slice(30, 110)))
    assert session.wait(LONG)
    assert session.state == "done"
    assert session.result is None
    np.testing.assert_array_equal(
        session.previewed.cleaned, frame[20:90, 30:110] - np.float32(7)
    )


def test_a_preview_keeps_the_noise_of_the_whole_frame(frame):
    import bgrem_core

    session = Session(frame)
    session.choose("mesh")
    session.preview((slice(20, 90), slice(30, 110)))
    assert session.wait(LONG)
    whole = bgrem_core.clean(frame, method="mesh").scale
    assert session.previewed.scale.median_sigma == whole.median_sigma
    np.testing.assert_array_equal(
        session.previewed.scale.sigma[0:70, 0:80], whole.sigma[20:90, 30:110]
    )


def test_a_preview_says_that_it_is_one_and_changes_nothing_of_the_run(frame):
    import bgrem_core

    session = Session(frame)
    session.choose("bgrem", norm=1.0, sky_scale=100)
    session.preview((slice(20, 90), slice(30, 110)))
    assert session.wait(LONG)
    assert session.previewed.provenance.sky.endswith("(preview)")
    assert any("preview" in n for n in session.previewed.notices)
    session.start()
    assert session.wait(LONG)
    expected = bgrem_core.clean(frame, norm=1.0, sky_scale=100)
    np.testing.assert_array_equal(session.result.cleaned, expected.cleaned)


def test_sources_are_searched_by_the_method_that_made_the_result(session):
    session.start()
    assert session.wait(LONG)
    session.choose("bgrem")
    session.find()
    assert session.wait(LONG)
    assert session.state == "done"
    assert len(session.sources) == 1


def test_a_listener_that_raises_does_not_end_the_worker(session):
    def refuse(state):
        raise RuntimeError("a view in trouble")

    session.state_changed.connect(refuse)
    session.start()
    assert session.wait(LONG)
    session.state_changed.disconnect(refuse)
    session.start()
    assert session.wait(LONG)
    assert session.state == "done"


def test_a_cancelled_run_that_then_fails_is_no_failure(session, toy_method):
    reached, opened = threading.Event(), threading.Event()

    def fail(done):
        reached.set()
        assert opened.wait(LONG)
        raise RuntimeError("late")

    toy_method.hook["before_tile"] = fail
    errors = []
    session.failed.connect(errors.append)
    session.start()
    assert reached.wait(LONG)
    session.cancel()
    opened.set()
    assert session.wait(LONG)
    assert (session.state, errors) == ("idle", [])


def test_the_python_text_says_how_the_file_was_opened(toy_method, frame, tmp_path):
    from astropy.io import fits

    from bgrem_core.settings import OpenSettings

    path = tmp_path / "two.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(frame), fits.ImageHDU(frame + 1)]
    fits.HDUList(hdus).writeto(path)
    session = Session()
    session.choose("toy")
    session.open(path, OpenSettings(hdu="2", gain=2.0))
    assert session.wait(LONG)
    session.start()
    assert session.wait(LONG)
    scope = {}
    exec(session.as_python(), scope)  # noqa: S102 - that it runs is the point
    np.testing.assert_array_equal(scope["result"].cleaned, session.result.cleaned)
    assert scope["result"].image.gain == 2.0


def test_at_most_two_blocks_are_ahead_of_a_view_that_acknowledges(toy_method, frame):
    session = Session(frame, acknowledge=True)
    session.choose("toy")
    seen, third = [], threading.Event()
    two = threading.Event()

    def receive(step):
        seen.append(step)
        if len(seen) == 2:
            two.set()
        if len(seen) == 3:
            third.set()

    session.progressed.connect(receive)
    session.start()
    assert two.wait(LONG)
    assert not third.wait(0.3)
    for _ in range(40):
        session.acknowledge()
    assert session.wait(LONG)
    assert session.state == "done"


def test_a_view_that_stops_acknowledging_can_still_cancel(toy_method, frame):
    session = Session(frame, acknowledge=True)
    session.choose("toy")
    two, seen = threading.Event(), []
    session.progressed.connect(lambda s: (seen.append(s), len(seen) == 2 and two.set()))
    session.start()
    assert two.wait(LONG)
    session.cancel()
    assert session.wait(LONG)
    assert session.state == "idle"


def test_nothing_starts_without_an_image(toy_method):
    with pytest.raises(UsageError, match="no image"):
        Session().start()


def test_inspecting_without_a_result_is_refused(session):
    with pytest.raises(UsageError, match="no result yet"):
        session.inspect(3, 4)


def test_find_fills_the_sources(session):
    session.start()
    assert session.wait(LONG)
    session.find()
    assert session.wait(LONG)
    assert len(session.sources) == 1


def test_opening_another_image_drops_the_old_result(session, frame):
    session.start()
    assert session.wait(LONG)
    session.open(frame[:100])
    assert session.wait(LONG)
    assert session.image.shape == (100, 260)
    assert session.result is None


def test_the_python_text_gives_the_same_result(session, frame):
    session.start()
    assert session.wait(LONG)
    text = session.as_python()
    assert "method='toy', level=7.0" in text
    scope = {"image": frame}
    exec(text, scope)  # noqa: S102 - that it runs is the point
    np.testing.assert_array_equal(scope["result"].cleaned, session.result.cleaned)


def test_tiles_in_view_come_first_and_the_result_is_the_same(frame):
    settings = {"tile": 128, "margin": 32, "threads": 1}
    here = slice(70, 190), slice(190, 260)
    plain, steered = Session(frame), Session(frame)
    first = []
    for session in (plain, steered):
        session.choose("bgrem", **settings)
    steered.view = here
    steered.progressed.connect(
        lambda step: first.append(step.tile.keep) if step.tile else None
    )
    for session in (plain, steered):
        session.start()
        assert session.wait(3 * LONG)

    def seen(keep):
        return all(
            k.start < v.stop and v.start < k.stop
            for k, v in zip(keep, here, strict=True)
        )

    inside = [seen(keep) for keep in first]
    assert any(inside)
    assert not all(inside)
    assert inside == sorted(inside, reverse=True)
    np.testing.assert_array_equal(steered.result.cleaned, plain.result.cleaned)
    np.testing.assert_array_equal(steered.result.flags, plain.result.flags)


def test_a_view_that_moves_while_a_run_is_at_work_turns_the_order(frame):
    session = Session(frame)
    session.choose("bgrem", tile=128, margin=32, threads=1)
    order = []

    def look(step):
        if step.tile is not None:
            order.append(step.tile.index)
            session.view = slice(0, 1), slice(0, 1)

    session.view = slice(199, 200), slice(259, 260)
    session.progressed.connect(look)
    session.start()
    assert session.wait(3 * LONG)
    assert order[0] == max(order)
    assert order[1] == (0, 0)


def test_the_noise_is_measured_without_a_run_and_kept_for_previews(frame):
    session = Session(frame)
    told = []
    session.scale_changed.connect(told.append)
    session.choose("bgrem", threads=1)
    session.estimate()
    assert session.wait(LONG)
    assert session.state == "idle"
    assert session.result is None
    assert told[0].median_sigma == pytest.approx(5, rel=0.05)
    session.preview((slice(0, 64), slice(0, 64)))
    assert session.wait(LONG)
    assert session.previewed.scale.median_sigma == told[0].median_sigma
    session.choose("bgrem", norm=0.1, threads=1)
    session.estimate()
    assert session.wait(LONG)
    assert told[1].median_sigma == pytest.approx(10)


def test_work_that_is_cancelled_before_it_began_ends_idle(session, monkeypatch):
    states = []
    session.state_changed.connect(states.append)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        session.start()
        session.cancel()
    assert states == ["idle"]
    session._loop()  # the thread, late: there is nothing for it to do
    assert states == ["idle"]
    assert session.result is None


def test_something_else_is_done_on_the_worker_and_handed_over(session):
    threads, got = [], []

    def action():
        threads.append(threading.current_thread())
        return 42

    session.call("think", action, got.append)
    assert session.wait(LONG)
    assert got == [42]
    assert threads[0] is not threading.current_thread()
    assert session.state == "idle"
    session.start()
    session.wait(LONG)
    session.call("think", action, got.append)
    assert session.wait(LONG)
    assert session.state == "done"
    assert session.result is not None


def test_what_fails_there_is_told_like_a_run_that_fails(session):
    errors = []
    session.failed.connect(errors.append)
    session.call("think", lambda: 1 / 0, errors.append)
    assert session.wait(LONG)
    assert "ZeroDivisionError" in str(errors[0])
    assert len(errors) == 1


def test_an_image_that_is_open_already_takes_the_place_of_the_last(session, frame):
    session.start()
    assert session.wait(LONG)
    image = open_image(frame + 1)
    session.take(image)
    assert session.image is image
    assert session.result is session.sources is session.partial is None


def test_a_result_at_another_strength_can_be_searched(session):
    session.start()
    assert session.wait(LONG)
    other = dataclasses.replace(session.result, notices=("other",))
    seen = []
    real = session.chosen

    def find(result, settings):
        seen.append(result)
        return real.find(result, settings)

    # The fixture puts the old table of methods back.
    METHODS["toy"] = dataclasses.replace(real, find=find)
    session.find(other)
    assert session.wait(LONG)
    assert seen == [other]
