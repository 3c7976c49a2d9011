import numpy as np
import pytest

from bgrem_core.errors import UsageError
from bgrem_core.schedule import INFERENCE, TRAINING, levels


def test_the_levels_are_those_computed_by_hand():
    # acos(0.98) = 0.200335 rad, acos(0.01) = 1.560796 rad.
    assert INFERENCE.sigma(0) == pytest.approx(0.1989975, abs=1e-7)  # sqrt(1 - 0.98^2)
    assert INFERENCE.sigma(1) == pytest.approx(0.9999500, abs=1e-7)  # sqrt(1 - 0.01^2)
    # sin(0.5 * (0.2003348 + 1.5607962)) = sin(0.8805655)
    assert INFERENCE.sigma(0.5) == pytest.approx(0.7710991, abs=1e-6)
    # sin(0.5 * (0.2003348 + 1.5707963)) = sin(0.8855656)
    assert TRAINING.sigma(0.5) == pytest.approx(0.7742730, abs=1e-6)
    assert TRAINING.sigma(1) == 1.0


def test_one_step_runs_from_the_image_to_the_last_level():
    np.testing.assert_allclose(levels(1), [0.99995, 0.1989975], atol=1e-7)


@pytest.mark.parametrize("n", [1, 3, 15])
def test_n_steps_have_n_plus_one_falling_levels_equal_in_angle(n):
    sigmas = levels(n)
    assert len(sigmas) == n + 1
    assert np.all(np.diff(sigmas) < 0)
    np.testing.assert_allclose(np.diff(np.arcsin(sigmas), 2), 0, atol=1e-12)


def test_less_than_one_step_is_refused():
    with pytest.raises(UsageError, match="steps=0 is not at least 1"):
        levels(0)
