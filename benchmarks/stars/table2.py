"""Table 2 of Cohen & Lu (2021) again, and what it measures.

python benchmarks/stars/table2.py [--data FOLDER]

The pictures that were published with their code are not ours to ship: without them it
says so and writes nothing. Results: table2.json, and table2.md from it alone.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).parents[1]))

import numpy as np
import published
import spread
from common.command import replace
from common.tables import Rows, page, plus
from rivals import DIFFUSIONS, FILTERS

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared" / "data" / "stars"


PICTURES = (
    published.TRUTH, published.NEBULA, published.NOISY, published.OUTPUT,
)  # fmt: skip
STAR = 40.0  # grey levels that stars add where their light is counted
HEAD = [
    "image", "RMSE", "PSNR, dB", "SSIM", "paper: PSNR", "SSIM", "mean error",
    "without it: PSNR", "SSIM", "MAE", "MAE in 8 bits", "paper: MAE",
]  # fmt: skip


def measured(data: Path) -> dict[str, Any]:
    """Return the rows of the table, and what the constant in it is made of."""
    truth, nebula, noisy, output = (published.grey(data, n) for n in PICTURES)
    rows = {
        "nothing done": published.measure(truth, noisy),
        "their output, as published": published.measure(truth, output),
    }
    rows["their output, as published"]["published"] = published.TABLE_2["Cohen & Lu"]
    light = noisy - nebula
    sky, places = float(np.median(light)), light > STAR
    for name, (row, method) in DIFFUSIONS.items():
        made = method(noisy)
        rows[name] = published.measure(truth, made)
        rows[name]["published"] = published.TABLE_2.get(row)
        rest = (made - nebula - sky)[places].sum() / (light - sky)[places].sum()
        rows[name]["star light left"] = float(rest)
    for name, method in FILTERS.items():
        rows[name] = published.measure(truth, method(noisy))
    return {
        "pictures": {n: published.digest(data, n) for n in PICTURES},
        "scikit-image": version("scikit-image"),
        "rows": rows,
        "added": {
            "noise": [float((nebula - truth).mean()), float(np.median(nebula - truth))],
            "plate of stars": [float(light.mean()), sky],
        },
    }


def report(result: dict[str, Any]) -> str:
    told, fields = result["table"], result["spread"]
    hashes = ", ".join(f"{n} {h}" for n, h in told["pictures"].items())
    head = [
        f"- pictures of the authors (sha256): {hashes}; grey levels 0 to 255, luma",
        "- against 2a, the nebula without noise and stars; one image, so no errors",
        f"- SSIM: scikit-image {told['scikit-image']}, window 7 x 7, data range 255",
        "- the paper does not say the window of its SSIM",
        "- MAE in 8 bits: the mean of truth - image in unsigned bytes, where -1 is 255",
        "- paper: an empty cell is a figure that we do not have",
    ]
    constant = "Grey levels that are added to the nebula, in that order."
    light = (
        f"On their picture: share of the light of stars (above {STAR:g} grey levels, "
        "without the plate's sky) that is still where the stars were."
    )
    field = (
        f"On {fields['fields']} simulated fields of {fields['side']} x "
        f"{fields['side']} pixels with {fields['stars']} stars, seed "
        f"{fields['seed']}, mapped to grey levels by percentiles; mean and its error."
    )
    parts = [
        ("Table 2 again", "", _rows(told["rows"])),
        ("The constant", constant, _constant(told)),
        ("Star light", light, _light(told["rows"])),
        ("Star light, simulated", field, _spread(fields["mean"])),
    ]
    return page("Table 2 of Cohen & Lu", head, parts)


def _rows(rows: dict[str, Any]) -> Rows:
    out: Rows = [HEAD]
    for name, r in rows.items():
        paper = r.get("published") or {}
        out.append([
            name, f"{r['rmse']:.2f}", f"{r['psnr']:.3f}", f"{r['ssim']:.3f}",
            paper.get("psnr"), paper.get("ssim"), f"{r['bias']:+.2f}",
            f"{r['psnr_level']:.2f}", f"{r['ssim_level']:.3f}", f"{r['mae']:.1f}",
            f"{r['mae_wrapped']:.1f}", paper.get("mae"),
        ])  # fmt: skip
    return out


def _constant(told: dict[str, Any]) -> Rows:
    rows = ([n, f"{m:.2f}", f"{d:.0f}"] for n, (m, d) in told["added"].items())
    return [["what", "mean", "median"], *rows]


def _light(rows: dict[str, Any]) -> Rows:
    done = {n: r["star light left"] for n, r in rows.items() if "star light left" in r}
    return [["method", "left"], *([n, f"{100 * v:.0f} %"] for n, v in done.items())]


def _spread(mean: dict[str, Any]) -> Rows:
    names = {"below white": "of light below white", "all": "of all light"}
    out: Rows = [["share that is left", *(f"n = {n}" for n in spread.STEPS)]]
    for key, words in names.items():
        cells = (plus(mean[f"{key}, {n}"], 1, 100) + " %" for n in spread.STEPS)
        out.append([words, *cells])
    return out


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="their pictures")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    lost = published.missing(args.data)
    if lost:
        print(f"skipped: no {', '.join(lost)} in {args.data}; they do not ship")
        return 0
    result = {"table": measured(args.data), "spread": spread.run()}
    args.out.mkdir(exist_ok=True, parents=True)
    result = _short(result)
    text = report(result)
    replace(args.out / "table2.json", json.dumps(result, indent=1))
    replace(args.out / "table2.md", text)
    print(text)
    return 0


def _short(value: Any) -> Any:
    """Return numbers as they are quoted: the last digits differ between machines."""
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
