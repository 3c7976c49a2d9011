"""The contract for bad input: fifty rows, each on every way that a user has.

A row is an input that somebody will give. Each of its cases is made anew, and given to
the command, to the functions of Python and to a session as windows have it. What is
expected stands in the row: a whole result, or an error with its exit code, its sentence
and its hint; no traceback, no input that changed, nothing left behind.
"""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
from rows import ROWS
from rows.kinds import COMMAND, NETWORK, PYTHON, SESSION

from bgrem_core import clean, cli, open_image, write
from bgrem_core.errors import BGRemError
from bgrem_core.io import open_all, output_path
from bgrem_core.session import Session
from bgrem_core.settings import OpenSettings
from bgrem_core.stack import planes_of

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
LONG = 60.0
DOOR = {f.name for f in dataclasses.fields(OpenSettings)}

TRIED = [
    pytest.param(case, way, id=f"row-{row.number:02d}-{case.name}-{way}")
    for row in ROWS
    for case in row.cases
    for way in case.ways
]


@pytest.mark.parametrize(("case", "way"), TRIED)
def test_row(case, way, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    case.build(tmp_path)
    before = state(tmp_path)
    with monkeypatch.context() as patch:
        case.fault(patch, tmp_path)
        if case.play is not None:
            case.play(way, tmp_path, patch, capsys)
            return
        WAYS[way](case, capsys)
    after = state(tmp_path)
    made = {case.out} if not case.code else set()
    if not case.spoils:
        assert {k: v for k, v in after.items() if k not in made} == {
            k: v for k, v in before.items() if k not in made
        }
    assert not [name for name in after if ".bgrem-" in name]
    if not case.code:
        assert set(after) - set(before) <= made
        case.check(tmp_path, tmp_path / case.out)


def state(folder):
    """Return what lies in a folder: digest, link or kind of everything, by its name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            found[name] = oct(path.lstat().st_mode)
    return found


# The ways ----------------------------------------------------------------------------


def command(case, capsys, method=None):
    words = ["-f", case.file, *flags(case, case.method if method is None else method)]
    code = cli.main(words)
    said = capsys.readouterr()
    assert code == case.code, said.err
    assert "Traceback" not in said.out + said.err
    if not code:
        assert said.out.count(case.notice) == 1 or not case.notice
        return
    (line,) = said.err.splitlines()
    assert line.startswith("bgrem: ")
    assert case.words in line
    assert case.hint in line
    if case.spoils:
        return
    assert cli.main([*words, "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["code"]) == ("failed", code)
    assert line.endswith(f"{told['sentence']}. {told['hint']}".rstrip(". "))
    assert case.words in told["sentence"]
    assert case.hint in told["hint"]


def network(case, capsys):
    """Run the command with its default method, whatever the case says."""
    command(case, capsys, method="")


def python(case, capsys):
    with pytest.raises(BGRemError) if case.code else _Nothing() as caught:
        results = separate(case)
        told = [n for r in results for s in planes_of(r) for n in all_said(s)]
        assert any(case.notice in line for line in told)
        save(results if len(results) > 1 else results[0], case)
    if case.code:
        is_expected(caught.value, case)


def session(case, capsys):
    window = Session()
    with pytest.raises(BGRemError) if case.code else _Nothing() as caught:
        # A form refuses a setting at once; the rest fails on the worker.
        door, run = parted(case.settings)
        window.choose(case.method, **run)
        window.open(case.file, OpenSettings(**door))
        assert window.wait(LONG)
        if window.state == "idle":
            window.start()
            assert window.wait(LONG)
        if window.state == "failed":
            raise window.error
        assert window.state == "done"
        told = [n for s in planes_of(window.result) for n in all_said(s)]
        assert any(case.notice in line for line in told)
        save(window.result, case)
    if case.code:
        is_expected(caught.value, case)
        assert window.result is None or case.spoils


WAYS = {COMMAND: command, PYTHON: python, SESSION: session, NETWORK: network}


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def flags(case, method):
    """Return the words of the command that mean the settings of a case."""
    words = ["--method", method] if method else []
    for key, value in {**case.settings, **case.output}.items():
        words.append(f"--{key.replace('_', '-')}")
        if value is not True:
            # Behind "=", as a prefix may look like a flag.
            words[-1] += f"={value}"
    return words


def parted(settings):
    door = {k: v for k, v in settings.items() if k in DOOR}
    return door, {k: v for k, v in settings.items() if k not in DOOR}


def separate(case):
    door, run = parted(case.settings)
    if door.get("hdu") == "all":
        opened = open_all(case.file, OpenSettings(**door))
    else:
        opened = [open_image(case.file, **door)]
    return [clean(one, method=case.method, **run) for one in opened]


def save(result, case):
    asked = dict(case.output)
    folder, prefix = asked.pop("output", None), asked.pop("prefix", "BGRem_")
    write(result, output_path(case.file, folder=folder, prefix=prefix), **asked)


def all_said(separation):
    return (*separation.image.assumed, *separation.notices)


def is_expected(error, case):
    assert error.code == case.code, error
    assert case.words in error.sentence
    assert case.hint in error.hint
    assert len(str(error).splitlines()) == 1


# The table ---------------------------------------------------------------------------


def test_there_are_fifty_rows_and_the_page_says_what_they_say():
    assert [row.number for row in ROWS] == list(range(1, 51))
    page = re.findall(r"^\| (\d+) \|.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number in page] == list(range(1, 51))
    lines = PAGE.read_text("utf-8").splitlines()
    missing = [line for line in map(told, ROWS) if line not in lines]
    assert not missing, "docs/bad-input.md lacks:\n" + "\n".join(missing)


def told(row):
    return f"| {row.number} | {row.title} | {row.happens} |"
