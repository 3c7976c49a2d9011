"""Every error a user can meet: one tree, tied to the exit codes of ``bgrem``.

Each class is also the builtin that people catch. Raise them with a sentence that
names the thing and its value, and a hint that says what to do next.
"""

from bgrem_core.plain_text import plain

#: Exit code when some of several files failed.
SOME_FAILED = 1
#: Exit code after Ctrl-C.
CANCELLED = 130


class BGRemError(Exception):
    """Root of all errors of this package.

    Parameters
    ----------
    sentence : str
        What is wrong: the thing, its value, what was expected. No full stop.
    hint : str, optional
        The next step for the user. No full stop.

    Attributes
    ----------
    code : int
        Exit code of the command line.
    """

    code: int = 1

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.sentence = sentence
        self.hint = hint

    def as_dict(self) -> dict[str, object]:
        """Return status, code, sentence and hint, for programs."""
        return {
            "status": "failed",
            "code": self.code,
            "sentence": self.sentence,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        """Return the sentence and the hint as one line of text."""
        text = f"{self.sentence}. {self.hint}" if self.hint else self.sentence
        return plain(text, instead=" ")


class UsageError(BGRemError, ValueError):
    """An option or argument that cannot be used."""

    code = 2


class ReadError(BGRemError, OSError):
    """A file that cannot be read as an image."""

    code = 3


class ImageError(BGRemError, ValueError):
    """A readable file or array that holds no usable image."""

    code = 4


class WriteError(BGRemError, OSError):
    """An output that cannot or must not be written."""

    code = 5


class ModelError(BGRemError):
    """Weights that are missing, damaged or not fit for the task."""

    code = 6


class OutOfMemory(BGRemError, MemoryError):  # noqa: N818 - name fixed by contract
    """The machine has too little memory for what was asked."""

    code = 7
