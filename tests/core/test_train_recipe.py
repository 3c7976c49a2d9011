"""Recipes: those that ship, and what is refused in others."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

from bgrem_core.errors import ReadError, UsageError  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train.bench import trainer  # noqa: E402
from bgrem_core.train.recipe import RECIPES, Recipe, shipped  # noqa: E402

BAD_RECIPES = {
    "unknown field": (lambda r: {**r, "colour": 1}, "unknown field 'colour'"),
    "missing field": (
        lambda r: {k: v for k, v in r.items() if k != "seed"},
        "lacks the field 'seed'",
    ),
    "unknown nested field": (
        lambda r: {**r, "data": {**r["data"], "crops": {"blur": 1}}},
        r"recipe\.data\.crops has the unknown field 'blur'",
    ),
    "text for a number": (
        lambda r: {**r, "loop": {**r["loop"], "rate": "fast"}},
        r"recipe\.loop\.rate is 'fast', which is no finite number",
    ),
    "fraction for a whole number": (
        lambda r: {**r, "seed": 1.5},
        r"recipe\.seed is '1\.5', which is no whole number",
    ),
    "truth for a number": (
        lambda r: {**r, "loop": {**r["loop"], "steps": True}},
        "no whole number",
    ),
    "infinite": (
        lambda r: {**r, "loop": {**r["loop"], "clip": float("inf")}},
        "no finite number",
    ),
    "short range": (
        lambda r: {**r, "data": {**r["data"], "scene": {"fwhm": [2.0]}}},
        r"scene\.fwhm has 1 entries, not 2",
    ),
    "number for a range": (
        lambda r: {**r, "data": {**r["data"], "scene": {"fwhm": 2.0}}},
        "is no list",
    ),
    "list for an object": (lambda r: {**r, "data": []}, r"recipe\.data"),
    "no object at all": (lambda r: [1, 2], "not a JSON object"),
    "unknown family": (lambda r: {**r, "family": "radio"}, "family 'radio' is unknown"),
    "unknown precision": (
        lambda r: {**r, "loop": {"steps": 3, "precision": "f8"}},
        "precision='f8'",
    ),
    "no steps": (lambda r: {**r, "loop": {"steps": 0}}, "at least 1"),
    "crops larger than fields": (
        lambda r: {**r, "data": {**r["data"], "field_size": 100}},
        "do not fit",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD_RECIPES))
def test_a_bad_recipe_is_refused(case, tmp_path, capsys):
    change, sentence = BAD_RECIPES[case]
    good = json.loads(shipped("optical", "cpu").read_text())
    with pytest.raises(UsageError, match=sentence):
        Recipe.from_dict(change(good))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(change(good)))
    out = tmp_path / "run"
    assert command.main(["optical", "--recipe", str(path), "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not out.exists()


ODD_RECIPES = {
    "negative seed": (lambda r: {**r, "seed": -1}, r"recipe\.seed=-1 must not be neg"),
    "a name that is a path": (
        lambda r: {**r, "name": "../x"}, r"recipe\.name='\.\./x' is no plain word",
    ),
    "a name in capitals": (lambda r: {**r, "name": "Mine"}, r"recipe\.name='Mine'"),
    "an empty version": (lambda r: {**r, "version": ""}, r"recipe\.version='' is no"),
    "steps without end": (
        lambda r: {**r, "loop": {"steps": 10**7 + 1}},
        r"recipe\.loop\.steps=10000001 must be at most",
    ),
    "a rate that explodes": (
        lambda r: {**r, "loop": {"steps": 3, "rate": 1.5}},
        r"recipe\.loop\.rate=1\.5 must be at most 1\.",
    ),
    "a number too large for a float": (
        lambda r: {**r, "loop": {"steps": 3, "rate": 10**400}}, "no finite number",
    ),
    "a range that falls": (
        lambda r: inner(r, "scene", fwhm=[8.0, 2.5]),
        r"recipe\.data\.scene\.fwhm=8, 2\.5 is no range",
    ),
    "the logarithm of nothing": (
        lambda r: inner(r, "scene", density=[0.0, 9.0]),
        r"recipe\.data\.scene\.density=0, 9 must be at least",
    ),
    "more sources than can be drawn": (
        lambda r: inner(r, "scene", snr=[0.001, 9.0], slope=[0.6, 3.0]),
        r"recipe\.data\.scene\.density, slope and snr per Mpix: 5e\+14 sources",
    ),
    "a batch that fills the memory": (
        lambda r: inner(r, "crops", batch=10**9),
        r"recipe\.data\.crops\.batch=1000000000 must be at most",
    ),
    "too many fields": (
        lambda r: {**r, "data": {**r["data"], "fields": 10**7}},
        r"recipe\.data\.fields=10000000 must be at most",
    ),
}  # fmt: skip


def inner(recipe, part, **changes):
    """Return the recipe with other fields in a part of its data."""
    data = recipe["data"]
    return {**recipe, "data": {**data, part: {**data[part], **changes}}}


@pytest.mark.parametrize("case", sorted(ODD_RECIPES))
def test_odd_values_are_named_where_they_stand(case):
    change, sentence = ODD_RECIPES[case]
    good = json.loads(shipped("optical", "cpu").read_text())
    with pytest.raises(UsageError, match=sentence):
        Recipe.from_dict(change(good))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sersic": [0.1, 4.5]}, r"scene\.sersic=0\.1, 4\.5 must be at least 0\.3"),
        ({"nebula": 1.5}, r"scene\.nebula=1\.5 must be at most 1"),
        ({"halo": [0.0, 0.05]}, r"scene\.halo=0, 0\.05 must be at least"),
        ({"frame": [2048.0, 1024.0]}, r"scene\.frame=2048, 1024 is no range"),
        ({"streaks": -1.0}, r"scene\.streaks=-1 must not be negative"),
    ],
)
def test_odd_ranges_of_the_full_simulator_are_named(changes, sentence):
    good = json.loads(shipped("optical", "long").read_text())
    with pytest.raises(UsageError, match=r"recipe\.data\." + sentence):
        Recipe.from_dict(inner(good, "scene", **changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"network": "expectation"}, "trains the network fast or attention"),
        ({"config": {"widths": [8, 0]}}, r"config\.widths holds 0"),
        ({"config": {"widths": [True]}}, r"config\.widths holds True"),
        ({"config": {"widths": [8], "depth": 3}}, "does not take this configuration"),
        ({"config": {"widths": [8] * 5}}, "a side of 48 pix is no multiple of 32"),
        ({"config": {"widths": [8], "heads": ["mse"], "head": "mse"}}, "hold 'mae'"),
        ({"config": {"widths": [8], "heads": ["mae", "x"]}}, "others of mae, mse"),
        ({"network": "attention", "config": {"widths": [8, 8]}}, "config.heads"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_is_made(
    changes, why, recipe, tmp_path
):
    out = tmp_path / "run"
    with pytest.raises(UsageError, match=f"the recipe cannot be used: .*{why}"):
        trainer(dataclasses.replace(recipe, **changes), out)
    assert not out.exists()


def test_a_model_takes_recipes_of_its_own_family(recipe, tmp_path, capsys):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recipe.as_dict()))
    arguments = ["--recipe", str(path), "--out", str(tmp_path / "run")]
    assert command.main(["gamma", *arguments]) == 2
    said = capsys.readouterr().err
    assert "a recipe of the family optical, not for gamma" in said
    assert "use bgrem-train optical or optical-fast or optical-paper" in said
    assert not (tmp_path / "run").exists()


def test_a_missing_recipe_is_named(tmp_path, capsys):
    for name, code in (("tpu", 2), (str(tmp_path / "none.json"), 3)):
        arguments = ["optical", "--recipe", name, "--out", str(tmp_path / "x")]
        assert command.main(arguments) == code
        assert name in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"no recipe '\.\./x'"):
        shipped("optical", "../x")
    with pytest.raises(ReadError, match="cannot be read"):
        Recipe.read(tmp_path)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.json")), ids=lambda p: p.stem)
def test_shipped_recipes_are_whole_and_survive_their_own_json(path):
    from bgrem_core.networks import build

    recipe = Recipe.read(path)
    assert path.stem.split("_")[0] == recipe.name
    again = Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    assert again == recipe
    assert again.digest() == recipe.digest()
    # Nothing is left to a default that could change behind the recipe's back.
    assert recipe.as_dict() == json.loads(path.read_text())
    with torch.device("meta"):
        assert build(recipe.network, **recipe.config).pooling
    assert set(recipe.kind().describe(recipe)) == {
        "method", "objective", "normaliser", "trained",
    }  # fmt: skip


def test_every_model_has_a_recipe_for_two_cores_and_for_a_gpu():
    names = {p.stem for p in RECIPES.glob("*.json")}
    usual = {f"{m}_{r}" for m in command.MODELS for r in ("cpu", "gpu")}
    own = {"satellites_frames", "satellites_tune"}
    long = {f"{m}_long" for m in ("gamma", "optical", "optical-fast", "satellites")}
    # gamma-paper is never shipped, and small.
    assert names == usual - {"gamma-paper_gpu"} | own | long
