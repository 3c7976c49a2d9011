"""Fixtures of the core's tests."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules that tests share


@pytest.fixture
def toy_method(monkeypatch):
    """Register the toy method for one test; gives its module."""
    from bgrem_core.methods import METHODS

    path = Path(__file__).with_name("toy.py")
    spec = importlib.util.spec_from_file_location("toy", path)
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    monkeypatch.setitem(METHODS, "toy", toy.TOY)
    return toy


@pytest.fixture
def frame():
    """Give a small frame of noise on a level, shape (200, 260)."""
    return np.random.default_rng(3).normal(100, 5, (200, 260)).astype(np.float32)


@pytest.fixture(scope="session")
def recipe():
    """Give a small optical recipe of twenty steps."""
    import train_runs

    return train_runs.twenty_steps()


@pytest.fixture(scope="session")
def whole(recipe, tmp_path_factory):
    """One uninterrupted run: its folder, trainer and rows."""
    from bgrem_core.train.bench import trainer

    folder = tmp_path_factory.mktemp("whole")
    run = trainer(recipe, folder)
    return folder, run, list(run.run())


@pytest.fixture
def folder(whole, tmp_path):
    """A new folder of a run that need not simulate its fields again."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "fields").symlink_to(whole[0] / "fields")
    return out
