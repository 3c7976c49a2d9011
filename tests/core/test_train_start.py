"""A training that begins with weights that exist."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

from train_runs import weights  # noqa: E402

from bgrem_core.errors import ModelError, ReadError, UsageError  # noqa: E402
from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train import export  # noqa: E402
from bgrem_core.train.bench import recipe_of, trainer  # noqa: E402
from bgrem_core.train.card import card_text  # noqa: E402
from bgrem_core.train.fit import fitting_network  # noqa: E402
from bgrem_core.train.recipe import Recipe, shipped  # noqa: E402
from bgrem_core.train.start import read_start  # noqa: E402


@pytest.fixture
def second(recipe):
    """Return a recipe that what the first one leaves can begin."""
    loop = dataclasses.replace(recipe.loop, steps=2, warmup=1)
    return dataclasses.replace(recipe, loop=loop, version="2")


def test_it_begins_with_the_averaged_weights_of_a_run(whole, second, folder):
    start = read_start(whole[0])
    begun, raw = weights(trainer(second, folder, start=start))
    averaged, _ = weights(whole[1])
    for name, value in averaged.items():
        if not name.startswith("out."):
            assert torch.equal(begun[name], value), name
            assert torch.equal(raw[name], value), name
    # The head mse was left behind when the run was exported: it begins anew.
    assert torch.equal(begun["out.weight"][:4], averaged["out.weight"][:4])
    assert averaged["out.weight"][4:].any()
    assert not begun["out.weight"][4:].any()
    fields, _ = export.from_run(whole[0])
    assert recipe_of(folder).start == start.digest == fields["training"]["tensors"]


def test_shipped_weights_begin_the_recipe_that_made_them(folder):
    long = Recipe.read(shipped("optical", "long"))
    network = fitting_network(long)
    read_start("optical").put_into(network, long)
    mine = network.state_dict()
    theirs = load_model("optical", device="cpu")
    assert theirs.card.config["heads"] != long.config["heads"]
    state = read_start("optical").state
    assert torch.equal(mine["stem.weight"], state["stem.weight"])
    heads = theirs.card.config["heads"]
    assert torch.equal(mine["out.bias"][network.rows(heads)], state["out.bias"])


def test_the_same_command_goes_on_and_needs_the_start_no_more(
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
    assert command.main([*line, "--from", str(file)]) == 0
    assert command.main(line) == 0
    own = ["optical", "--recipe", str(folder / "recipe.json"), "--out", str(folder)]
    assert command.main(own) == 0
    capsys.readouterr()
    other = json.dumps(dataclasses.replace(second, seed=5).as_dict())
    path.write_text(other)
    assert command.main(line) != 0
    assert "belongs to another recipe" in capsys.readouterr().err


def test_the_card_says_what_it_began_with(whole, second, folder):
    start = read_start(whole[0])
    for _ in trainer(second, folder, start=start).run():
        pass
    fields, _ = export.from_run(folder)
    card = export.ModelCard.from_dict(fields, where="test")
    text = card_text(card, "0" * 64)
    assert "--from WEIGHTS` with the recipe that is in this file" in text
    assert f"it began with the weights `{start.digest[:16]}" in text
    assert "minutes more" in text


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


def test_weights_of_another_network_are_refused(whole, second, folder):
    wider = dataclasses.replace(second, config={"widths": [8, 16], "heads": ["mae"]})
    with pytest.raises(UsageError, match="belong to another network"):
        trainer(wider, folder, start=read_start(whole[0]))
    with pytest.raises(UsageError, match="belong to another network"):
        trainer(second, folder, start=read_start("gamma"))


def test_a_run_that_has_not_ended_is_no_start(recipe, folder):
    for row in trainer(recipe, folder).run():
        if row["step"] == 3:
            break
    for _ in trainer(recipe, folder).run(max_seconds=0.01):
        pass
    with pytest.raises(UsageError, match="has not ended"):
        read_start(folder)


def test_a_start_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ReadError, match="holds no run"):
        read_start(tmp_path)
    with pytest.raises(ModelError, match="there is no model 'opticle'"):
        read_start("opticle")
    with pytest.raises(ModelError):
        read_start(tmp_path / "none.safetensors")
