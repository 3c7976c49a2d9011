"""What is known of the errors of a network's background, and what becomes of it."""

import json

import numpy as np
import pytest
from gamma_maps import PSF, expected, photons

from bgrem_core.errors import ModelError
from bgrem_core.gamma.calibration import Calibration
from bgrem_core.gamma.psf import REACH
from bgrem_core.gamma.search import find_points, fit_points
from bgrem_core.model_card import ModelCard
from bgrem_core.models import find_card

CARD = find_card("gamma").as_dict()
ROWS = {"error": [[1.0, 0.08], [100.0, 0.04]], "kept": [[3.0, 0.9], [10.0, 1.0]]}
AT = np.array([32.0]), np.array([32.0])


def test_an_error_of_the_background_widens_that_of_the_photons_alone():
    background = np.full((64, 64), 20.0)
    counts = photons(expected((64, 64), [(32, 32, 300.0)], 20.0))
    plain = fit_points(counts, background, PSF, *AT)
    doubt = np.full_like(background, 0.05)
    wide = fit_points(counts, background, PSF, *AT, doubt=doubt)
    for name in ("counts", "ts", "place_err", "seen"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(plain, name))
    # One sigma more of the background moves the photons by this much.
    off = fit_points(counts, 1.05 * background, PSF, *AT)
    moved = float(plain.counts[0] - off.counts[0])
    assert moved > 0.5 * plain.counts_err[0]
    both = np.hypot(plain.counts_err[0], moved)
    assert wide.counts_err[0] == pytest.approx(both, rel=0.05)


def test_on_a_flat_background_it_is_the_sum_over_the_psf():
    background = np.full((64, 64), 8.0)
    counts = background.astype(np.float32)
    doubt = np.full_like(background, 0.1)
    wide = fit_points(counts, background, PSF, *AT, doubt=doubt)
    stamp = PSF.windows(np.zeros(1), np.zeros(1))[0][0]
    assert stamp.shape == (2 * REACH + 1,) * 2
    square = 8 / (stamp**2).sum() + (0.1 * 8 * stamp.sum() / (stamp**2).sum()) ** 2
    assert wide.counts_err[0] == pytest.approx(square**0.5, rel=1e-6)


def test_a_search_knows_it_too():
    background = np.full((64, 64), 20.0)
    counts = photons(expected((64, 64), [(32, 32, 900.0), (12, 50, 500.0)], 20.0))
    plain = find_points(counts, background, PSF)
    wide = find_points(counts, background, PSF, doubt=np.full((64, 64), 0.05))
    np.testing.assert_array_equal(wide.x, plain.x)
    np.testing.assert_array_equal(wide.ts, plain.ts)
    assert (wide.counts_err > plain.counts_err).all()


def test_the_error_follows_the_background_and_ends_where_it_was_measured():
    known = Calibration.of({"photons": ROWS})
    said = known.doubt(np.array([[0.0, 1.0], [10.0, 1e6]]))
    np.testing.assert_allclose(said, [[0.08, 0.08], [0.06, 0.04]])
    assert Calibration.of({}).doubt(np.ones((2, 2))) is None


def test_photons_are_given_back_what_the_background_took():
    counts = photons(expected((64, 64), [(32, 32, 60.0), (12, 50, 4000.0)], 4.0))
    at = np.array([32.0, 12.0]), np.array([32.0, 50.0])
    plain = fit_points(counts, np.full((64, 64), 4.0), PSF, *at)
    fixed = Calibration.of({"photons": ROWS}).corrected(plain)
    ratio = plain.counts / plain.counts_err
    share = np.interp(ratio, [3, 10], [0.9, 1.0])
    assert share[0] < 1
    assert share[1] == 1
    np.testing.assert_allclose(fixed.counts, plain.counts / share)
    np.testing.assert_allclose(fixed.counts_err, plain.counts_err / share)
    np.testing.assert_array_equal(fixed.ts, plain.ts)
    assert Calibration().corrected(plain) is plain


def test_a_card_carries_it():
    card = ModelCard.from_dict({**CARD, "calibration": {"photons": ROWS}})
    again = ModelCard.from_dict(json.loads(json.dumps(card.as_dict())))
    assert again.calibration == card.calibration
    assert Calibration.of(again.calibration).kept == ((3.0, 0.9), (10.0, 1.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kept": []}, "kept, is no table"),
        ({"error": [[1.0, 0.1], [1.0, 0.2]]}, "error, is out of range"),
        ({"error": [[1.0, -0.1]]}, "error, is out of range"),
        ({"kept": [[1.0, 1.1]]}, "kept, is out of range"),
        ({"kept": [[1.0, float("nan")]]}, "kept, is no table"),
        ({"more": []}, "is not error and kept"),
    ],
)
def test_a_card_with_another_one_is_refused(change, words):
    with pytest.raises(ModelError, match=words):
        ModelCard.from_dict({**CARD, "calibration": {"photons": {**ROWS, **change}}})
