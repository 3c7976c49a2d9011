import numpy as np
import pytest
from astropy.visualization import ZScaleInterval

from bgrem_core.simulate.satellites import draw_frame
from bgrem_core.zscale import CLIP, normalise, zscale_limits

RNG = np.random.default_rng(1)
ODD = {
    "few": RNG.normal(size=7),
    "normal": RNG.normal(100, 3, (40, 52)),
    "integers": RNG.poisson(3, (64, 64)),
    "half bright": np.r_[np.zeros(900), RNG.uniform(1e3, 1e5, 900)],
    "bright": RNG.pareto(0.7, (90, 90)),
    "constant": np.full((9, 9), 4.0),
    "nan": np.where(RNG.uniform(size=2500) < 0.1, np.nan, RNG.normal(size=2500)),
    "big-endian": RNG.normal(300, 9, (64, 64)).astype(">f4"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Input data contains invalid")
@pytest.mark.parametrize("name", list(ODD))
def test_limits_of_odd_pixels_are_those_of_astropy(name):
    wanted = ZScaleInterval().get_limits(ODD[name])
    assert zscale_limits(ODD[name]) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_limits_of_frames_are_those_of_astropy(seed):
    frame = draw_frame(np.random.default_rng([2, seed]), (96, 128)).raw
    wanted = ZScaleInterval().get_limits(frame.astype(np.float64))
    assert zscale_limits(frame) == pytest.approx(wanted, rel=1e-9)


def test_a_normalised_frame_has_mean_0_and_variance_1_and_can_be_turned_back():
    for k in range(8):
        frame = draw_frame(np.random.default_rng([3, k])).raw
        x, offset, scale = normalise(frame)
        assert x.dtype == np.float32
        assert abs(float(x.mean(dtype=np.float64))) < 1e-5
        assert x.std(dtype=np.float64) == pytest.approx(1, abs=1e-5)
        low, high = zscale_limits(frame)
        ends = [low + c * (high - low) for c in CLIP]
        whole = (frame > ends[0]) & (frame < ends[1])
        assert whole.mean() > 0.8
        np.testing.assert_allclose(
            (x * scale + offset)[whole], frame[whole], rtol=1e-5, atol=1e-4 * scale
        )
        # Outside the cut the nearest end is left.
        if np.any(frame >= ends[1]):
            assert x[frame >= ends[1]] * scale + offset == pytest.approx(
                ends[1], rel=1e-4
            )


def test_normalisation_follows_gain_and_offset():
    frame = draw_frame(np.random.default_rng(4)).raw
    x, offset, scale = normalise(frame)
    y, moved, stretched = normalise(2.5 * frame.astype(np.float64) + 1000)
    np.testing.assert_allclose(x, y, atol=2e-5)
    assert (moved, stretched) == pytest.approx((2.5 * offset + 1000, 2.5 * scale))


def test_a_frame_of_one_value_becomes_zero():
    x, offset, scale = normalise(np.full((8, 8), 7.0))
    assert not x.any()
    assert (offset, scale) == (7.0, 1.0)


def test_limits_without_a_finite_pixel_are_zero():
    assert zscale_limits(np.full((3, 3), np.nan)) == (0.0, 0.0)
