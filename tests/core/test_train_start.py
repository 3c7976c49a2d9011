"""A training that begins with weights that exist."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

from train_runs import weights  # noqa: E402

from bgrem_core.errors import ModelError, ReadError, UsageError  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train import export  # noqa: E402
from bgrem_core.train.bench import recipe_of, trainer  # noqa: E402
from bgrem_core.train.card import card_text  # noqa: E402
from bgrem_core.train.recipe import Recipe  # noqa: E402
from bgrem_core.train.start import read_start  # noqa: E402


@pytest.fixture
def second(recipe):
    """Return a recipe that what the first one leaves can begin."""
    loop = dataclasses.replace(recipe.loop, steps=2, warmup=1)
    config = {**recipe.config, "heads": ["mae"]}
    return dataclasses.replace(recipe, config=config, loop=loop, version="2")


def test_it_begins_with_the_averaged_weights_of_a_run(whole, second, folder):
    start = read_start(whole[0])
    begun, raw = weights(trainer(second, folder, start=start))
    averaged, _ = weights(whole[1])
    for name, value in averaged.items():
        if not name.startswith("out."):  # the head mse was left behind
            assert torch.equal(begun[name], value), name
            assert torch.equal(raw[name], value), name
    fields, arrays = export.from_run(whole[0])
    assert recipe_of(folder).start == start.digest == fields["training"]["tensors"]
    assert torch.equal(begun["out.weight"], torch.from_numpy(arrays["out.weight"]))


def test_a_file_is_as_good_as_its_run_and_the_command_goes_on(
    whole, second, folder, tmp_path, capsys
):
    assert export.main(["--run", str(whole[0]), "--out", str(tmp_path)]) == 0
    file = tmp_path / "optical.safetensors"
    assert read_start(file).digest == read_start(whole[0]).digest
    path = tmp_path / "second.json"
    path.write_text(json.dumps(second.as_dict()))
    line = ["optical", "--recipe", str(path), "--out", str(folder)]
    assert command.main([*line, "--from", str(file)]) == 0
    assert "done: 2 steps" in capsys.readouterr().out
    assert command.main(line) != 0
    assert "belongs to another recipe" in capsys.readouterr().err
    assert command.main([*line, "--from", str(file)]) == 0


def test_the_card_says_what_it_began_with(whole, second, folder):
    start = read_start(whole[0])
    for _ in trainer(second, folder, start=start).run():
        pass
    fields, _ = export.from_run(folder)
    card = export.ModelCard.from_dict(fields, where="test")
    assert f"--from WEIGHTS`, begun with the weights `{start.digest[:16]}" in card_text(
        card, "0" * 64
    )


def test_a_recipe_with_a_start_asks_for_it(whole, second, folder):
    begun = read_start(whole[0]).told(second)
    assert Recipe.from_dict(begun.as_dict()) == begun
    with pytest.raises(UsageError, match="give them by --from"):
        trainer(begun, folder)
    other = dataclasses.replace(second, start="a" * 64)
    with pytest.raises(UsageError, match="give the weights of the recipe"):
        trainer(other, folder, start=read_start(whole[0]))
    with pytest.raises(UsageError, match="is no SHA-256"):
        dataclasses.replace(second, start="x")


def test_weights_of_another_network_are_refused(whole, recipe, second, folder):
    wider = dataclasses.replace(second, config={"widths": [8, 16], "heads": ["mae"]})
    for other in (recipe, wider):  # with one head more, and wider
        with pytest.raises(UsageError, match="belong to another network"):
            trainer(other, folder, start=read_start(whole[0]))
    with pytest.raises(UsageError, match="belong to another network"):
        trainer(second, folder, start=read_start("gamma"))


def test_a_start_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ReadError, match="holds no run"):
        read_start(tmp_path)
    with pytest.raises(ModelError, match="there is no model 'opticle'"):
        read_start("opticle")
    with pytest.raises(ModelError):
        read_start(tmp_path / "none.safetensors")
