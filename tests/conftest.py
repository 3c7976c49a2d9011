"""What all tests share."""

import importlib.util
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
import offline

offline.block()

# A busy machine is no failure, and a green run must be green again tomorrow.
settings.register_profile("bgrem", deadline=None, derandomize=True)
settings.load_profile("bgrem")

# A shell in the background starts its commands deaf to Ctrl-C, and so would be all that
# the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def stays_here():
    """Fail a test that wanted to talk to another machine, even if it was borne."""
    offline.tried.clear()
    yield
    assert not offline.tried, f"it wanted to go to {offline.tried}"


@pytest.fixture
def toy_method(monkeypatch):
    """Register the toy method for one test; gives its module."""
    from bgrem_core.methods import METHODS

    path = Path(__file__).parent / "core" / "toy.py"
    spec = importlib.util.spec_from_file_location("toy", path)
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    monkeypatch.setitem(METHODS, "toy", toy.TOY)
    return toy


@pytest.fixture
def frame():
    """Give a small frame of noise on a level, shape (200, 260)."""
    return np.random.default_rng(3).normal(100, 5, (200, 260)).astype(np.float32)
