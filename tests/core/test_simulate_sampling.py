"""Frames drawn from a model by the whole reverse chain."""

from types import SimpleNamespace

import numpy as np
import pytest

from bgrem_core.ddpm import ALPHA_BAR
from bgrem_core.errors import UsageError
from bgrem_core.model_card import ModelCard
from bgrem_core.models import load_model
from bgrem_core.simulate import sampling
from bgrem_core.simulate.satellites import iter_sample, sample


class Gaussian:
    """A model that knows: pixels are normal, about a mean that differs from row to row.

    The noise that it predicts is the exact one, so that the chain has to end in that
    distribution.
    """

    def __init__(self, mean=0.0, variance=1.0, last=999):
        self.mean, self.variance, self.asked = mean, variance, []
        self.card = ModelCard(
            name="known", version="1", method="systematics", objective="systematics",
            network="context", config={}, radius=1, pooling=4, steps=1,
            trained={"t": (0.0, float(last))},
        )  # fmt: skip

    def evaluate(self, x, t):
        self.asked.append((len(x), float(t[0])))
        a = ALPHA_BAR[t.astype(int)][:, None, None, None]
        away = x - np.sqrt(a) * self.mean
        return (np.sqrt(1 - a) * away / (a * self.variance + 1 - a)).astype(np.float32)


def test_frames_have_the_distribution_that_the_model_knows():
    rows = np.linspace(-1, 1, 16)[:, None]
    frames = sample(Gaussian(rows, 0.3), 12, shape=(16, 40), seed=3)
    assert frames.shape == (12, 16, 40)
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames.mean(axis=(0, 2)), rows[:, 0], atol=0.1)
    assert np.var(frames - rows) == pytest.approx(0.3, rel=0.05)


def test_a_frame_depends_on_seed_and_number_and_not_on_the_batch(monkeypatch):
    monkeypatch.setattr(sampling, "STEPS", 30)
    draws = [sample(Gaussian(), n, shape=(8, 12), seed=5, batch=b)
             for n, b in ((5, 2), (5, 9), (3, 1))]  # fmt: skip
    np.testing.assert_allclose(draws[0], draws[1], atol=1e-5)
    np.testing.assert_allclose(draws[0][:3], draws[2], atol=1e-5)
    other = sample(Gaussian(), 5, shape=(8, 12), seed=6)
    assert not np.allclose(other, draws[0])


def test_each_call_of_the_network_is_told_and_the_work_can_be_stopped(monkeypatch):
    monkeypatch.setattr(sampling, "STEPS", 10)
    model = Gaussian()
    steps = list(iter_sample(model, 5, shape=(4, 4), batch=2))
    assert [(s.done, s.total) for s in steps] == [(k, 30) for k in range(1, 31)]
    assert model.asked[:10] == [(2, float(t)) for t in range(9, -1, -1)]
    assert [n for n, _ in model.asked[::10]] == [2, 2, 1]
    model = Gaussian()
    work = iter_sample(model, 5, shape=(4, 4))
    next(work)
    work.close()
    assert len(model.asked) == 1


def test_a_network_of_the_package_can_be_drawn_from(monkeypatch):
    pytest.importorskip("torch")
    from bgrem_core.models import Model
    from bgrem_core.networks.context import ContextUNet

    monkeypatch.setattr(sampling, "STEPS", 3)
    network = ContextUNet(widths=(8, 12))
    model = Model(Gaussian().card, network, sha256="", device="cpu")
    frames = sample(model, 2, shape=(16, 24))
    assert np.isfinite(frames).all()
    with pytest.raises(UsageError, match="multiples of 4"):
        sample(model, 1, shape=(15, 24))


def test_models_that_do_not_know_whole_chains_are_refused():
    with pytest.raises(UsageError, match="trained for times to 499, and a frame is"):
        sample(Gaussian(last=499), 1)
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="gamma does not know what raw frames look"):
        sample(load_model("gamma", device="cpu"), 1)
    timeless = SimpleNamespace(card=Gaussian().card.__class__.from_dict(
        {**Gaussian().card.as_dict(), "trained": {}}))  # fmt: skip
    with pytest.raises(UsageError, match="trained for times to 0"):
        sample(timeless, 1)


@pytest.mark.parametrize(("n", "batch"), [(0, 4), (1, 0)])
def test_nothing_cannot_be_drawn(n, batch):
    with pytest.raises(UsageError, match=f"n={n} and batch={batch}"):
        sample(Gaussian(), n, batch=batch)
