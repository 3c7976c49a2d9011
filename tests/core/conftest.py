"""Fixtures of the core's tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules that tests share


@pytest.fixture(scope="session")
def recipe():
    """Give a small optical recipe of twenty steps."""
    import train_runs

    return train_runs.twenty_steps()


@pytest.fixture(scope="session")
def two_workers():
    """Give a client of two worker processes on this machine."""
    from bgrem_core.engine.cluster import connect

    with connect(workers=2) as client:
        yield client


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
