"""The pages say what is true: flags, links, and code that runs."""

import argparse
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").glob("*.md"))]
PAGES.append(CHECKOUT / "src/bgrem_core/samples/README.md")


def ids(path):
    return path.relative_to(CHECKOUT).as_posix()


def blocks(page, language):
    """Return the code blocks of a page in one language, "" for none."""
    fences = r"^```(\w*)\n(.*?)^```$"
    found = re.findall(fences, page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def parser_flags():
    from bgrem_core.cli import build_parser

    parser = build_parser()
    return {
        flag
        for action in parser._actions
        for flag in action.option_strings
        if not isinstance(action, argparse._SubParsersAction)
    }


def test_the_page_of_the_command_names_every_flag_and_no_other():
    text = (CHECKOUT / "docs/command-line.md").read_text("utf-8")
    rows = "\n".join(
        line.split("|")[1] for line in text.splitlines() if line.startswith("| `-")
    )
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rows))
    talked_about = {"--help", "--version"}
    assert talked_about <= set(re.findall(r"--[a-z]+", text))
    assert named | talked_about == parser_flags()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_flag_of_an_example_exists(page):
    known = parser_flags() | {"-h"}
    for block in blocks(page, "") + blocks(page, "sh"):
        for line in re.findall(r"^bgrem (?!demo|models|doc).*$", block, re.MULTILINE):
            used = re.findall(r"(?<=\s)--?[a-z][a-z-]*", line.partition("#")[0])
            assert set(used) <= known, line


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title).strip().lower() for title in titles]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_inside_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


# The recipe for source-extractor is run, with its command, by a test of its own.
RUNNABLE = [p for p in PAGES if blocks(p, "python") and p.name != "source-extractor.md"]


@pytest.mark.parametrize("page", RUNNABLE, ids=ids)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = compile("\n".join(blocks(page, "python")), ids(page), "exec")
    exec(code, {})  # noqa: S102 - our own pages


def test_the_pages_name_every_column_flag_and_mask_bit():
    from bgrem_core.catalog import SourceFlag
    from bgrem_core.columns import DESCRIPTIONS
    from bgrem_core.image import MaskBit

    text = (CHECKOUT / "docs/output.md").read_text("utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    bodies = re.split(r"^#+ .*$", text, flags=re.MULTILINE)[1:]
    tables = dict(zip(titles, bodies, strict=True))
    columns = re.findall(r"^\| ([\w, ]+) \|", tables["Catalogue"], re.MULTILINE)
    named = [name.strip() for cell in columns[1:] for name in cell.split(",")]
    assert named == list(DESCRIPTIONS)
    for title, bits in (("Mask", MaskBit), ("Flags", SourceFlag)):
        numbers = re.findall(r"^\| (\d+) \|", tables[title], re.MULTILINE)
        assert [int(n) for n in numbers] == [int(bit) for bit in bits]


def test_the_pages_name_every_header_key():
    from bgrem_core.io.provenance import Provenance

    text = (CHECKOUT / "docs/output.md").read_text("utf-8")
    named = set(re.findall(r"^\| (BGR\w+) \|", text, re.MULTILINE))
    made = Provenance(version="1", method="m", input_sha256="0")
    written = {key for key, _, _ in made.cards()}
    assert named - {"BGRUSE"} == written - {"HISTORY"}


def test_the_page_names_every_key_of_a_report(tmp_path, monkeypatch, capsys):
    import json

    from bgrem_core import cli

    monkeypatch.chdir(tmp_path)
    cli.main(["-f", "no.fits", "--report", "report.json"])
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    text = (CHECKOUT / "docs/command-line.md").read_text("utf-8")
    text = text.partition("### The report")[2].partition("\n## ")[0]
    whole, _, one = text.partition("| key of a file |")
    for part, keys in ((whole, set(report)), (one, set(report["files"][0]))):
        cells = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", " ".join(cells))) == keys


def test_the_figures_that_pages_quote_are_as_measured():
    import subprocess
    import sys

    command = [sys.executable, str(CHECKOUT / "docs/figures.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run docs/figures.py: {done.stdout}{done.stderr}"
