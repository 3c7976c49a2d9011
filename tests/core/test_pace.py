"""Pace: what a progress bar says."""

import math

import numpy as np
import pytest

from bgrem_core.pace import Pace, duration
from bgrem_core.progress import Progress


def walk(stage="tiles", *, seconds=3.0, steps=4, total=10, block=None):
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    pace.take(Progress(stage=stage, done=0, total=total))
    for k in range(1, steps + 1):
        now[0] += seconds
        pace.take(Progress(stage=stage, done=k, total=total, block=block))
    return pace


def test_time_left_is_steps_left_times_the_mean_of_a_step():
    pace = walk(seconds=3, steps=4, total=10)
    assert pace.share == pytest.approx(0.4)
    assert pace.left == pytest.approx(18)
    assert "4 of 10" in pace.text()
    assert "18 s left" in pace.text()


def test_nothing_is_promised_before_there_is_a_rate():
    assert math.isnan(walk(seconds=0.1, steps=3).left)
    assert math.isnan(walk(steps=0).left)
    assert "left" not in walk(steps=0).text()


def test_the_rate_counts_pixels_of_tiles():
    pace = walk(seconds=2, steps=3, block=np.zeros((1000, 1000), np.float32))
    assert pace.rate == pytest.approx(0.5)
    assert "0.5 Mpix/s" in pace.text()


def test_a_new_stage_starts_a_new_clock():
    pace = walk(seconds=3, steps=4)
    pace.take(Progress(stage="sky", done=1, total=5))
    assert math.isnan(pace.left)
    assert pace.text().startswith("Measuring the sky")


def test_a_plane_of_a_stack_is_named():
    pace = Pace()
    pace.take(Progress(stage="tiles, plane 2 of 3", done=1, total=4))
    assert pace.text() == "Removing the noise, plane 2 of 3 · 1 of 4"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (100, "2 min"),
        (3600, "1 h 00 min"),
        (5000, "1 h 23 min"),
    ],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
