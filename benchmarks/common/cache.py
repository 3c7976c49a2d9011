"""Results already measured, one line of JSON each, in a file that only grows."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class Cache:
    """Values by what they depend on.

    Attributes
    ----------
    version : int
        Raised when a number changes its meaning; nothing older is then used.
    computed, reused : int
        What this run did.
    """

    version = 1

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

    def many(
        self,
        parts: list[list[Any]],
        compute: Callable[[Any], Any],
        tasks: list[Any],
        over: Callable[..., Iterable[Any]] = map,
    ) -> list[Any]:
        """Return the values of tasks, each with the parts of its key.

        ``over`` is `map`, or that of a pool of processes.
        """
        keys = [self._key(p) for p in parts]
        waiting = {
            k: t for k, t in zip(keys, tasks, strict=True) if k not in self._known
        }
        self.reused += len(keys) - len(waiting)
        answers = over(compute, list(waiting.values()))
        # One after the other, so that a run that is stopped goes on from there.
        for key, value in zip(waiting, answers, strict=True):
            self._keep(key, value)
        return [self._known[k] for k in keys]

    def _keep(self, key: str, value: Any) -> None:
        text = json.dumps({"key": key, "value": value})
        with self.path.open("a") as file:
            # A line that was cut off before ends here.
            file.write(text + "\n" if file.tell() == 0 else "\n" + text + "\n")
        self._known[key] = json.loads(text)["value"]
        self.computed += 1

    def _key(self, parts: list[Any]) -> str:
        text = json.dumps([self.version, *parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]
