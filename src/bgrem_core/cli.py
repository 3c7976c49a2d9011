"""The command ``bgrem``."""

import argparse
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bgrem_core.errors import CANCELLED, BGRemError, OutOfMemory, UsageError
from bgrem_core.plain_text import plain

#: A negative number as people type it.
NEGATIVE = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")

DESCRIPTION = "Separate astronomical images into sources and background."
EPILOG = """commands:
  bgrem models          list the models that are shipped
  bgrem models export NAME FILE.onnx
                        write a model for other engines
  bgrem doctor          look at this installation
  bgrem demo [-o DIR]   run everything on a real frame

examples:
  bgrem -f frame.fits --catalog .ecsv
  bgrem -f *.fits -o cleaned --sky-scale 256
  bgrem -f stack.fits -i SCI --method mesh --layers
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="see bgrem --help")


def run() -> NoReturn:
    """Run the command of this process and exit."""
    # A letter that the terminal does not know must not end a run.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str
        Arguments, without the name of the program.

    Returns
    -------
    int
        Exit code: 0, or that of the error, 1 if some of several files failed, 130 if
        cancelled.
    """
    debug = "--debug" in argv
    try:
        return _dispatch(list(argv))
    except BGRemError as error:
        if debug:
            raise
        _complain(error, as_json="--json" in argv)
        return error.code
    except KeyboardInterrupt:
        # What was finished is kept, as was asked for, and nothing else.
        left = (
            "--resume goes on with finished tiles"
            if "--resume" in argv
            else "what is finished stays, nothing else was left behind"
        )
        _say(f"bgrem: cancelled; {left}")
        return CANCELLED
    except Exception as error:
        if debug:
            raise
        _complain(_fault(error), as_json="--json" in argv)
        return BGRemError.code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with the flags of every registered method."""
    from bgrem_core import flags
    from bgrem_core.methods import METHODS

    parser = _Parser(
        prog="bgrem",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    # argparse takes -1e3 for a flag, but it is a number.
    parser._negative_number_matcher = NEGATIVE  # noqa: SLF001
    first = parser.add_argument_group("main")
    first.add_argument(
        "-f",
        "--files",
        nargs="+",
        metavar="FILE",
        help="images to clean: files, "
        "patterns, folders, or @LIST for a text file with one name a line",
    )
    first.add_argument("--help", action="help", help="show this help; so does -h alone")
    first.add_argument("--version", action="store_true", help="show the version")
    first.add_argument(
        "--method", choices=tuple(METHODS), help="how (default: bgrem, or the model's)"
    )
    talk = parser.add_argument_group("what is printed")
    talk.add_argument("--json", action="store_true", help="one JSON object a file")
    talk.add_argument("--quiet", action="store_true", help="print errors only")
    talk.add_argument("-v", "--verbose", action="store_true", help="print more")
    talk.add_argument("--debug", action="store_true", help="show where an error arose")
    flags.declare(parser, METHODS)
    return parser


def _dispatch(argv: list[str]) -> int:
    if argv[:1] == ["models"]:
        return _models(argv[1:])
    if argv[:1] == ["doctor"]:
        from bgrem_core.doctor import doctor

        own = _Parser(prog="bgrem doctor", description="Look at this installation.")
        own.add_argument("--json", action="store_true", help="for programs")
        return doctor(as_json=own.parse_args(argv[1:]).json)
    if argv[:1] == ["demo"]:
        return _demo(argv[1:])
    parser = build_parser()
    arguments = parser.parse_args(_settle_h(argv))
    if arguments.version:
        from bgrem_core.methods.common import package_version

        print(package_version())
        return 0
    if not arguments.files:
        raise UsageError("no file was named", hint="use bgrem -f FILE, or bgrem --help")
    return _clean(arguments)


def _settle_h(argv: list[str]) -> list[str]:
    """Read ``-h N`` as the HDU, as the original did, and ``-h`` alone as help."""
    if not argv:
        return ["--help"]
    settled = []
    for k, word in enumerate(argv):
        if word != "-h":
            settled.append(word)
            continue
        following = argv[k + 1] if k + 1 < len(argv) else "-"
        settled.append("--help" if following.startswith("-") else "--hdu")
    return settled


def _clean(arguments: argparse.Namespace) -> int:
    from bgrem_core import flags
    from bgrem_core.batch import make_place, plan
    from bgrem_core.inputs import expand
    from bgrem_core.ledger import Ledger
    from bgrem_core.methods import METHODS, get_method
    from bgrem_core.report import Reporter

    said = vars(arguments)
    name = said["method"] or _method_of_model(said.get("model"))
    request = flags.read(said, get_method(name), METHODS)
    reporter = Reporter(json=said["json"], quiet=said["quiet"], verbose=said["verbose"])
    plans = plan(expand(said["files"]), request)
    make_place(plans, request)
    ledger = Ledger(plans, request)
    try:
        with ledger:
            if request.cluster.wanted:
                from bgrem_core.engine.command import clean_files

                clean_files(plans, request, reporter, ledger, one=_one)
                plans = []
            for k, file in enumerate(plans):
                try:
                    _one(k, file, request, reporter, ledger)
                except BGRemError as error:
                    if said["debug"]:
                        raise
                    ledger.failed(k, error)
                    reporter.failed(file.source, error)
    finally:
        # After Ctrl-C, too.
        reporter.summary(ledger.entries)
    if ledger.trouble is not None:
        raise ledger.trouble
    return ledger.code


def _one(index: int, file: Any, request: Any, reporter: Any, ledger: Any) -> None:
    from bgrem_core.batch import clean_file

    steps = clean_file(file, request)
    try:
        outcome = reporter.follow(file.source, steps)
        ledger.done(index, outcome)
        reporter.done(outcome, request)
    except BGRemError:
        raise
    except MemoryError as error:
        raise OutOfMemory(
            "memory ran out", hint="use a smaller --tile or fewer --threads"
        ) from error
    except Exception as error:
        raise _fault(error) from error
    finally:
        steps.close()


def _method_of_model(model: str | None) -> str:
    if model is None:
        return "bgrem"
    from bgrem_core.methods import METHODS
    from bgrem_core.models import find_card

    card = find_card(model)
    if card.method not in METHODS:
        raise UsageError(
            f"the model {card.name} is for the method {card.method}, which this "
            "version does not have",
            hint="use it from Python: bgrem_core.load_model",
        )
    return card.method


def _models(argv: list[str]) -> int:
    if argv[:1] == ["export"]:
        return _export(argv[1:])
    from bgrem_core.models import list_models

    parser = _Parser(prog="bgrem models", description="List what is shipped.")
    parser.add_argument("--json", action="store_true")
    cards = list_models()
    if parser.parse_args(argv).json:
        print(json.dumps([c.as_dict() for c in cards], indent=2))
        return 0
    for card in cards:
        print(plain(card.summary()))
    return 0


def _export(argv: list[str]) -> int:
    from bgrem_core.export_onnx import export_onnx

    parser = _Parser(
        prog="bgrem models export", description="Write a model as an ONNX file."
    )
    parser.add_argument("model", metavar="NAME", help="a model, or its safetensors")
    parser.add_argument("file", metavar="FILE.onnx", help="what to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    arguments = parser.parse_args(argv)
    path = export_onnx(arguments.model, arguments.file, overwrite=arguments.overwrite)
    print(plain(f"{path}: {path.stat().st_size / 1e6:.1f} MB"))
    return 0


def _demo(argv: list[str]) -> int:
    from bgrem_core.demo import run_demo

    parser = _Parser(prog="bgrem demo", description="Run everything on a real frame.")
    parser.add_argument("-o", "--output", default="demo-output", metavar="DIR")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args(argv)
    return run_demo(Path(arguments.output), overwrite=arguments.overwrite)


def _fault(error: Exception) -> BGRemError:
    return BGRemError(
        f"{type(error).__name__}: {error}",
        hint="this is a fault of bgrem; --debug shows where it arose",
    )


def _complain(error: BGRemError, *, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps(error.as_dict()))
    _say(f"bgrem: {error}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
