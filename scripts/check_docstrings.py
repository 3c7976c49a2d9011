"""Validate docstrings: sections that are there everywhere, complete ones in public."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

#: What users import; every parameter and return value of these is described.
PUBLIC = ("bgrem_core", "bgrem_core.display", "bgrem_core.samples")
#: Internal helpers may say it all in one line.
COMPLETE = {"PR01", "RT01", "YD01"}


def main() -> int:
    """Return 1 if a docstring is wrong, else 0."""
    files = [str(path) for path in Path("src").rglob("*.py") if _is_open(path)]
    lint = [sys.executable, "-m", "numpydoc", "lint", *files]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)  # noqa: S603
    print((done.stdout + done.stderr).replace("\n\n", "\n"), end="")
    return max(done.returncode != 0, _incomplete())


def _is_open(path: Path) -> bool:
    private = path.name.startswith("_") and path.name != "__init__.py"
    return not private


def _incomplete() -> bool:
    from numpydoc.validate import validate

    wrong = False
    for module in PUBLIC:
        for name in import_module(module).__all__:
            if not callable(getattr(import_module(module), name)):
                continue
            for code, sentence in validate(f"{module}.{name}")["errors"]:
                if code in COMPLETE:
                    wrong = True
                    print(f"{module}.{name}: {code} {sentence}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
