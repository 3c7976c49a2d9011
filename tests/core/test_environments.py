"""Odd places to run in: offline, no home, another locale, odd paths, strict warnings.

`make test-hostile` runs the whole suite in such a place.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import samples

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "src"
#: Spaces, letters that ASCII lacks, a quotation mark; as bytes, for any locale.
ODD = os.fsdecode(b"a b \xc3\xa9\xe5\xa4\xa9 'c")
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
WITHOUT = (
    "LANG", "LANGUAGE", "LC_CTYPE", "PYTHONIOENCODING", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR", "ASTROPY_CONFIG_DIR",
)  # fmt: skip


def environment(home, *, locale=True):
    """Return variables of a process without a home and without a language.

    No folder can be made in a file, not even by a superuser.
    """
    kept = {k: v for k, v in os.environ.items() if k not in WITHOUT}
    paths = [str(SOURCE), str(TESTS), kept.get("PYTHONPATH", "")]
    return {
        **kept, **(C_LOCALE if locale else {}), "PYTHONPATH": os.pathsep.join(paths),
        "HOME": str(home), "USERPROFILE": str(home), "SOURCE_DATE_EPOCH": "0",
    }  # fmt: skip


def run(code, *words, cwd, env, strict=True):
    options = ["-W", "error"] if strict else []
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code), *words],
        cwd=cwd, env=env, capture_output=True, check=False,
    )  # fmt: skip


COMMAND = """
    import sys
    import offline
    offline.block()
    from bgrem_core import cli
    try:
        cli.run()
    finally:
        assert not offline.tried, offline.tried
"""


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.write_bytes(b"")
    return path


@pytest.fixture
def place(tmp_path):
    """Give an odd folder with an odd file in it."""
    folder = tmp_path / ODD
    try:
        folder.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    data = np.random.default_rng(5).normal(100, 5, (64, 72)).astype(np.float32)
    fits.writeto(folder / f"{ODD}.fits", data, fits.Header({"OBJECT": "M 31"}))
    return folder


@pytest.mark.parametrize("locale", [False, True], ids=["own-locale", "c-locale"])
def test_a_frame_is_cleaned_and_told_of_anywhere(place, home, locale):
    env = environment(home, locale=locale)
    words = ["-f", f"{ODD}.fits", "missing\udce9.fits", "--catalog", ".csv", "-v"]
    words += ["-o", f"out {ODD}", "--report", "r.json", "--sky-scale", "32"]
    done = run(COMMAND, *words, cwd=place, env=env)
    # One of the two is not there.
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"there is no such file" in done.stderr
    out = place / f"out {ODD}"
    assert sorted(p.suffix for p in out.iterdir()) == [".csv", ".fits"]
    assert fits.getdata(out / f"BGRem_{ODD}.fits").std() < 3
    report = json.loads((place / "r.json").read_bytes())
    assert report["counts"]["ok"] == 1
    told = done.stdout.decode("ascii" if locale else "utf-8")
    assert "2 files: 1 done, 1 failed" in told


def test_the_bits_do_not_depend_on_the_place(place, home, tmp_path):
    (name,) = place.iterdir()
    plain = tmp_path / "plain"
    plain.mkdir()
    written = []
    for folder, env in ((place, environment(home)), (plain, dict(os.environ))):
        target = folder / "in.fits"
        target.write_bytes(name.read_bytes())
        env = {**environment(home, locale=False), **env, "SOURCE_DATE_EPOCH": "0"}
        env["PYTHONPATH"] = environment(home)["PYTHONPATH"]
        words = ["-f", "in.fits", "--method", "mesh", "--quiet"]
        done = run(COMMAND, *words, cwd=folder, env=env)
        assert done.returncode == 0, done.stderr
        written.append((folder / "BGRem_in.fits").read_bytes())
    assert written[0] == written[1]


def test_the_doctor_finds_all_well_anywhere(place, home):
    done = run(COMMAND, "doctor", "--json", cwd=place, env=environment(home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["status"] == "ok"


SAMPLES = """
    import json, sys
    import offline
    offline.block()
    from bgrem_core import cli, samples
    codes = {}
    for name in samples.names():
        words = ["-f", str(samples.path(name)), "-o", "out", "--quiet", "--layers"]
        words += ["--catalog", ".ecsv"]
        method = {"photons": ["--method", "gamma"],
                  "satellite": ["--method", "systematics",
                                "--systematics-mode", "classical"]}
        codes[name] = cli.main([*words, *method.get(name, [])])
    assert not offline.tried, offline.tried
    print(json.dumps(codes))
"""


@pytest.mark.slow
def test_ordinary_frames_raise_no_warning_and_need_no_network(tmp_path, home):
    done = run(SAMPLES, cwd=tmp_path, env=environment(home, locale=False))
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    codes = json.loads(done.stdout)
    assert set(codes) == set(samples.names())
    assert set(codes.values()) == {0}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the odd names")
def test_tests_of_files_and_of_the_command_pass_in_all_of_it_at_once(
    tmp_path, place, home
):
    files = ["core/io/test_names.py", "core/io/test_write.py", "core/test_cli.py"]
    base = ["--basetemp", str(place / "base"), "-p", "no:cacheprovider"]
    # napari keeps its icons in the home, and ends without one.
    base += ["-p", "no:napari", "-p", "no:pytest-qt", "-p", "no:xvfb"]
    words = ["-q", "-x", "-m", "not slow", *base, "--rootdir", str(TESTS.parent)]
    code = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    paths = [str(TESTS / file) for file in files]
    config = ["-c", str(TESTS.parent / "pyproject.toml")]
    done = run(
        code, *words, *config, *paths, cwd=tmp_path, env=environment(home), strict=False
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-3000:]
    assert b" passed" in done.stdout
