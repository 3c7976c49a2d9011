"""How long the fuzzing lasts, from where, and what it says at the end.

BGREM_FUZZ_SECONDS (60), BGREM_FUZZ_SEED (0) and BGREM_FUZZ_REPORT (a JSON file).
"""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules that these tests share

TABLE = pytest.StashKey[dict]()


@pytest.fixture
def tell(pytestconfig):
    """Give a function that prints a table at the end, and writes it where asked."""

    def keep(table):
        pytestconfig.stash[TABLE] = table
        if path := os.environ.get("BGREM_FUZZ_REPORT"):
            Path(path).write_text(json.dumps(table, indent=1) + "\n")

    return keep


def pytest_terminal_summary(terminalreporter, config):
    """Print what became of the damaged files, by format."""
    table = config.stash.get(TABLE, None)
    if table is None:
        return
    rows = table["outcomes"]
    kinds = sorted({kind for row in rows.values() for kind in row})
    terminalreporter.section(f"damaged files, seed {table['seed']}")
    terminalreporter.line(" " * 10 + "".join(f"{k:>10}" for k in [*kinds, "all"]))
    for name, row in rows.items():
        counts = [row.get(kind, 0) for kind in kinds]
        cells = "".join(f"{n:>10}" for n in [*counts, sum(counts)])
        terminalreporter.line(f"{name:10}{cells}")
