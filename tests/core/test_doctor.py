"""The doctor: what it looks at, what it says is wrong, and what to do about it."""

import dataclasses
import json
import shutil
import sys
import tempfile

import pytest

from bgrem_core import cli, models
from bgrem_core.doctor import machine, packages
from bgrem_core.doctor import models as looked_at
from bgrem_core.models import Model, list_models
from bgrem_core.weights import slim

pytest.importorskip("torch")


@pytest.fixture
def quick(monkeypatch):
    """Leave out what takes seconds."""
    monkeypatch.setattr(machine, "half_rate", lambda: 1.0)
    monkeypatch.setattr(looked_at, "_TESTS", {})


def told(capsys, code):
    assert cli.main(["doctor", "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_all_is_well_here_on_a_page_of_eighty_columns(capsys):
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "All is well."
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for word in (
        "python 3",
        "numpy 2",
        "astropy",
        "torch",
        "scratch",
        "devices",
        "dask",
    ):
        assert word in text
    for card in list_models():
        assert f"{card.name.ljust(14)}version {card.version}, sha256 " in text
    tested = text.partition("Self-test\n")[2]
    assert tested.count(": passed") == len(tested.strip().splitlines()) - 2 >= 3
    assert "FAILED" not in text


def test_a_program_reads_the_same(quick, capsys):
    said = told(capsys, 0)
    assert (said["status"], said["problems"]) == ("ok", [])
    names = {fact["name"] for fact in said["facts"]}
    assert {"numpy", "napari", "Qt", "scratch", "threads", "devices"} <= names
    hashes = [f["value"] for f in said["facts"] if f["part"] == "Models"]
    assert all("as on its card" in value for value in hashes)


def test_a_model_that_is_not_the_one_of_its_card_is_a_problem(
    quick, capsys, monkeypatch
):
    real = slim.read

    def other(path, **options):
        file = real(path, **options)
        changed = path.stem == "gamma" and file.sha256
        return dataclasses.replace(file, sha256="0" * 64) if changed else file

    monkeypatch.setattr(slim, "read", other)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "1 problem:\n  1. gamma.safetensors is not the file that gamma.md" in said
    assert "     -> install the package again" in said
    # The others are looked at all the same.
    assert said.count("as on its card") == len(list_models()) - 1


def test_one_damaged_file_is_one_problem_and_the_other_models_work(
    capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(machine, "half_rate", lambda: 1.0)
    ours = models._folder()
    names = [path.stem for path in ours.glob("*.safetensors")]
    for path in [*ours.glob("*.safetensors"), *ours.glob("*.md")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    cut = tmp_path / "optical-paper.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    flipped = bytearray((tmp_path / "gamma.safetensors").read_bytes())
    flipped[-100] ^= 1
    (tmp_path / "gamma.safetensors").write_bytes(flipped)
    monkeypatch.setattr(models, "_folder", lambda: tmp_path)

    said = told(capsys, 1)
    assert [p["sentence"].partition(" ")[0] for p in said["problems"]] == [
        "gamma.safetensors",
        "optical-paper.safetensors",
    ]
    assert all("install the package again" in p["hint"] for p in said["problems"])
    values = {(f["part"], f["name"]): f["value"] for f in said["facts"]}
    for name in names:
        broken = name in {"gamma", "optical-paper"}
        assert ("as on its card" in values["Models", name]) != broken
    assert values["Self-test", "gamma"] == "not run: it cannot be loaded"
    assert values["Self-test", "optical"].endswith(": passed")
    # What is left is offered.
    assert cli.main(["models", "--json"]) == 0
    offered = [card["name"] for card in json.loads(capsys.readouterr().out)]
    assert sorted([*offered, "optical-paper"]) == sorted(names)


def test_a_network_that_answers_wrongly_fails_its_self_test(capsys, monkeypatch):
    monkeypatch.setattr(machine, "half_rate", lambda: 1.0)
    monkeypatch.setattr(
        Model, "evaluate", lambda self, *said, **how: 0.5 * real(self, *said, **how)
    )
    said = told(capsys, 1)
    assert len(said["problems"]) >= 2
    for problem in said["problems"]:
        assert "the self-test of" in problem["sentence"]
        assert problem["hint"]


real = Model.evaluate


@pytest.mark.parametrize("free", [0, 10 * 2**20])
def test_too_little_room_for_scratch_files(quick, capsys, monkeypatch, free):
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (problem,) = told(capsys, 1)["problems"]
    assert "little room for scratch files" in problem["sentence"]
    assert "TMPDIR" in problem["hint"]


def test_a_scratch_folder_that_cannot_be_written(quick, capsys, monkeypatch):
    def sealed(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", sealed)
    (problem,) = told(capsys, 1)["problems"]
    assert "no scratch file can be written" in problem["sentence"]
    assert "TMPDIR" in problem["hint"]


def test_without_torch_it_says_what_is_left_and_what_to_do(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    problems = told(capsys, 1)["problems"]
    assert "torch cannot be imported" in problems[0]["sentence"]
    assert "CPU wheel" in problems[0]["hint"]
    assert all(p["sentence"] and p["hint"] for p in problems)


def test_missing_and_old_packages(quick, capsys, monkeypatch):
    known = {"scipy": None, "numpy": "1.26.4", "PyQt6": None, "dask": None}
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda n: known.get(n, real(n)))
    monkeypatch.setattr(packages, "QT", ("PyQt6",))
    monkeypatch.setattr(packages, "_least", lambda: {"numpy": "2.0"})
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "scipy is not installed" in said
    assert "numpy 1.26.4 is older than 2.0" in said
    assert "pip install --upgrade 'numpy>=2.0'" in said
    if real("napari"):
        assert "no Qt for its window" in said
        assert "pip install 'napari[all]'" in said
    assert "napari-bgrem[distributed] has them" in said


def test_our_own_metadata_say_which_versions_will_do():
    if packages.version("napari-bgrem") is None:
        pytest.skip("not installed")
    assert packages._least()["numpy"].startswith("2")


def test_anything_that_breaks_is_one_problem_and_no_traceback(
    quick, capsys, monkeypatch
):
    def broken():
        raise SystemError("oops\x1b[31m")

    monkeypatch.setattr(machine, "half_rate", broken)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr()
    assert "1 problem:" in said.out
    assert "torch: SystemError: oops?[31m" in said.out
    assert not said.err


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_an_accelerator_is_compared_with_the_cpu(quick, capsys, monkeypatch, apart):
    import bgrem_core.api

    clean = bgrem_core.api.clean

    def on(frame, *, device="cpu", **settings):
        frame = frame + apart * (device == "cuda") * (frame > frame.mean())
        return clean(frame, device="cpu", **settings)

    monkeypatch.setattr(models, "choose_device", lambda d: {"auto": "cuda"}.get(d, d))
    monkeypatch.setattr(bgrem_core.api, "clean", on)
    facts = [*looked_at.self_tests()]
    (fact,) = [f for f in facts if f.name == "cuda"]
    assert "differs from the CPU" in fact.value
    assert bool(fact.problem) == bool(apart)
    if apart:
        assert "--device cpu" in fact.hint


@pytest.mark.parametrize(("rate", "word"), [(2.1, "pays"), (0.5, "does not pay")])
def test_it_says_whether_half_precision_pays(rate, word, monkeypatch):
    assert 0.01 < machine.half_rate() < 100
    monkeypatch.setattr(machine, "half_rate", lambda: rate)
    (fact,) = [f for f in machine.processors() if f.name == "bfloat16"]
    assert f"{rate} times as fast as float32" in fact.value
    assert fact.value.endswith(f"--precision half {word}")
