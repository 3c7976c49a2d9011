"""What further heads of a network become: UNCERT, flagged artefacts, centres."""

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import batch, clean, cli
from bgrem_core.errors import ModelError
from bgrem_core.image import MaskBit
from bgrem_core.model_card import ModelCard
from bgrem_core.models import load_model
from bgrem_core.weights import slim

torch = pytest.importorskip("torch")

WIDTH = 0.7
HEADS = ["mae", "q68", "artefact", "centre"]
TABLE = [[0.1, 0.2], [1.0, 1.5]]
SCALE = {
    "rho": [0.0], "fwhm": [4.0], "sigma": [3.0, 5.0], "level": [[[-3.0, 0.0]]]
}  # fmt: skip


def fields(network, **calibration):
    return {
        "name": "heads", "version": "1", "method": "bgrem", "objective": "noise",
        "network": "fast", "config": {"widths": [4], "heads": HEADS},
        "radius": network.radius, "pooling": network.pooling, "steps": 1,
        "trained": {"fwhm": [2, 8], "sigma_e": [3, 1000], "rho": [0, 0.45]},
        "thresholds": {"catalogue": [[0, 1, 0.5]], "deep": [[0, 1, 0.3]]},
        "calibration": calibration,
    }  # fmt: skip


@pytest.fixture
def weights(tmp_path):
    """Return a function that writes a small model with a constant width."""
    from bgrem_core.networks import build

    torch.manual_seed(2)
    network = build("fast", widths=[4], heads=HEADS)
    with torch.no_grad():
        torch.nn.init.normal_(network.out.weight, 0, 0.1)
        network.out.weight[4:8] = 0
        network.out.bias[4:8] = float(np.log(np.expm1(WIDTH)))
        network.out.bias[8:] = -1.0
    arrays = {k: v.contiguous().numpy() for k, v in network.state_dict().items()}

    def write(**calibration):
        path = tmp_path / "heads.safetensors"
        slim.write(path, arrays, fields(network, **calibration))
        return str(path)

    return write


@pytest.fixture
def data():
    rng = np.random.default_rng(6)
    data = rng.normal(100, 5, (150, 170)).astype(np.float32)
    data[40:44, 60:64] = np.nan
    return data


def expected():
    """Return what the table makes of the constant width, by logarithms."""
    share = np.log(WIDTH / 0.1) / np.log(10)
    return WIDTH * np.exp(np.log(2) + share * (np.log(1.5) - np.log(2)))


def test_uncertainty_is_the_calibrated_width_in_image_units(weights, data):
    result = clean(data, model=weights(uncertainty=TABLE), sky_scale="none")
    uncertainty = np.asarray(result.uncertainty)
    seen = result.flags == 0
    np.testing.assert_allclose(
        uncertainty[seen], expected() * result.scale.sigma[:, :][seen], rtol=1e-4
    )
    assert np.isnan(uncertainty[~seen]).all()


def test_noise_that_is_left_in_adds_to_it(weights, data):
    model = weights(uncertainty=TABLE)
    full = np.asarray(clean(data, model=model).uncertainty)
    half = clean(data, model=model, strength=0.5)
    noise = 0.5 * half.scale.sigma[:, :]
    np.testing.assert_allclose(
        np.asarray(half.uncertainty), np.hypot(full, noise), rtol=1e-5
    )


def test_without_calibration_nothing_is_claimed(weights, data):
    result = clean(data, model=weights())
    assert result.uncertainty is None
    assert not (result.flags & MaskBit.ARTEFACT).any()


def test_what_nobody_asks_for_changes_nothing_else(weights, data):
    model = weights(uncertainty=TABLE, artefact=0.3, centre=SCALE)
    full = clean(data, model=model)
    least = clean(data, model=model, uncertainty=False)
    assert least.uncertainty is None
    assert set(full.extras) - set(least.extras) == {"centre"}
    assert (full.flags & MaskBit.ARTEFACT).any()
    np.testing.assert_array_equal(least.flags, full.flags)
    np.testing.assert_array_equal(least.cleaned, full.cleaned)


@pytest.mark.parametrize(
    ("flags", "known"),
    [([], False), (["--uncertainty"], True), (["--layers"], True),
     (["--catalog", ".csv"], True), (["--resume"], True),
     (["--layers", "--no-uncertainty"], False)],
)  # fmt: skip
def test_the_command_asks_for_it_where_it_is_seen(
    weights, data, tmp_path, monkeypatch, flags, known
):
    monkeypatch.chdir(tmp_path)
    fits.writeto("in.fits", data)
    words = ["-f", "in.fits", "--model", weights(uncertainty=TABLE), *flags]
    real, seen = batch.run, []
    monkeypatch.setattr(batch, "run", lambda *a: kept(real(*a), seen))
    assert cli.main(words) == 0
    assert [result.uncertainty is not None for result in seen] == [known]


def kept(steps, seen):
    """Go through the steps and keep what they return."""
    result = yield from steps
    seen.append(result)
    return result


def test_artefacts_are_flagged_where_they_are_likely_and_nothing_else_was(
    weights, data
):
    model = load_model(weights(), device="cpu")
    plain = clean(data, model=weights(), tile=512)
    z = np.nan_to_num((data - 100) / 5)
    likely = np.quantile(model.appraise(z, 1.0)["artefact"], 0.97)
    result = clean(data, model=weights(artefact=float(likely)), tile=512)
    hit = (result.flags & MaskBit.ARTEFACT) != 0
    assert 0.005 < hit.mean() < 0.1
    assert not (hit & (plain.flags != 0)).any()
    np.testing.assert_array_equal(result.flags & ~MaskBit.ARTEFACT, plain.flags)
    # Light stays: flagged pixels are masked, not taken away.
    np.testing.assert_array_equal(result.noise, plain.noise)


def test_tiles_say_what_the_whole_says(weights, data):
    model = weights(artefact=0.3, uncertainty=TABLE)
    whole = clean(data, model=model, tile=512)
    tiled = clean(data, model=model, tile=64)
    np.testing.assert_array_equal(whole.flags, tiled.flags)
    np.testing.assert_allclose(whole.uncertainty, tiled.uncertainty, rtol=1e-4)


@pytest.mark.parametrize("height", [0.0, 600.0])
def test_centres_are_told_of_the_image_with_all_its_light(weights, height):
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:192, :192]
    bright = height * np.exp(-((x - 96) ** 2 + (y - 96) ** 2) / (2 * 40**2))
    data = (rng.normal(100, 5, (192, 192)) + bright).astype("f4")
    path = weights(centre=SCALE)
    result = clean(data, model=path, tile=64)
    scale = result.scale
    z = (data - scale.offset[:, :]) / scale.sigma[:, :]
    model = load_model(path, device="cpu")
    told = model.appraise(z.astype("f4"), 1.0, rho=scale.rho)["centre"]
    # At the edge the frame is mirrored for the one and not for the other.
    inner = np.s_[16:-16, 16:-16]
    np.testing.assert_allclose(result.extras["centre"][inner], told[inner], atol=1e-3)


@pytest.mark.parametrize(
    "bad",
    [
        {"uncertainty": [[0.1, 0.2]]},
        {"uncertainty": [[0.1, 0.2], [0.05, 0.3]]},
        {"uncertainty": [[0.1, 0.2], [0.3, -1]]},
        {"artefact": 1.5},
        {"colour": 1},
    ],
)
def test_a_calibration_that_cannot_be_is_refused(bad):
    network = type("N", (), {"radius": 9, "pooling": 2})
    with pytest.raises(ModelError, match=r"calibration|artefact"):
        ModelCard.from_dict(fields(network, **bad))
