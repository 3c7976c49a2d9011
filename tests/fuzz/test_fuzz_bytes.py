"""Damaged bytes: no signal, no error but ours, no hang, no bloat, no silent change."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fuzz_files import FORMATS

WORKER = Path(__file__).with_name("fuzz_worker.py")
SECONDS = float(os.environ.get("BGREM_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("BGREM_FUZZ_SEED", "0"))
# The rest is for headers.
SHARE = 0.75
ENOUGH = 20

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no fork")


class Fuzz:
    """Runs workers for some time, and another one after each that dies."""

    def __init__(self, seed):
        self.seed, self.next = seed, 0
        self.outcomes = {name: Counter() for name in FORMATS}
        self.wrong = []
        self.peak = 0

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.wrong) < ENOUGH:
            self.work(end - time.monotonic())

    def work(self, seconds):
        command = [sys.executable, WORKER, str(self.seed), str(self.next)]
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
