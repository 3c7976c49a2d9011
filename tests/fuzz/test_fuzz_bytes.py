"""Damaged bytes: no signal, no error but ours, no hang, no bloat, no silent change."""

import json
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fuzz_files import FORMATS, damaged, intact

WORKER = Path(__file__).with_name("fuzz_worker.py")
SECONDS = float(os.environ.get("BGREM_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("BGREM_FUZZ_SEED", "0"))
# The rest is for headers.
SHARE = 0.75
ENOUGH = 20

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no fork")


class Fuzz:
    """Runs workers for some time, and another one after each that dies."""

    def __init__(self, seed, worker=WORKER):
        self.seed, self.next = seed, 0
        self.worker = worker
        self.outcomes = {name: Counter() for name in FORMATS}
        self.wrong = []
        self.peak = 0

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.wrong) < ENOUGH:
            self.work(end - time.monotonic())

    def work(self, seconds):
        command = [sys.executable, self.worker, str(self.seed), str(self.next)]
        with subprocess.Popen(
            [*command, "--seconds", str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as worker:
            for line in worker.stdout:
                self.take(json.loads(line))
            said = worker.stderr.read()
        if worker.returncode < 0 or "Timeout" in said:
            self.fail(self.next, f"ended with {worker.returncode}: {said[-2000:]}")
            self.next += 1
        elif worker.returncode != 1:
            assert worker.returncode == 0, said

    def take(self, line):
        if "peak" in line:
            self.peak = max(self.peak, line["peak"])
            return
        self.next = line["number"] + 1
        if "wrong" in line:
            self.fail(line["number"], line["wrong"] + line.get("trace", ""))
        else:
            self.outcomes[line["format"]][line["outcome"]] += 1

    def fail(self, number, why):
        name = FORMATS[number % len(FORMATS)]
        again = f"python tests/fuzz/{WORKER.name} {self.seed} {number}"
        self.wrong.append(f"{name}, repeat with: {again}\n{why}")
        self.outcomes[name]["WRONG"] += 1


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("os.abort()", "ended with -6"),
        ("signal.setitimer(signal.ITIMER_PROF, 0.1)\nwhile True: pass", "with -27"),
        ("faulthandler.dump_traceback_later(0.1, exit=True)\ntime.sleep(9999)",
         "Timeout"),
    ],
)  # fmt: skip
def test_a_worker_that_dies_or_hangs_is_noticed_and_named(tmp_path, end, why):
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import faulthandler, os, signal, sys, time\n"
        "for number in range(int(sys.argv[2]), 3):\n"
        '    print(f\'{{"number": {number}, "format": "gz", "outcome": "same"}}\','
        " flush=True)\n"
        "if number == 2: \n" + textwrap.indent(end, "    ")
    )
    fuzz = Fuzz(0, worker)
    fuzz.work(1)
    (said,) = fuzz.wrong
    assert why in said
    # The next in turn is blamed, by its format, and left out when it goes on.
    assert said.startswith(f"{FORMATS[3]}, repeat with: python tests/fuzz/")
    assert said.splitlines()[0].endswith("0 3")
    assert fuzz.outcomes["gz"] == {"same": 3}
    assert fuzz.next == 4


def test_damage_is_that_of_its_seed():
    raw = intact("plain", sums=True)
    made = [damaged(raw, np.random.default_rng([7, n])) for n in (3, 3, 4)]
    assert made[0] == made[1] != made[2]


def test_damaged_files_end_in_an_image_or_in_our_error(tell):
    fuzz = Fuzz(SEED)
    fuzz.run(SECONDS * SHARE)
    table = {"seed": SEED, "files": fuzz.next, "peak": fuzz.peak, "wrong": fuzz.wrong}
    tell({**table, "outcomes": {k: dict(v) for k, v in fuzz.outcomes.items()}})
    assert not fuzz.wrong, "\n\n".join(fuzz.wrong)
    # Every format was damaged, and damage was seen and not seen.
    assert all(fuzz.outcomes.values())
    kinds = sum(fuzz.outcomes.values(), Counter())
    assert {"same", "error 3"} <= set(kinds)
