"""What run.py wrote, and values of it as text; None where there is none."""

from collections.abc import Callable
from typing import Any

MODELS = ("optical", "optical-paper")
Value = Callable[["Paper"], str | None]


class Paper:
    """What run.py wrote."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def get(self, *path: str) -> Any:
        """Return what lies there, None where there is nothing."""
        here: Any = self.found
        for key in path:
            if not isinstance(here, dict) or key not in here:
                return None
            here = here[key]
        return here

    def figure(self, key: str, *path: str) -> Any:
        return self.get("figures", key, *path)

    def weights(self) -> dict[str, list[str]]:
        """Return the digests, shortened, that each model has in the figures."""
        out: dict[str, dict[str, None]] = {}
        for figure in (self.get("figures") or {}).values():
            for name, digest in figure["weights"].items():
                out.setdefault(name, {})[digest[:16]] = None
        return {name: list(digests) for name, digests in out.items()}

    def toys(self) -> list[str]:
        figures = self.get("figures") or {}
        return [key for key, f in figures.items() if f["toy"]]

    def models(self, key: str, *path: str) -> list[str]:
        """Return which of the models have something there."""
        rows = self.figure(key, *path) or {}
        return [m for m in MODELS if m in rows]


def interval(ratio: list[float | None] | None) -> str | None:
    """Return a ratio with its bounds."""
    if not ratio or ratio[0] is None:
        return None
    value, low, high = ratio
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def plus(pair: list[float | None], digits: int = 3) -> str:
    """Return a value with its error, if it has one."""
    value, error = pair[0], pair[1]
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text if error is None else f"{text} ± {error:.{digits}f}"


def listed(parts: dict[str, str | None]) -> str | None:
    """Return "name value; name value" of those that have one."""
    got = [f"{name} {value}" for name, value in parts.items() if value]
    return "; ".join(got) or None
