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
def test_the_map_of_a_gaussian_world_leaves_the_theoretical_fraction(t):
    rng = np.random.default_rng(3)
    white = 0.71
    x = rng.normal(0, white, (64, 64)).astype(np.float32)
    x[20, 30] += 3.0
    samples = 200
    mean, spread = one_step(gaussian(white**2), x, t, samples, rng, batch=16)
    kept = float(kept_fraction(t, white))
    assert mean.shape == spread.shape == x.shape
    np.testing.assert_allclose(
        mean, (1 - kept) * x, atol=5 * (1 - kept) * np.sqrt(noise_ratio(t) / samples)
    )
    slope = np.sum((x - mean) * x) / np.sum(x * x)
    assert slope == pytest.approx(kept, abs=0.01)
    # The estimate is linear: its scatter is that of the noise that was added.
    wanted = (1 - kept) * np.sqrt(noise_ratio(t))
    assert float(np.mean(spread)) == pytest.approx(wanted, rel=0.02)


def test_what_is_sure_stays_in_the_map():
    rng = np.random.default_rng(4)
    background = rng.normal(0, 1, (32, 32)).astype(np.float32)
    x = background + rng.normal(0, 0.5, (32, 32)).astype(np.float32)
    mean, _ = one_step(gaussian(0.25, background), x, 400, 400, rng, batch=50)
    kept = float(kept_fraction(400, 0.5))
    np.testing.assert_allclose(
        mean, background + (1 - kept) * (x - background), atol=0.08
    )


def test_the_batch_changes_memory_and_not_the_map():
    x = np.random.default_rng(5).normal(size=(16, 16)).astype(np.float32)
    maps = [
        one_step(gaussian(0.5), x, 300, 7, np.random.default_rng(6), batch=b)
        for b in (1, 3, 50)
    ]
    for mean, spread in maps[1:]:
        np.testing.assert_allclose(mean, maps[0][0], atol=1e-6)
        np.testing.assert_allclose(spread, maps[0][1], atol=1e-5)


def test_one_draw_knows_no_spread():
    x = np.zeros((8, 8), np.float32)
    _, spread = one_step(gaussian(0.5), x, 300, 1, np.random.default_rng(7))
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
