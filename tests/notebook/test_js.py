"""What of the viewer is pure, tested by node."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "js"
NODE = shutil.which("node")


def test_the_modules_pass_their_own_tests():
    if NODE is None:
        pytest.skip("no node")
    done = subprocess.run(
        [NODE, "--test", str(FILES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^\S+ pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    assert int(passed[1]) >= 60
