import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from tiny_weights import card, note, pack, tensors

from bgrem_core import cli, models
from bgrem_core.errors import ModelError, UsageError
from bgrem_core.model_card import UNMEASURED, ModelCard
from bgrem_core.models import (
    Model,
    find_card,
    list_models,
    load_model,
)
from bgrem_core.weights import slim

SHIPPED = Path(models.__file__).parent / "weights" / "optical.safetensors"
REFERENCE = Path(__file__).parent / "data" / "optical_reference.npz"


@pytest.fixture(scope="module")
def tiny():
    """Return the tensors of a small valid model."""
    pytest.importorskip("torch")
    return tensors()


@pytest.fixture
def put(tmp_path):
    def write(data, name="tiny.safetensors"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


def test_a_valid_file_loads_and_runs(tiny, put):
    model = load_model(put(pack(tiny, note())), device="cpu")
    out = model.denoise(np.ones((6, 8), np.float32), 1.0, rho=0.1, sigma_e=10)
    assert out.shape == (6, 8)
    assert out.dtype == np.float32
    assert (model.radius, model.pooling, model.notices) == (9, 2, [])
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)


def test_sides_need_not_fit_the_pooling_and_the_rest_is_unchanged(tiny, put):
    model = load_model(put(pack(tiny, note())), device="cpu")
    z = np.random.default_rng(0).normal(0, 1, (31, 37)).astype(np.float32)
    odd = model.denoise(z, 1.0)
    even = model.denoise(z[:30, :36], 1.0)
    assert odd.shape == (31, 37)
    r = model.radius
    np.testing.assert_allclose(odd[: 30 - r, : 36 - r], even[:-r, :-r], atol=1e-6)


def test_a_model_without_measured_thresholds_says_so(tiny, put):
    guessed = load_model(put(pack(tiny, note(thresholds=UNMEASURED))), device="cpu")
    (notice,) = guessed.notices
    assert "thresholds of the model tiny were not measured" in notice
    assert "benchmarks/optical/thresholds.py" in notice


def test_a_model_of_an_unfinished_training_says_so(tiny, put):
    for finished, number in ((True, 0), (False, 1)):
        text = pack(tiny, note(training={"finished": finished}))
        notices = load_model(put(text), device="cpu").notices
        assert len(notices) == number
        assert all("training of the model tiny was not finished" in n for n in notices)


def test_false_detections_of_a_model_that_was_not_measured_are_unknown(
    tiny, put, tmp_path, capsys
):
    data = np.random.default_rng(0).normal(100, 5, (96, 96)).astype(np.float32)
    fits.writeto(tmp_path / "frame.fits", data)
    for thresholds, said in ((UNMEASURED, "unknown"), (card()["thresholds"], "0.0092")):
        path = put(pack(tiny, note(thresholds=thresholds)))
        arguments = ["-f", str(tmp_path / "frame.fits"), "--model", path, "--overwrite"]
        assert cli.main([*arguments, "--catalog", ".ecsv"]) == 0
        out = capsys.readouterr().out
        assert f"expected false detections {said}" in out
        assert ("note: the thresholds of the model" in out) == (said == "unknown")
        table = QTable.read(tmp_path / "BGRem_frame.ecsv")
        assert np.isnan(table.meta["expected_false"]) == (said == "unknown")


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (1, 2, 8, 8), (1, 1, 7, 8)])
def test_an_image_of_another_shape_is_refused_with_the_wanted_one(tiny, put, shape):
    model = load_model(put(pack(tiny, note())), device="cpu")
    with pytest.raises(UsageError, match=r"not \(batch, 1, ny, nx\) .* multiples of 2"):
        model.evaluate(np.zeros(shape, np.float32), np.ones(1), np.zeros((1, 3)))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl"])
def test_pickles_are_never_opened(put, suffix):
    class Evil:
        def __reduce__(self):
            return (print, ("opened",))

    with pytest.raises(ModelError, match="only safetensors are") as caught:
        load_model(put(pickle.dumps(Evil()), f"weights{suffix}"))
    assert caught.value.code == 6


def change(tiny, name, **parts):
    dtype, shape, raw = tiny[name]
    entry = {"dtype": dtype, "shape": shape, "raw": raw, **parts}
    return {**tiny, name: (entry["dtype"], entry["shape"], entry["raw"])}


def nan_weights(tiny):
    raw = np.frombuffer(tiny["out.bias"][2], "<f4").copy()
    raw[0] = np.nan
    return pack(change(tiny, "out.bias", raw=raw.tobytes()), note())


BAD = {
    "pickle under another name": (
        lambda t: pickle.dumps({"a": 1}) * 20,
        "header claims",
    ),
    "empty": (lambda t: b"", "shorter than 8"),
    "huge header": (lambda t: pack(t, note(), length=2**62), "header claims"),
    "header over a megabyte": (
        lambda t: pack(t, {**note(), "x": "y" * 2**20}),
        "header claims",
    ),
    "header no JSON": (lambda t: (4).to_bytes(8, "little") + b"oops", "not JSON"),
    "header no object": (
        lambda t: (2).to_bytes(8, "little") + b"[]",
        "not a JSON object",
    ),
    "deep nesting": (
        lambda t: (200_000).to_bytes(8, "little") + b"[" * 200_000,
        "not JSON",
    ),
    "truncated": (lambda t: pack(t, note())[:-9], "bytes of numbers"),
    "trailing bytes": (lambda t: pack(t, note()) + b"0" * 8, "bytes of numbers"),
    "too many tensors": (
        lambda t: pack({f"t{k}": ("F32", [0], b"") for k in range(600)}, note()),
        "600 tensors",
    ),
    "wrong shape": (
        lambda t: pack(change(t, "out.bias", shape=[2, 2]), note()),
        "out.bias has shape",
    ),
    "shape larger than its bytes": (
        lambda t: pack(change(t, "out.bias", shape=[2**30]), note()),
        "shape of 'out.bias'",
    ),
    "overflowing shape": (
        lambda t: pack(change(t, "out.bias", shape=[2**20] * 8), note()),
        "size of its shape",
    ),
    "negative shape": (
        lambda t: pack(change(t, "out.bias", shape=[-4]), note()),
        "shape of",
    ),
    "fractional shape": (
        lambda t: pack(change(t, "out.bias", shape=[4.0]), note()),
        "shape of",
    ),
    "other dtype": (
        lambda t: pack(change(t, "out.bias", dtype="F16"), note()),
        "not an array of float32",
    ),
    "NaN weights": (nan_weights, "not finite"),
    "missing tensor": (
        lambda t: pack({k: v for k, v in t.items() if k != "out.bias"}, note()),
        "lacks tensor 'out.bias'",
    ),
    "unknown tensor": (
        lambda t: pack({**t, "zzz": ("F32", [0], b"")}, note()),
        "unknown tensor 'zzz'",
    ),
    "no metadata": (lambda t: pack(t, None), "no 'bgrem'"),
    "foreign metadata": (lambda t: pack(t, {"format": "pt"}), "no 'bgrem'"),
    "metadata no JSON": (lambda t: pack(t, {"bgrem": "{"}), "no 'bgrem'"),
    "card incomplete": (lambda t: pack(t, {"bgrem": '{"name": "x"}'}), "card in"),
    "card with unknown field": (lambda t: pack(t, note(colour="red")), "unknown field"),
    "card with text for a number": (lambda t: pack(t, note(radius="7")), "radius"),
    "card with a huge number of steps": (lambda t: pack(t, note(steps=10**9)), "steps"),
    "card with an infinite range": (
        lambda t: pack(t, note(trained={"fwhm": [0, float("inf")]})),
        "fwhm is no range",
    ),
    "card without a range it needs": (
        lambda t: pack(t, note(trained={"fwhm": [2, 8], "rho": [0, 1]})),
        "lacks the range of sigma_e",
    ),
    "card with a NaN threshold": (
        lambda t: pack(t, note(thresholds={"deep": [[0, 1, float("nan")]]})),
        "threshold",
    ),
    "card with a wrong radius": (lambda t: pack(t, note(radius=8)), "radius 8"),
    "unknown network": (lambda t: pack(t, note(network="huge")), "'huge' is unknown"),
    "network of endless depth": (
        lambda t: pack(t, note(config={"widths": [4] * 900})),
        "widths",
    ),
    "network of endless width": (
        lambda t: pack(t, note(config={"widths": [10**9], "heads": ["mae"]})),
        ".",
    ),
    "config too long": (lambda t: pack(t, note(config={"x": "y" * 5000})), "too long"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_bad_file_is_refused_with_code_6(case, tiny, put):
    make, sentence = BAD[case]
    with pytest.raises(ModelError, match=sentence) as caught:
        load_model(put(make(tiny)), device="cpu")
    assert caught.value.code == 6
    assert caught.value.hint


def test_a_file_over_64_megabytes_is_not_read(tmp_path):
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(ModelError, match="65 MB, more than 64 MB"):
        load_model(str(path))


def test_a_missing_model_is_named_with_those_that_exist(tmp_path):
    with pytest.raises(ModelError, match=r"no model 'magic'.*optical"):
        load_model("magic")
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        load_model(str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path))
    with pytest.raises(UsageError, match="device='tpu'"):
        load_model("optical", device="tpu")


def test_a_file_that_is_not_the_one_of_its_card_is_refused(tiny, put, tmp_path):
    path = put(pack(tiny, note()))
    (tmp_path / "tiny.md").write_text(f"SHA-256: `{'0' * 64}`")
    with pytest.raises(ModelError, match=r"not the file that tiny\.md describes"):
        load_model(path)


@pytest.mark.parametrize("path", sorted(SHIPPED.parent.glob("*.safetensors")))
def test_the_shipped_file_is_the_one_of_its_card(path):
    text = path.with_suffix(".md").read_text("utf-8")
    assert slim.read(path).sha256 in text
    for heading in (
        "Use",
        "Not for",
        "Trained on",
        "Licence",
        "Figures",
        "Known failures",
    ):
        assert f"## {heading}\n" in text


def test_the_shipped_model_gives_the_stored_output():
    pytest.importorskip("torch")
    stored = np.load(REFERENCE)
    model = load_model("optical", device="cpu")
    for k, (level, rho, sigma_e) in enumerate(stored["arguments"]):
        out = model.denoise(stored["z"], float(level), rho=rho, sigma_e=sigma_e)
        np.testing.assert_allclose(out, stored["x_hat"][k], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["gamma", "satellites"])
def test_other_models_do_not_denoise_images(name):
    pytest.importorskip("torch")
    model = load_model(name, device="cpu")
    with pytest.raises(UsageError, match="does not predict the noise of an image"):
        model.denoise(np.ones((16, 16), np.float32), 1.0)


def test_cards_are_read_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from bgrem_core.models import list_models, find_card\n"
        "print('optical' in [c.name for c in list_models()],\n"
        "      find_card('optical').method)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True bgrem\n", done.stderr


def test_weights_without_torch_end_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="needs torch, which is not installed"):
        load_model("optical")


def test_a_card_survives_its_own_json():
    for shipped in list_models():
        assert ModelCard.from_dict(shipped.as_dict()) == shipped
        assert find_card(shipped.name) == shipped
        assert shipped.summary().startswith(shipped.name)


@pytest.mark.parametrize(
    ("point", "rho", "steps", "expected"),
    [
        ("catalogue", 0.0, 1, 0.5),
        ("catalogue", 0.1, 1, 0.6),
        ("catalogue", 0.9, 1, 0.9),
        ("catalogue", -0.1, 1, 0.5),
        ("catalogue", 0.2, 3, 0.8),
        ("catalogue", 0.2, 15, 0.8),
        ("catalogue", 0.2, 2, 0.7),
        ("catalogue", float("nan"), 1, 0.9),
        ("deep", 0.2, 3, 0.5),
    ],
)
def test_thresholds_are_interpolated_and_clamped(point, rho, steps, expected):
    tiny_card = ModelCard.from_dict(card())
    assert tiny_card.threshold(point, rho, steps) == pytest.approx(expected)


def test_an_operating_point_without_a_table_is_refused():
    with pytest.raises(UsageError, match="no threshold 'deep'"):
        ModelCard.from_dict(card(thresholds={})).threshold("deep", 0, 1)


class Failing:
    """A network whose accelerator breaks, as a real one would: in mid-run."""

    def __init__(self, *, on_transfer=False, out_of=1):
        self.on_transfer, self.left, self.where = on_transfer, out_of, "cpu"

    def eval(self):
        return self

    def to(self, device=None, *, memory_format=None):
        if device == "cuda" and self.on_transfer:
            raise RuntimeError("CUDA error: no kernel image\nis available")
        self.where = device or self.where
        return self

    def __call__(self, z, level, condition):
        if self.where == "cuda":
            raise RuntimeError("CUDA error: an illegal memory access")
        return 0.5 * z


@pytest.mark.parametrize("on_transfer", [True, False])
def test_a_failing_accelerator_ends_with_the_cpus_answer_and_one_notice(on_transfer):
    pytest.importorskip("torch")
    network = Failing(on_transfer=on_transfer)
    model = Model(ModelCard.from_dict(card()), network, sha256="", device="cuda")
    z = np.ones((4, 4), np.float32)
    for _ in range(3):
        np.testing.assert_array_equal(model.denoise(z, 1.0), 0.5 * z)
    assert model.device == "cpu"
    assert len(model.notices) == 1
    assert re.search(r"cuda failed \(.*CUDA.*\); the CPU is used", model.notices[0])


def test_electrons_and_correlation_stay_within_what_was_trained():
    pytest.importorskip("torch")
    seen = []

    class Spy(Failing):
        def __call__(self, z, level, condition):
            seen.append(condition[0].tolist())
            return z

    model = Model(ModelCard.from_dict(card()), Spy(), sha256="", device="cpu")
    z = np.zeros((2, 2), np.float32)
    for rho, electrons in (
        (0.9, 1e9),
        (-0.2, 1),
        (float("nan"), None),
        (0.1, float("nan")),
    ):
        model.denoise(z, 1.0, rho=rho, sigma_e=electrons)
    expected = [[0.45, 3, 1], [0, np.log10(3), 1], [0, 0, 0], [0.1, 0, 0]]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_half_precision_stays_within_a_percent_of_the_noise():
    rng = np.random.default_rng(4)
    image = rng.standard_normal((128, 160), dtype=np.float32)
    image[60:66, 70:76] += 30
    single, half = (
        load_model("optical", device="cpu", precision=p).denoise(image, 1.0)
        for p in ("single", "half")
    )
    assert half.dtype == np.float32
    assert 0 < np.std(half - single) < 0.01


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="use single, half"):
        load_model("optical", precision="double")
