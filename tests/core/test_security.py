"""Security: one test for each threat, named after it; SECURITY.md says which hold."""

import ast
import bz2
import csv
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tiny_weights
from astropy.io import fits
from astropy.table import QTable

from bgrem_core import cli, open_image
from bgrem_core.catalog import write_catalog
from bgrem_core.errors import ModelError, ReadError, UsageError
from bgrem_core.models import find_card, load_model
from bgrem_core.plain_text import cell, plain
from bgrem_core.weights import slim

#: Clears the screen, names the window, turns the direction of writing, rings.
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp\r\nroot: # \x00\x7f"


def steers(text):
    return [c for c in text if not c.isprintable() and c != "\n"]


class TestTerminalEscapes:
    def test_plain_text_keeps_letters_and_drops_what_steers(self):
        assert plain("Straße 東") == "Straße 東"
        assert plain(HOSTILE).isprintable()
        assert len(plain(HOSTILE)) == len(HOSTILE)
        assert plain("caf\udce9.fits") == "caf?.fits"

    @pytest.mark.parametrize("options", [[], ["-v"], ["--json"]], ids=str)
    def test_names_of_files_and_cards_of_headers(
        self, tmp_path, capsys, monkeypatch, frame, options
    ):
        monkeypatch.chdir(tmp_path)
        name = os.fsdecode("a\x1b]0;owned\x07\u202e.fits".encode())
        fits.writeto("in.fits", frame[:40, :48], fits.Header({"OBJECT": "x" * 20}))
        raw = (tmp_path / "in.fits").read_bytes()
        evil = raw.replace(b"x" * 20, b"\x1b[2J\x1b]0;owned\x07\x9b".ljust(20, b"\x1b"))
        (tmp_path / name).write_bytes(evil)
        (tmp_path / "bad\x1b[31m.fits").write_bytes(b"oops")
        assert cli.main(["-f", ".", "--method", "mesh", "-o", "out", *options]) == 1
        said = capsys.readouterr()
        assert "owned" in said.out
        assert not steers(said.out + said.err)
        if options == ["--json"]:
            told = [json.loads(line) for line in said.out.splitlines()]
            # A program gets the true name.
            assert {t["file"] for t in told} >= {name}

    def test_messages_of_errors(self):
        error = ReadError(f"EXTNAME is {HOSTILE}", hint=f"rename {HOSTILE}")
        assert not steers(str(error))
        assert "\n" not in str(error)

    def test_words_of_the_command_line(self, capsys):
        assert cli.main([f"--{HOSTILE}"]) == 2
        assert cli.main(["-f", f"{HOSTILE[:9]}.fits"]) == 3
        assert not steers(capsys.readouterr().err)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"]


class TestFormulasInTables:
    @pytest.mark.parametrize("word", FORMULAS, ids=ascii)
    def test_a_cell_that_begins_like_a_formula_is_quoted(self, word):
        assert cell(word) == f"'{word}"

    @pytest.mark.parametrize("word", ["", "M 31", "a=1", "1-2", "'=1"])
    def test_other_cells_stay(self, word):
        assert cell(word) == word

    @pytest.mark.parametrize("kind", [str, object])
    def test_text_columns_of_csv_hold_none_and_numbers_stay(self, tmp_path, kind):
        words = ['=HYPERLINK("http://x","y")', "@cmd", "star"]
        table = QTable({"name": np.array(words, kind), "flux": [-1.5, 2.0, 3.0]})
        path = write_catalog(table, tmp_path / "t.csv")
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        assert [r["name"] for r in rows] == [f"'{words[0]}", "'@cmd", "star"]
        assert float(rows[0]["flux"]) == -1.5


def png(width, height):
    """Return a PNG that states a size and holds a few zeros."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    parts = chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def cards(*pairs):
    text = "".join(f"{k:8}= {v:>20}".ljust(80) for k, v in pairs) + "END"
    return text.ljust(2880).encode()


ENORMOUS = cards(
    ("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "2"), ("NAXIS1", "40000000"),
    ("NAXIS2", "40000000"),
)  # fmt: skip


class TestBombs:
    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("in.png", png(60_000, 60_000), "PNG cannot be decoded"),
            ("in.png", png(13_000, 13_000), "PNG cannot be decoded"),
            ("in.fits", ENORMOUS, "ends at byte 2880 of"),
            ("in.fits.gz", gzip.compress(ENORMOUS + bytes(10**6)), "the scratch disk"),
            ("in.fits.bz2", bz2.compress(ENORMOUS + bytes(10**6)), "the scratch disk"),
        ],
        ids=["png-huge", "png-large", "fits", "gzip", "bzip2"],
    )
    def test_a_small_file_that_states_a_large_image(
        self, tmp_path, monkeypatch, name, content, words
    ):
        folder = tmp_path / "scratch"
        folder.mkdir()
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        try:
            with pytest.raises(ReadError, match=words):
                open_image(tmp_path / name)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 300e6
        assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def tiny():
    pytest.importorskip("torch")
    return tiny_weights.tensors()


def runs_or_is_refused(path):
    """Load a file and use it; gives whether it was taken, else it was told why."""
    z = np.ones((8, 8), np.float32)
    refused = None
    try:
        find_card(str(path)).summary()
        model = load_model(str(path), device="cpu")
        model.card.threshold("catalogue", 0.1, 1)
        assert model.denoise(z, 1.0, rho=0.1, sigma_e=10).shape == z.shape
    except (ModelError, UsageError) as error:
        refused = error
    if isinstance(refused, ModelError):
        assert refused.hint
        assert not steers(str(refused))
    elif refused is not None:
        # It is a model, but of another kind or without what was asked for.
        assert "predict" in str(refused) or "threshold" in str(refused)
    return not isinstance(refused, ModelError)


class TestWeights:
    def test_flipped_bytes_and_cuts(self, tiny, tmp_path):
        whole = tiny_weights.pack(tiny, tiny_weights.note())
        rng = np.random.default_rng(5)
        head = 8 + int.from_bytes(whole[:8], "little")
        path, taken = tmp_path / "m.safetensors", 0
        for _ in range(300):
            raw = bytearray(whole)
            # Most of the damage where the claims are.
            end = head if rng.random() < 0.8 else len(raw)
            for at in rng.integers(0, end, rng.integers(1, 4)):
                raw[at] = rng.integers(0, 256)
            if rng.random() < 0.2:
                raw = raw[: rng.integers(0, len(raw))]
            path.write_bytes(raw)
            taken += runs_or_is_refused(path)
        # A flip in the name or in a weight makes another valid model.
        assert 0 < taken < 150

    def test_cards_with_anything_anywhere(self, tiny, tmp_path):
        odd = [
            None, True, -1, 0, 10**400, 1e308, float("nan"), float("-inf"), "",
            "x" * 999, HOSTILE, [], {}, [[]], [[0]], [[[]]], {"": None},
            ["error", "kept"],
            {"error": 1, "kept": []}, {"uncertainty": [[]]}, {"centre": {"rho": 0}},
            [0.1, "a"], [[0, 1, None]],
        ]  # fmt: skip
        rng = np.random.default_rng(6)
        calibration = {
            "uncertainty": [[0.1, 0.2], [1, 2]], "artefact": 0.5,
            "photons": {"error": [[1, 1], [2, 1]], "kept": [[1, 1], [2, 1]]},
        }  # fmt: skip
        whole = tiny_weights.card(
            calibration=calibration, training={"finished": True}, figures={"a": 1}
        )
        path, taken = tmp_path / "m.safetensors", 0
        for _ in range(400):
            data = json.loads(json.dumps(whole))
            for _ in range(rng.integers(1, 3)):
                inside, key = places(data)[rng.integers(len(places(data)))]
                inside[key] = odd[rng.integers(len(odd))]
            path.write_bytes(tiny_weights.pack(tiny, {"bgrem": json.dumps(data)}))
            taken += runs_or_is_refused(path)
        assert 0 < taken < 200

    @pytest.mark.parametrize("field", ["name", "version", "method", "network"])
    def test_escapes_in_a_card_are_refused(self, tiny, tmp_path, field):
        path = tmp_path / "m.safetensors"
        text = tiny_weights.note(**{field: f"tiny{HOSTILE}"})
        path.write_bytes(tiny_weights.pack(tiny, text))
        with pytest.raises(ModelError, match=f"{field} is no word"):
            load_model(str(path))

    def test_one_name_for_two_things(self, tiny, tmp_path):
        path = tmp_path / "m.safetensors"
        raw = tiny_weights.pack(tiny, tiny_weights.note())
        length = int.from_bytes(raw[:8], "little")
        text, body = raw[8 : 8 + length], raw[8 + length :]
        start = text.index(b'"out.bias"')
        entry = text[start : text.index(b"}", start) + 1]
        text = text[:-1] + b"," + entry + b"}"
        path.write_bytes(len(text).to_bytes(8, "little") + text + body)
        with pytest.raises(ModelError, match=r"names 'out\.bias' twice"):
            load_model(str(path))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "m.safetensors")
        with pytest.raises(ModelError, match="not a regular file"):
            load_model(str(tmp_path / "m.safetensors"))

    def test_an_endless_text_beside_the_weights_is_no_card(self, tiny, tmp_path):
        path = tmp_path / "m.safetensors"
        path.write_bytes(tiny_weights.pack(tiny, tiny_weights.note()))
        with (tmp_path / "m.md").open("wb") as file:
            file.truncate(2**36)
        assert load_model(str(path), device="cpu").sha256

    def test_limits_leave_room_for_what_is_shipped_and_no_more(self):
        assert (slim.MAX_FILE, slim.MAX_HEADER, slim.MAX_TENSORS) == (
            64 * 2**20, 2**20, 512
        )  # fmt: skip
        for path in Path(slim.__file__).parent.glob("*.safetensors"):
            assert path.stat().st_size < 10e6


def places(data):
    """Return (container, key) of all values in nested JSON."""
    keys = data if isinstance(data, dict) else range(len(data))
    found = [(data, key) for key in keys]
    for key in keys:
        if isinstance(data[key], (dict, list)):
            found += places(data[key])
    return found


BANNED = {
    "eval", "exec", "__import__", "os.system", "os.popen", "torch.load",
    "torch.hub.load",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "dill.loads",
    "cloudpickle.load", "cloudpickle.loads", "joblib.load", "marshal.load",
    "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "pandas.read_pickle", "pd.read_pickle",
}  # fmt: skip
"""What runs code that a file brings."""
LOADERS = {"np.load", "numpy.load"}
ROOT = Path(__file__).parents[2]


def calls_that_run_files(source):
    """Return (line, name) of calls that could run what they read."""
    tree = ast.parse(source)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname: a.name for a in node.names if a.asname}
        if isinstance(node, ast.ImportFrom) and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        head, _, rest = ast.unparse(node.func).partition(".")
        called = ".".join(filter(None, (names.get(head, head), rest)))
        shell = [k for k in node.keywords if k.arg == "shell"]
        pickled = [
            k
            for k in node.keywords
            if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"
        ]
        if called in LOADERS and len(node.args) > 2:
            pickled = node.args[2:]
        if called in BANNED or pickled or shell:
            found.append((node.lineno, called))
    return found


class TestFilesThatRunCode:
    @pytest.mark.parametrize(
        "source",
        [
            "import torch\ntorch.load('a.pt')",
            "import torch\ntorch.load('a.pt', weights_only=True)",
            "from torch import load as l\nl('a')",
            "import pickle as p\np.loads(b'')",
            "from pickle import load\nload(f)",
            "import numpy as np\nnp.load('a', allow_pickle=True)",
            "import numpy as np\nnp.load('a', None, True)",
            "import yaml\nyaml.load(f, yaml.Loader)",
            "eval('1')",
            "exec('1')",
            "import subprocess\nsubprocess.run('ls', shell=True)",
        ],
    )
    def test_what_is_banned_is_seen(self, source):
        assert len(calls_that_run_files(source)) == 1

    def test_what_is_harmless_is_not(self):
        source = "import numpy as np\nnp.load('a')\nmodel.eval()\nyaml.safe_load(f)"
        assert not calls_that_run_files(source)

    @pytest.mark.parametrize(
        "folder", ["src", "benchmarks", "scripts", "examples", "docs"]
    )
    def test_nothing_of_ours_calls_them(self, folder):
        files = sorted((ROOT / folder).rglob("*.py"))
        assert files
        found = {
            f"{path.relative_to(ROOT)}:{line}": name
            for path in files
            for line, name in calls_that_run_files(path.read_text("utf-8"))
        }
        assert not found

    def test_the_linter_bans_them_too(self):
        """All but torch.load and np.load, of which its stable rules know nothing."""
        ruff = Path(sys.executable).with_name("ruff")
        if not ruff.is_file():
            pytest.skip("no ruff beside this Python")
        source = "import pickle, yaml\npickle.load(f)\nyaml.load(f)\neval(f)\nexec(f)\n"
        words = ["check", "--output-format", "concise", "-", "--stdin-filename"]
        for folder in ("src/bgrem_core", "benchmarks", "scripts"):
            done = subprocess.run(
                [ruff, *words, f"{folder}/x.py"],
                input=source, capture_output=True, text=True, check=False, cwd=ROOT,
            )  # fmt: skip
            assert {"S301", "S506", "S307", "S102"} <= set(
                re.findall(r"S\d{3}", done.stdout)
            )
