import hashlib
import importlib.util
import json

import numpy as np
import pytest

from bgrem_core import cli, export_onnx
from bgrem_core.errors import ModelError, UsageError, WriteError
from bgrem_core.models import find_card, load_model

pytest.importorskip("torch")

ALONE = {"gamma": (9.0,), "satellites": (120.0,)}


@pytest.fixture
def without_packages(monkeypatch):
    """Hide the packages of the extra."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "onnx" else find(name),
    )


@pytest.fixture
def never_traced(monkeypatch):
    """Stand in for packages that may not be here, and fail if they are needed."""

    def fail(*arguments):
        raise AssertionError("the model was traced")

    monkeypatch.setattr(export_onnx, "_NEEDED", ())
    monkeypatch.setattr(export_onnx, "_traced", fail)


def test_missing_packages_are_named_with_the_extra(tmp_path, without_packages):
    with pytest.raises(UsageError, match=r"need onnx.*napari-bgrem\[export\]"):
        export_onnx.export_onnx("optical", tmp_path / "o.onnx")


@pytest.mark.parametrize(
    ("model", "file", "error", "sentence"),
    [
        ("optical", "o.pt", UsageError, "'o.pt' does not end in .onnx. use o.onnx"),
        ("magic", "o.onnx", ModelError, "there is no model 'magic'"),
        ("optical", "there.onnx", WriteError, "there.onnx exists already.*--overwrite"),
        ("optical", "none/o.onnx", WriteError, "there is no folder"),
    ],
)
def test_what_cannot_work_is_refused_before_the_work(
    model, file, error, sentence, tmp_path, never_traced, capsys
):
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(error, match=sentence):
        export_onnx.export_onnx(model, tmp_path / file)
    assert cli.main(["models", "export", model, str(tmp_path / file)]) == error.code
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["there.onnx"]


def test_a_network_that_torch_cannot_export_ends_in_one_sentence(
    tmp_path, monkeypatch, capsys
):
    import torch

    def fail(*arguments, **options):
        raise RuntimeError("no operator\nfor this")

    monkeypatch.setattr(export_onnx, "_NEEDED", ())
    monkeypatch.setattr(torch.onnx, "export", fail)
    assert cli.main(["models", "export", "optical", str(tmp_path / "o.onnx")]) == 6
    said = capsys.readouterr().err
    assert "cannot export the model optical: no operator for this" in said
    assert not list(tmp_path.iterdir())


@pytest.fixture(
    scope="module", params=["optical", "optical-fast", "optical-paper", *ALONE]
)
def exported(request, tmp_path_factory):
    """Export a shipped model by the command; gives its name and the file."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(b"an older file")
    command = ["models", "export", request.param, str(path), "--overwrite"]
    assert cli.main(command) == 0
    return request.param, path


@pytest.mark.slow
def test_another_engine_says_what_torch_says(exported):
    import onnxruntime

    name, path = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    model = load_model(name, device="cpu")
    rng = np.random.default_rng(3)
    for number, ny, nx in ((2, 4, 7), (1, 3, 2), (3, 5, 5)):
        shape = (number, 1, ny * model.pooling, nx * model.pooling)
        image = rng.standard_normal(shape, np.float32)
        image[:, :, 5, 6] = 300
        if name == "gamma":
            image = rng.poisson(5, shape).astype(np.float32)
        told = np.array([[0.2, 1.1, 1]] * number)
        rest = [np.full(number, v) for v in ALONE.get(name, (0.8,))]
        inputs = [image, *rest] + ([] if name in ALONE else [told])
        expected = model.evaluate(*inputs)
        names = [i.name for i in session.get_inputs()]
        feed = dict(zip(names, (a.astype(np.float32) for a in inputs), strict=True))
        (answer,) = session.run(["answer"], feed)
        assert answer.shape == expected.shape
        largest = max(np.abs(image).max(), np.abs(expected).max())
        assert np.abs(answer - expected).max() < 2e-6 * largest


@pytest.mark.slow
def test_the_file_says_how_it_is_to_be_used(exported):
    import onnx

    name, path = exported
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    meta = {p.key: p.value for p in proto.metadata_props}
    model = load_model(name, device="cpu")
    card = json.loads(meta["bgrem.card"])
    assert card == find_card(name).as_dict()
    digest = hashlib.sha256(meta["bgrem.card"].encode()).hexdigest()
    assert meta["bgrem.card_sha256"] == digest
    assert meta["bgrem.weights_sha256"] == model.sha256
    assert json.loads(meta["bgrem.normalisation"]) == card["normaliser"]
    assert int(meta["bgrem.pooling"]) == model.pooling
    inputs = json.loads(meta["bgrem.inputs"])
    assert list(inputs) == [i.name for i in proto.graph.input]
    outputs = json.loads(meta["bgrem.outputs"])
    (answer,) = proto.graph.output
    assert answer.type.tensor_type.shape.dim[1].dim_value == len(outputs)
    assert all(outputs.values())
    margin = meta.get("bgrem.margin")
    if name == "satellites":  # rows and columns count as a whole: no margin suffices
        assert margin is None
    else:
        assert 0 <= int(margin) - model.radius < model.pooling
        assert int(margin) % model.pooling == 0
