"""The bundle: modules joined into one, and what they may not do."""

import re
from pathlib import Path

import pytest

from bgrem_core.errors import UsageError
from bgrem_notebook import bundle

STATIC = Path(bundle.__file__).parent / "static"
IMPORT = re.compile(r'^import \{ (.*) \} from "\./(\w+)\.mjs";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:\w+ )*?(\w+)(?= ?[(={]| extends)", re.MULTILINE)


def sources():
    return {path.stem: path.read_text("utf-8") for path in STATIC.glob("*.mjs")}


def test_all_modules_are_joined_once():
    assert sorted(bundle.MODULES) == sorted(sources())


def test_the_bundle_imports_nothing_and_exports_one_thing():
    code = bundle.esm()
    assert not re.search(r"^import\b", code, re.MULTILINE)
    assert re.findall(r"^export\b.*", code, re.MULTILINE) == ["export default () => {"]


def test_modules_stand_after_those_that_they_use():
    order = {name: k for k, name in enumerate(bundle.MODULES)}
    late = [
        (name, used)
        for name, source in sources().items()
        for used in re.findall(
            r'^import .* from "\./(\w+)\.mjs";$', source, re.MULTILINE
        )
        if order[used] >= order[name]
    ]
    assert late == []


def test_what_is_imported_is_exported_there():
    known = {
        name: set(
            re.findall(
                r"^export (?:\w+ )*?(\w+)(?= ?[(={]| extends)", text, re.MULTILINE
            )
        )
        for name, text in sources().items()
    }
    missing = [
        (module, name)
        for module, source in sources().items()
        for names, used in IMPORT.findall(source)
        for name in names.split(", ")
        if name not in known[used]
    ]
    assert missing == []


def test_every_import_stands_on_one_line_and_renames_nothing():
    for source in sources().values():
        for line in re.findall(r"^import\b.*", source, re.MULTILINE):
            assert re.fullmatch(r'import \{ [\w, ]+ \} from "\./\w+\.mjs";', line)
            assert " as " not in line


def test_a_name_that_two_modules_declare_is_refused():
    with pytest.raises(UsageError, match=r"b\.mjs declares twin, which a\.mjs"):
        bundle.join({"a": "export const twin = 1;", "b": "function twin() {}"})


def test_imports_and_exports_are_taken_away():
    joined = bundle.join(
        {
            "a": "export const one = 1;\n",
            "b": 'import { one } from "./a.mjs";\nexport default { one };\n',
        }
    )
    assert joined == "const one = 1;\n\nexport default { one };\n"


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
)
def test_no_text_ever_becomes_html(word):
    assert word not in bundle.esm()


def test_nothing_is_fetched_from_elsewhere():
    addresses = set(re.findall(r"https?://[^\"' )]+", bundle.esm() + bundle.css()))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "url(" not in bundle.css()
    assert "fetch(" not in bundle.esm()


def test_no_rule_of_the_style_sheet_leaves_the_viewer():
    bare = re.sub(r"/\*.*?\*/", "", bundle.css(), flags=re.DOTALL)
    selectors = re.findall(r"([^{};]+)\{", bare)
    rules = [s.strip() for group in selectors for s in group.split(",\n")]
    assert rules
    assert all(r.startswith((".bgrem", "@media")) for r in rules)


def test_lines_are_short():
    for path in [*STATIC.glob("*.mjs"), *(Path(__file__).parent / "js").glob("*.mjs")]:
        long = [n for n in path.read_text("utf-8").splitlines() if len(n) > 100]
        assert not long, path
