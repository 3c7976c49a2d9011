"""What code does, as a hash: results are kept until it changes.

Comments, docstrings and layout do not count. Counted are some modules and all that they
import of the package and of the benchmarks.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOTS = (HERE.parents[1] / "src", HERE, HERE.parent)


@cache
def digest(*modules: str, apart: tuple[str, ...] = ()) -> str:
    """Return the hash of modules and what they import, some left out.

    A module that does not exist counts as none, and as something when it does.
    """
    seen: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in apart else _file(name)
        if name in seen or path is None:
            continue
        tree = ast.parse(path.read_text())
        waiting += _imported(tree)
        seen[name] = ast.dump(_bare(tree))
    text = "\n".join(f"{k} {seen[k]}" for k in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _file(name: str) -> Path | None:
    relative = Path(*name.split("."))
    for root in ROOTS:
        for path in (root / relative / "__init__.py", root / f"{relative}.py"):
            if path.is_file():
                return path
    return None


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # A package gives its modules by the same words.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _bare(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            body[:1] = [] if len(body) > 1 else [ast.Pass()]
    return tree
