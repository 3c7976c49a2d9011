"""Magic: ``%bgrem frame.fits`` opens the sky in a cell."""

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as MagicUsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from bgrem_core.errors import BGRemError
from bgrem_core.methods import METHODS
from bgrem_core.models import list_models
from bgrem_notebook.source import find_source, variables

if TYPE_CHECKING:
    from bgrem_notebook.widget import BGRemWidget

__all__ = ["BGRemMagics", "complete"]

FLAGS = ("--hdu", "--plane", "--method", "--model", "--steps", "--run", "--find")


@magics_class
class BGRemMagics(Magics):
    """The magic ``%bgrem``."""

    @magic_arguments()
    @argument("image", help="a file, or a variable that holds an image")
    @argument("--hdu", "-i", help="image HDU: index or EXTNAME")
    @argument("--plane", help="plane of a cube: index from 0, or 'all'")
    @argument("--method", default="bgrem", help="how it is separated")
    @argument("--model", help="name of a model or path of its weights")
    @argument("--steps", "-s", type=int, help="reverse steps")
    @argument("--run", action="store_true", help="run at once, and wait for it")
    @argument("--find", action="store_true", help="run and find sources, and wait")
    @line_magic
    def bgrem(self, line: str) -> "BGRemWidget":
        """Open an image: original, cleaned and residual side by side.

        Keep the widget to use its result in the next cell::

            w = %bgrem frame.fits
            w.result, w.sources
        """
        from bgrem_notebook.widget import BGRemWidget

        given = parse_argstring(self.bgrem, line)
        fields = ("hdu", "plane", "model", "steps")
        said = {name: getattr(given, name) for name in fields}
        settings = {name: value for name, value in said.items() if value is not None}
        try:
            names = self.shell.user_ns if self.shell else {}
            source = find_source(_bare(given.image), names)
            widget = BGRemWidget(source, method=given.method, **settings)
            if given.run or given.find:
                widget.run(wait=True)
            if given.find:
                widget.find(wait=True)
        except BGRemError as error:
            # One line in place of a traceback: it says what to do.
            raise MagicUsageError(str(error)) from None
        return widget


def complete(shell: Any, event: Any) -> list[str]:
    """Return what may stand where the cursor is, after ``%bgrem``.

    Parameters
    ----------
    shell : InteractiveShell
        Whose variables are offered.
    event : object
        With ``line`` and ``symbol``, as IPython hands it over.

    Returns
    -------
    list of str
        Flags, names of methods and models, variables and files.
    """
    words = event.line.split()
    before = words[-1] if event.line.endswith(" ") else (words[-2:-1] or [""])[0]
    if before == "--method":
        return list(METHODS)
    if before == "--model":
        return [card.name for card in list_models()]
    if event.symbol.startswith("-"):
        return list(FLAGS)
    known = [n for n in variables(shell.user_ns) if n.startswith(event.symbol)]
    return [*known, *_files(event.symbol)]


def _files(start: str) -> list[str]:
    """Return folders and images whose names begin so."""
    from pathlib import Path

    folder, _, begin = start.rpartition("/")
    where = Path(f"{folder}/" if start.startswith("/") or folder else ".").expanduser()
    head = f"{folder}/" if folder or start.startswith("/") else ""
    found = []
    for path in sorted(where.iterdir()) if where.is_dir() else ():
        if path.name.startswith(".") or not path.name.startswith(begin):
            continue
        name = f"{head}{path.name}".replace(" ", "\\ ")
        if path.is_dir():
            found.append(f"{name}/")
        elif path.name.lower().endswith(_ENDINGS):
            found.append(name)
    return found


def _bare(word: str) -> str:
    """Return a word without the quotation marks that a shell would take off."""
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return (word[1:-1] if quoted else word).replace("\\ ", " ")


_PLAIN = (".fits", ".fit", ".fts")
_ENDINGS = (
    *_PLAIN,
    *(f"{end}{packed}" for end in _PLAIN for packed in (".gz", ".bz2", ".fz")),
    ".tif", ".tiff", ".png",
)  # fmt: skip
