"""Two workers on this machine, and a small frame, for the tests of the engine."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

pytest.importorskip("distributed", reason="the extra 'distributed' is missing")

TILED = {"tile": 208, "sky_scale": 64, "threads": 1, "device": "cpu"}


def small_field():
    """A frame of noise and stars with a hole, shape (212, 268)."""
    draw = np.random.default_rng(5)
    y, x = np.mgrid[:212, :268]
    frame = 300 + 0.1 * x + draw.normal(0, 5, x.shape)
    for cy, cx in draw.uniform(0, 268, (30, 2)):
        frame += 400 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 5)
    frame[100:104, 90:95] = np.nan
    return frame.astype(np.float32)


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


@contextmanager
def scheduler_and_worker(folder):
    """A scheduler and a worker as processes: address, scheduler, worker."""
    sources = Path(__file__).parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(sources), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    head = subprocess.Popen(
        [*run, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"],
        stderr=subprocess.PIPE, text=True, env=environment, cwd=folder,
    )  # fmt: skip
    address = ""
    for line in head.stderr:
        found = re.search(r"Scheduler at:\s*(tcp://\S+)", line)
        if found:
            address = found[1]
            break
    # A pipe that nobody empties would stop the scheduler when it is full.
    reader = Thread(target=lambda: list(head.stderr), daemon=True)
    reader.start()
    hand = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny",
         "--nthreads", "1", "--no-dashboard"],
        stderr=subprocess.DEVNULL, env=environment, cwd=folder,
    )  # fmt: skip
    try:
        yield address, head, hand
    finally:
        for process in (head, hand):
            process.kill()
            process.wait()
        reader.join()
        head.stderr.close()
