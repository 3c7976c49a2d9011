"""A benchmark as a command: processes, and files that are never half there."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any


@contextmanager
def pool(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give `map`, or that of some processes."""
    if workers < 2:
        yield map
        return
    # Not by fork: torch may have started its threads.
    with ProcessPoolExecutor(workers, get_context("spawn")) as made:
        yield made.map


def read(path: Path) -> dict[str, Any]:
    """Return results of an earlier run, if there was one."""
    return json.loads(path.read_text()) if path.is_file() else {}


def replace(path: Path, text: str) -> None:
    """Write beside the target, then rename: it is never half there."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text.rstrip() + "\n")
    beside.replace(path)
