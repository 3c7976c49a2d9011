from itertools import pairwise

import numpy as np
import pytest

from bgrem_core.errors import UsageError
from bgrem_core.sampler import sample
from bgrem_core.schedule import levels


@pytest.mark.parametrize("n", [1, 2, 3, 6, 15])
def test_an_oracle_recovers_the_truth_in_any_number_of_steps(n):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 30, (16, 16))
    noise = rng.normal(0, 1, (16, 16))
    sigmas = levels(n)
    out = sample(lambda x, s: noise, truth + sigmas[0] * noise, sigmas)
    np.testing.assert_allclose(out, truth, atol=1e-12)


def test_a_gaussian_prior_gives_its_closed_form():
    # y ~ N(0, p), x_t = y + s x: E[x | x_t] = s x_t / (p + s^2). Each step multiplies
    # by a known factor, so the whole path does.
    prior, sigmas = 4.0, levels(5)
    x = np.random.default_rng(1).normal(0, 2, 100)
    out = sample(lambda x, s: s * x / (prior + s * s), x, sigmas)
    factor = 1.0
    for now, after in pairwise(sigmas[:-1]):
        factor *= (prior + now * after) / (prior + now**2)
    factor *= prior / (prior + sigmas[-2] ** 2)
    np.testing.assert_allclose(out, factor * x, rtol=1e-12)


def test_one_step_with_a_gaussian_prior_is_the_conditional_mean():
    rng = np.random.default_rng(2)
    truth = rng.normal(0, 2, 200_000)
    seen = truth + rng.normal(0, 1, truth.size)
    out = sample(lambda x, s: s * x / (4 + s * s), seen, [1.0, 0.2])
    assert np.polyfit(seen, truth, 1)[0] == pytest.approx(np.mean(out / seen), abs=0.01)


def test_tensors_work_and_keep_their_type():
    torch = pytest.importorskip("torch")
    x = torch.ones(1, 1, 4, 4)
    out = sample(lambda x, s: 0.5 * x, x, levels(3))
    assert isinstance(out, torch.Tensor)
    assert out.dtype == torch.float32


def test_float32_images_are_not_widened():
    out = sample(lambda x, s: x / 2, np.ones((4, 4), np.float32), levels(3))
    assert out.dtype == np.float32


def test_a_single_level_is_refused():
    with pytest.raises(UsageError, match="make no step"):
        sample(lambda x, s: x, np.ones(3), [1.0])


def test_a_watcher_sees_each_step_and_changes_nothing():
    x = np.random.default_rng(0).normal(0, 1, (8, 8))
    seen = []
    sigmas = [1.0, 0.6, 0.2, 0.0]

    def denoise(z, sigma):
        return 0.5 * z / sigma

    plain = sample(denoise, x, sigmas)
    watched = sample(denoise, x, sigmas, watch=lambda *told: seen.append(told))
    np.testing.assert_array_equal(plain, watched)
    assert [sigma for _, _, sigma in seen] == sigmas[:-1]
    np.testing.assert_array_equal(seen[-1][0], plain)
    # By hand: x1 = x - 1.0 x_hat + 0.6 x_hat with x_hat = x / 2.
    np.testing.assert_allclose(seen[0][0], x - 0.4 * x / 2)
