"""Results already measured, one line of JSON each, in a file that only grows."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
VERSION = 1
"""Raised when a number changes its meaning; nothing older is then used."""


class Cache:
    """Values by what they depend on.

    Attributes
    ----------
    computed, reused : int
        What this run did.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.computed = self.reused = 0
        self._known: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:  # the run was killed while it wrote this line
                continue
            self._known[row["key"]] = row["value"]

    def get(self, parts: list[Any], compute: Callable[[], Any]) -> Any:
        """Return the value for these parts of the key; compute it at most once."""
        text = json.dumps([VERSION, *parts], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        if key in self._known:
            self.reused += 1
            return self._known[key]
        value = json.loads(json.dumps(compute()))
        self.computed += 1
        self._known[key] = value
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, "value": value}) + "\n")
        return value
