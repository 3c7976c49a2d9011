"""Whether the own memory of ``bgrem`` grows with the frame.

Runs the command on synthetic frames of several sizes and shapes in child processes, and
compares their peaks of anonymous memory (RssAnon: without the pages of files). Prints
JSON and, last, a sentence; --write keeps the JSON in results/memory.json, beside what
is there of other arms and sizes. Linux only.

    python benchmarks/speed/memory.py --sizes 2048x2048 8192x8192 2048x30000
    python benchmarks/speed/memory.py --sizes 30000x30000 --arms mesh --write
"""

import argparse
import json
import tempfile
from pathlib import Path

from large_frame import make_frame, measure

RESULTS = Path(__file__).parent / "results/memory.json"

#: What is run, and what it may take in MB.
ARMS = {
    "fast": (["--model", "optical-fast"], 600),
    "optical": ([], 600),
    "faithful": (["--model", "optical-paper", "-s", "1"], 1000),
    "mesh": (["--method", "mesh"], 600),
    "optical, --resume": (["--resume"], 600),
    "mesh, catalogue": (["--method", "mesh", "--catalog", ".fits"], 600),
}


def run(arm, size, folder):
    """Measure one arm on a frame of ny x nx pixels."""
    path = Path(folder, f"{size}.fits")
    ny, nx = map(int, size.split("x"))
    if not path.exists():
        make_frame(path, ny, width=nx)
    flags, limit = ARMS[arm]
    said = ["-f", str(path), "--threads", "1", "--quiet", "--overwrite", *flags]
    facts = measure(said)
    if facts["exit_code"]:
        raise SystemExit(f"{arm} on {size} ended with {facts['exit_code']}")
    return {"arm": arm, "size": size, "flags": flags, "limit_MB": limit, **facts}


def pixels(row):
    """Return the pixels of the frame of a row."""
    ny, nx = map(int, row["size"].split("x"))
    return ny * nx


def words(rows):
    """Say for each arm what the largest frame took, and the smallest."""
    said = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = sorted((r for r in rows if r["arm"] == arm), key=pixels)
        small, large = own[0], own[-1]
        peaks = [r["peak_anonymous_MB"] for r in own]
        more = pixels(large) / pixels(small)
        ratio = large["peak_anonymous_MB"] / small["peak_anonymous_MB"]
        said.append(
            f"{arm}: {min(peaks)} to {max(peaks)} MB on {len(own)} frames from "
            f"{small['size']} to {large['size']} pixels ({more:.0f} times as many, "
            f"{ratio:.2f} times the memory; limit {large['limit_MB']} MB)"
        )
    return "; ".join(said) + "."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["2048x2048", "8192x8192"])
    parser.add_argument("--arms", nargs="+", default=["fast", "mesh"], choices=ARMS)
    parser.add_argument("--folder", type=Path, help="where to work")
    parser.add_argument("--write", action="store_true", help="keep the results")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for size in options.sizes:
            for arm in options.arms:
                rows.append(run(arm, size, folder))
                print(json.dumps(rows[-1]), flush=True)
            for path in Path(folder).iterdir():
                path.unlink()
    if options.write:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        new = {(r["arm"], r["size"]) for r in rows}
        kept = [r for r in known if (r["arm"], r["size"]) not in new]
        rows = sorted(
            kept + rows, key=lambda r: (list(ARMS).index(r["arm"]), pixels(r))
        )
        RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
    print(words(rows))


if __name__ == "__main__":
    main()
