import dataclasses

import numpy as np
import pytest
import torch

from bgrem_core.errors import UsageError
from bgrem_core.heads import QUANTILES
from bgrem_core.simulate import SceneSettings, draw_scene
from bgrem_core.simulate.survey_settings import SurveySettings
from bgrem_core.train.crops import CropSettings, draw_crop
from bgrem_core.train.fields import FAINTEST, SimulatedField, fields
from bgrem_core.train.heads import HEADS, heads_loss

SPARSE = SceneSettings(
    fwhm=(4, 4), density=(300, 300), galaxies=(0, 0), discs=0, snr=(0.5, 300)
)


def as_field(scene):
    t = scene.truth
    table = np.stack([t.x, t.y, t.snr], axis=1)[t.snr >= FAINTEST]
    return SimulatedField(
        light=scene.source, sources=table.astype(np.float32), fwhm=scene.psf.fwhm
    )


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(8)
    return as_field(draw_scene(rng, shape=(300, 300), settings=SPARSE))


def crops(field, number, **settings):
    a = CropSettings(**{"crop": 96, "hits": 0.0, "sky": 0.0, **settings})
    rng = np.random.default_rng(4)
    return [draw_crop(rng, a, [field], joint=False) for _ in range(number)]


def test_centres_lie_on_the_light_of_their_sources(field):
    bright = dataclasses.replace(field, sources=field.sources[field.sources[:, 2] > 30])
    found = 0
    for crop in crops(bright, 40, flux=0.0, full=1.0):
        light = (crop["z"] - crop["noise"])[0]
        centre = crop["centre"][0]
        assert 0 <= centre.min() <= centre.max() <= 1
        for y, x in np.argwhere(centre[4:-4, 4:-4] > 0.8) + 4:
            near = light[y - 2 : y + 3, x - 2 : x + 3]
            assert near[1:4, 1:4].max() == near.max()  # mirrored and turned alike
            found += 1
    assert found > 20


def test_only_sources_that_can_be_found_have_a_centre(field):
    faint = dataclasses.replace(
        field, sources=field.sources * [1, 1, 0] + np.float32([0, 0, 1.9])
    )
    for crop in crops(faint, 5, flux=0.0):
        assert not crop["centre"].any()
    assert any(crop["centre"].any() for crop in crops(faint, 5, flux=0.5))


def test_hits_are_labelled_and_stay_in_the_signal(field):
    dark = dataclasses.replace(
        field, light=np.zeros_like(field.light), sources=field.sources[:0]
    )
    for crop in crops(dark, 20, rays=1.0, full=1.0):
        signal = crop["z"] - crop["noise"]
        np.testing.assert_array_equal(crop["hit"] > 0, signal > 1.0)
    assert any(c["hit"].any() for c in crops(dark, 20, rays=1.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("rays", 2.0), ("known", -0.1), ("crop", 65), ("batch", 0), ("rho", 0.9),
     ("sigma_e", (0.0, 5.0)), ("sigma_e", (9.0, 5.0)), ("sky", -1.0)],
)  # fmt: skip
def test_ranges_that_cannot_be_drawn_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        CropSettings(**{name: value})


def batch(error, level=1.0):
    """Return a batch whose answer is off by `error`."""
    zero = torch.zeros_like(error)
    return {
        "noise": error, "spread": zero + 1, "hit": zero, "centre": zero,
        "level": torch.full((2,), level),
    }  # fmt: skip


def test_quantile_heads_settle_at_their_share():
    torch.manual_seed(3)
    error = torch.randn(2, 1, 64, 64)
    for name, share in QUANTILES.items():
        best = min(
            np.linspace(0.2, 3, 113),
            key=lambda w: float(
                heads_loss(
                    torch.cat([error * 0, error * 0 + inverse(w)], 1),
                    ("mae", name),
                    batch(error),
                )[0]
            ),
        )
        inside = float((error.abs() < best).float().mean())
        assert inside == pytest.approx(share, abs=0.02)


def inverse(width):
    return float(np.log(np.expm1(width)))


def test_the_error_of_the_noise_does_not_follow_its_width():
    error = torch.randn(2, 1, 8, 8)
    answer = torch.zeros(2, 2, 8, 8, requires_grad=True)
    loss, _ = heads_loss(answer, ("mae", "q68"), batch(error))
    (with_width,) = torch.autograd.grad(loss, answer)
    loss, _ = heads_loss(answer[:, :1], ("mae",), batch(error))
    (alone,) = torch.autograd.grad(loss, answer)
    torch.testing.assert_close(with_width[:, 0], alone[:, 0])


def test_every_head_has_a_loss_and_a_figure():
    out = torch.randn(2, len(HEADS), 8, 8, requires_grad=True)
    loss, figures = heads_loss(out, HEADS, batch(torch.randn(2, 1, 8, 8)))
    (slope,) = torch.autograd.grad(loss, out)
    assert (slope.abs().amax(dim=(0, 2, 3)) > 0).all()
    assert set(HEADS) <= set(figures)


def test_unknown_heads_and_widths_of_nothing_are_refused():
    out = torch.zeros(2, 1, 8, 8)
    with pytest.raises(UsageError, match="colour"):
        heads_loss(out, ("colour",), batch(out))
    with pytest.raises(UsageError, match="mae"):
        heads_loss(out, ("q68",), batch(out))


def test_fields_of_the_full_simulator_are_kept_and_read_without_galsim(
    tmp_path, monkeypatch
):
    pytest.importorskip("galsim")
    scene = SurveySettings(density=(200, 200))
    kept = {"number": 1, "size": 128, "seed": 5, "folder": tmp_path}
    (first,) = fields(scene, **kept)
    monkeypatch.setitem(__import__("sys").modules, "galsim", None)
    (again,) = fields(scene, **kept)
    np.testing.assert_array_equal(first.light, again.light)
    np.testing.assert_array_equal(first.sources, again.sources)
    assert first.fwhm == again.fwhm
    with pytest.raises(UsageError, match=r"galsim.*\[train\]"):
        fields(scene, **{**kept, "seed": 6})
