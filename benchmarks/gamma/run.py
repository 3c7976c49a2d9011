"""The gamma-ray benchmark: one command.

python benchmarks/gamma/run.py [--model NAME|FILE] [--infinite FILE]
                               [--infinite-mse FILE] [--patches N] [--only SECTION ...]

Everything that was measured is kept in runs/gamma_bench, by patches, arm and weights: a
run that was stopped goes on where it was, and new weights only recompute their own
arms. Results: benchmark.json, and benchmark.md and pictures from it.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread each: others may work here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).parents[1]))

import background
import detection
import examples
import figures
import flux
import infinite
import null
import report
import wrong
from bench import SEED, Bench
from cache import VERSION, Cache
from common.command import pool, read, replace

from bgrem_core.errors import BGRemError
from bgrem_core.models import find_file, load_model

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "gamma_bench"
SECTIONS: dict[str, Callable[[Bench], Any]] = {
    "detection": detection.run,
    "background": background.run,
    "brightness": background.brightness,
    "flux": flux.run,
    "null": null.run,
    "wrong": wrong.run,
    "infinite": infinite.run,
}


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="gamma", help="weights: name or file")
    parser.add_argument("--infinite", type=Path, help="the paper's network")
    parser.add_argument("--infinite-mse", type=Path, help="the same, trained by MSE")
    parser.add_argument("--patches", type=int, default=400, help="of the test set")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)}; the others stay as they are in the JSON",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=WORK, help="what is kept")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args(argv)


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for; return what goes into the JSON."""
    model = load_model(o.model, device="cpu", threads=1)
    digest = model.card.training.get("tensors") or model.sha256
    given = {"paper": o.infinite, "paper, MSE": o.infinite_mse}
    papers = {n: (str(f), _sha256(f)) for n, f in given.items() if f is not None}
    cache = Cache(o.cache / "measured.jsonl")
    head: dict[str, Any] = {
        "version": VERSION,
        "weights": digest,
        "file": model.sha256,
        "papers": {n: d for n, (_, d) in papers.items()},
        "seed": o.seed,
        "patches": o.patches,
    }
    result = {**head, "skipped": [], "sections": {}}
    old = read(o.out / "benchmark.json")
    if o.only and all(old.get(k) == head[k] for k in _SAME):
        result["sections"] = old["sections"]
        result["papers"] = old["papers"] | head["papers"]
    with pool(o.workers) as over:
        bench = Bench(
            model=str(find_file(o.model)), patches=o.patches,
            digest=f"{digest} {_text_sha(model.card.calibration)}",
            cache=cache, papers=papers, over=over, seed=o.seed,
        )  # fmt: skip
        for name, section in SECTIONS.items():
            if o.only and name not in o.only:
                continue
            if name == "infinite" and not papers:
                result["skipped"].append("infinite: no --infinite FILE")
                continue
            begun = time.monotonic()
            result["sections"][name] = section(bench)
            minutes = (time.monotonic() - begun) / 60
            print(f"{name}: {minutes:.1f} minutes", flush=True)
        if papers or "infinite" not in result["sections"]:
            examples.write(bench, o.cache / "examples.npz")
    result["figures"] = report.card(result)
    result["cache"] = {"computed": cache.computed, "reused": cache.reused}
    return result


_SAME = ("version", "weights", "seed", "patches")


def _text_sha(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:8]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(argv: list[str] | None = None) -> int:
    o = options(argv)
    start = time.monotonic()
    try:
        result = run(o)
    except BGRemError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    result["minutes"] = round((time.monotonic() - start) / 60, 1)
    o.out.mkdir(parents=True, exist_ok=True)
    replace(o.out / "benchmark.json", json.dumps(result, indent=1, allow_nan=False))
    replace(o.out / "benchmark.md", report.markdown(result))
    drawn = figures.draw(result, o.cache / "examples.npz", o.out)
    for line in result["skipped"]:
        print(f"skipped: {line}")
    if not drawn:
        print("skipped: pictures: no matplotlib here (dependency group bench)")
    print(
        "computed {computed}, reused {reused}".format(**result["cache"]),
        f"{result['minutes']} minutes",
        sep=", ",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
