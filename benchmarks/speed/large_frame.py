"""Own memory, CPU time and wall time of ``bgrem`` on one large frame, in several ways.

Makes a synthetic frame (noise, gradient, stars), runs the command in a child process,
one way after the other, and samples the child's anonymous memory (RssAnon: its own,
without the pages of files; of workers only their CPU time is counted). Prints JSON;
--write keeps it in results/large_frame.json, beside what is there of other arms and
sizes. Linux only.

    python benchmarks/speed/large_frame.py --size 10560 --arms fast optical --write
    python benchmarks/speed/large_frame.py --arms "" -- --method mesh
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

FWHM = 4.0
RESULTS = Path(__file__).parent / "results/large_frame.json"
_FAST, _ONE = ["--model", "optical-fast"], ["--threads", "1"]

#: Ways to clean the frame. Times of one core are those of ``fast``; workers have one
#: thread each.
ARMS = {
    "fast": [*_FAST, *_ONE],
    "fast, catalogue": [*_FAST, *_ONE, "--catalog", ".fits"],
    "fast, two threads": [*_FAST, "--threads", "2"],
    "fast, one worker": [*_FAST, "--workers", "1"],
    "fast, two workers": [*_FAST, "--workers", "2"],
    "optical": _ONE,
    "mesh": ["--method", "mesh", *_ONE],
    "": [],
}


def make_frame(path, size, seed=1, width=None):
    """Write a frame of sigma 15, square or of another width, band by band."""
    width = width or size
    rng = np.random.default_rng(seed)
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2})
    header["NAXIS1"], header["NAXIS2"] = width, size
    header["BUNIT"], header["GAIN"] = "electron", 1.0
    with fits.StreamingHDU(str(path), header) as out:
        stamp = _stamp()
        for start in range(0, size, 480):
            rows = min(480, size - start)
            band = rng.normal(200, 15, (rows, width)).astype(np.float32)
            band += np.linspace(0, 30, width, dtype=np.float32)
            for _ in range(rows * width // 8000):
                y, x = rng.integers(0, rows - 25), rng.integers(0, width - 25)
                flux = 300 * rng.pareto(0.8) + 300
                band[y : y + 25, x : x + 25] += np.float32(min(flux, 2e6)) * stamp
            out.write(band.astype(">f4"))


def _stamp():
    y, x = np.mgrid[-12:13, -12:13]
    stamp = np.exp(-(x * x + y * y) / (2 * (FWHM / 2.3548) ** 2))
    return (stamp / stamp.sum()).astype(np.float32)


def anonymous_kib(pid):
    """Read RssAnon of a process, 0 when it has gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def measure(arguments):
    """Run a command; give its peak anonymous memory and its times."""
    before = os.times()
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "bgrem_core", *arguments])
    peak = 0
    while child.poll() is None:
        peak = max(peak, anonymous_kib(child.pid))
        try:
            child.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {
        "exit_code": child.returncode,
        "peak_anonymous_MB": round(peak / 1024),
        "cpu_s": round(cpu, 1),
        "wall_s": round(time.perf_counter() - start, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=10560)
    parser.add_argument(
        "--arms",
        nargs="+",
        default=["fast"],
        choices=ARMS,
        metavar="ARM",
        help=f"of {', '.join(filter(None, ARMS))}",
    )
    parser.add_argument("--folder", type=Path, help="where to work")
    parser.add_argument("--write", action="store_true", help="keep the results")
    parser.add_argument("rest", nargs="*", help="further flags of bgrem, after --")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "frame.fits")
        make_frame(path, options.size)
        for arm in options.arms:
            flags = [*ARMS[arm], *options.rest]
            load = os.getloadavg()[0]
            said = ["-f", str(path), "--quiet", "--overwrite", *flags]
            facts = {"arm": arm, "size": options.size, "flags": flags, **measure(said)}
            rows.append({**facts, "load_before": round(load, 1)})
            print(json.dumps(rows[-1]), flush=True)
            if facts["exit_code"]:
                raise SystemExit(f"{arm} ended with {facts['exit_code']}")
    if options.write:
        keep(rows)


def keep(rows):
    """Write results beside those of other arms and sizes."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    new = {(r["arm"], r["size"]) for r in rows}
    rows = [r for r in known if (r["arm"], r["size"]) not in new] + rows
    rows.sort(key=lambda r: (r["size"], list(ARMS).index(r["arm"])))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
