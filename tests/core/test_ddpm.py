import numpy as np
import pytest

from bgrem_core.ddpm import (
    ALPHA_BAR,
    BETA,
    STEPS,
    diffuse,
    kept_fraction,
    noise_ratio,
    one_step,
    reverse_step,
    tweedie,
)
from bgrem_core.errors import UsageError


def slow_alpha_bar(t):
    kept = 1.0
    for k in range(t + 1):
        kept *= 1 - (1e-4 + k * (0.02 - 1e-4) / 999)
    return kept


def gaussian(variance, mean=0.0):
    """Return the exact noise predictor for pixels drawn from a normal prior."""

    def predict(x_t, t):
        a = ALPHA_BAR[t.astype(int)][:, None, None, None]
        away = x_t - np.sqrt(a) * mean
        return (np.sqrt(1 - a) * away / (a * variance + 1 - a)).astype(np.float32)

    return predict


@pytest.mark.parametrize("t", [0, 1, 100, 150, 250, 400, 499, 999])
def test_the_schedule_is_the_product_of_its_steps(t):
    assert ALPHA_BAR[t] == pytest.approx(slow_alpha_bar(t), rel=1e-12)
    assert noise_ratio(t) == pytest.approx(1 / slow_alpha_bar(t) - 1, rel=1e-9)


def test_the_schedule_is_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=STEPS)
    np.testing.assert_allclose(BETA, scheduler.betas.numpy(), rtol=1e-5)
    np.testing.assert_allclose(ALPHA_BAR, scheduler.alphas_cumprod.numpy(), rtol=1e-4)


def slow_step(x, t, eps, noise):
    """Equations 7 and 11 of Ho et al., pixel by pixel, from the x0 that eps implies."""
    beta = 1e-4 + t * (0.02 - 1e-4) / 999
    kept, before = slow_alpha_bar(t), slow_alpha_bar(t - 1) if t else 1.0
    x0 = (x - (1 - kept) ** 0.5 * eps) / kept**0.5
    mean = before**0.5 * beta / (1 - kept) * x0
    mean += (1 - beta) ** 0.5 * (1 - before) / (1 - kept) * x
    return mean + (beta * (1 - before) / (1 - kept)) ** 0.5 * noise


@pytest.mark.parametrize("t", [0, 1, 150, 499, 999])
def test_a_reverse_step_is_that_of_the_equations(t):
    x, eps, noise = np.random.default_rng(9).normal(size=(3, 4, 1, 5, 6))
    found = reverse_step(x.astype("f4"), t, eps, noise)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_step(x, t, eps, noise), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("t", [0, 1, 150, 999])
def test_a_reverse_step_is_that_of_diffusers(t, monkeypatch):
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    from diffusers.schedulers import scheduling_ddpm

    scheduler = diffusers.DDPMScheduler(num_train_timesteps=STEPS, clip_sample=False)
    scheduler.set_timesteps(STEPS)
    x, eps, noise = np.random.default_rng(10).normal(size=(3, 2, 1, 5, 6))
    given = torch.from_numpy(noise)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: given)
    theirs = scheduler.step(torch.from_numpy(eps), t, torch.from_numpy(x)).prev_sample
    ours = reverse_step(x.astype("f4"), t, eps, noise)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=2e-5)


def test_the_schedule_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        ALPHA_BAR[0] = 1


def test_kept_fractions_are_those_of_the_measured_table():
    # White noise of 0.71: what theory gave beside the measured 0.17 to 0.93.
    kept = kept_fraction([100, 150, 250, 400, 499], 0.71)
    np.testing.assert_allclose(kept, [0.19, 0.35, 0.65, 0.89, 0.96], atol=0.006)


def test_diffused_frames_have_the_variance_of_their_time():
    rng = np.random.default_rng(1)
    x0 = rng.normal(0, 1, (3, 1, 200, 200)).astype(np.float32)
    noise = rng.standard_normal(x0.shape, dtype=np.float32)
    x_t = diffuse(x0, [0, 250, 999], noise)
    assert x_t.dtype == np.float32
    assert x_t.var(axis=(1, 2, 3)) == pytest.approx([1, 1, 1], abs=0.03)
    share = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(x_t, x0, strict=True)
    ]
    np.testing.assert_allclose(share, np.sqrt(ALPHA_BAR[[0, 250, 999]]), atol=0.02)


def test_the_true_noise_gives_the_frame_back():
    rng = np.random.default_rng(2)
    x0 = rng.normal(0, 1, (2, 1, 20, 20)).astype(np.float32)
    noise = rng.standard_normal(x0.shape, dtype=np.float32)
    back = tweedie(diffuse(x0, [30, 400], noise), [30, 400], noise)
    np.testing.assert_allclose(back, x0, atol=1e-5)


@pytest.mark.parametrize("t", [100, 250, 400])
@pytest.mark.parametrize("samples", [1, 6, 7])
def test_the_map_of_a_gaussian_world_leaves_the_theoretical_fraction(t, samples):
    rng = np.random.default_rng(3)
    white = 0.71
    x = rng.normal(0, white, (64, 64)).astype(np.float32)
    x[20, 30] += 3.0
    mean, spread = one_step(gaussian(white**2), x, t, samples, rng, batch=4)
    kept = float(kept_fraction(t, white))
    assert mean.shape == spread.shape == x.shape
    # Estimates are linear in the draws here, and draws come in pairs of opposite sign.
    lone = samples % 2 * (1 - kept) * np.sqrt(noise_ratio(t)) / samples
    np.testing.assert_allclose(mean, (1 - kept) * x, atol=1e-4 + 5 * lone)
    assert spread.max() < 1e-4


@pytest.mark.parametrize("t", [50, 250, 400])
@pytest.mark.parametrize("samples", [1, 5, 6])
def test_without_the_share_of_the_noise_the_background_alone_is_mapped(t, samples):
    rng = np.random.default_rng(4)
    background = rng.normal(0, 1, (32, 32)).astype(np.float32)
    x = background + rng.normal(0, 0.5, (32, 32)).astype(np.float32)
    x[9, 20] += 40
    predict = gaussian(0.25, background)
    mean, _ = one_step(predict, x, t, samples, rng, noise=0.5)
    # Also of a single draw: what is known leaves nothing to chance.
    np.testing.assert_allclose(mean, background, atol=3e-4)
    plain, _ = one_step(predict, x, t, 6, rng)
    kept = float(kept_fraction(t, 0.5))
    wanted = background + (1 - kept) * (x - background)
    np.testing.assert_allclose(plain, wanted, atol=3e-4)


def either(x_t, t):
    """Return the exact predictor for pixels that are 1 or -1: its estimates bend."""
    a = ALPHA_BAR[t.astype(int)][:, None, None, None]
    x0 = np.tanh(x_t * np.sqrt(a) / (1 - a))
    return ((x_t - np.sqrt(a) * x0) / np.sqrt(1 - a)).astype(np.float32)


@pytest.mark.parametrize(("samples", "noise"), [(8, 0), (20, 0.4)])
def test_the_spread_tells_the_error_of_a_finite_number_of_draws(samples, noise):
    x = np.full((40, 40), 0.3, np.float32)
    maps = [
        one_step(either, x, 300, samples, np.random.default_rng([k, 5]), noise=noise)
        for k in range(12)
    ]
    scatter = np.std([m for m, _ in maps], axis=0, ddof=1)
    told = np.sqrt(np.mean([s.astype(float) ** 2 for _, s in maps])) / samples**0.5
    assert told == pytest.approx(np.sqrt(np.mean(scatter**2)), rel=0.03)


def test_pairs_of_draws_leave_less_to_chance():
    x = np.full((60, 60), 0.3, np.float32)
    mean, _ = one_step(either, x, 300, 20, np.random.default_rng(1))
    singles = [
        one_step(either, x, 300, 1, np.random.default_rng([2, k]))[0] for k in range(20)
    ]
    assert mean.std() < 0.7 * np.mean(singles, axis=0).std()


def test_the_batch_changes_memory_and_not_the_map():
    x = np.random.default_rng(5).normal(size=(16, 16)).astype(np.float32)
    maps = [
        one_step(either, x, 300, 7, np.random.default_rng(6), noise=0.2, batch=b)
        for b in (1, 3, 50)
    ]
    for mean, spread in maps[1:]:
        np.testing.assert_allclose(mean, maps[0][0], atol=1e-6)
        np.testing.assert_allclose(spread, maps[0][1], atol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_fewer_than_two_pairs_know_no_spread(samples):
    x = np.zeros((8, 8), np.float32)
    _, spread = one_step(either, x, 300, samples, np.random.default_rng(7))
    assert not spread.any()


def test_a_network_is_asked_in_its_own_types():
    seen = []

    def predict(x_t, t):
        seen.append((x_t.dtype, x_t.shape, t.dtype, t.shape, set(t)))
        return x_t

    one_step(predict, np.zeros((8, 12)), 40, 3, np.random.default_rng(8), batch=2)
    single = np.dtype("f4")
    assert seen == [
        (single, (2, 1, 8, 12), single, (2,), {40.0}),
        (single, (1, 1, 8, 12), single, (1,), {40.0}),
    ]


@pytest.mark.parametrize("t", [-1, 1000, 2.5])
def test_a_time_outside_the_schedule_is_refused(t):
    with pytest.raises(UsageError, match="whole number from 0 to 999"):
        kept_fraction(t, 1.0)


def test_no_draws_are_refused():
    with pytest.raises(UsageError, match="samples=0"):
        one_step(gaussian(1), np.zeros((4, 4)), 3, 0, np.random.default_rng(0))
