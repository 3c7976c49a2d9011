"""Shapes of galaxies, streaks, wrong widths, other units, time, and real frames."""

import json
from hashlib import sha256
from typing import Any

import numpy as np
import real
from arms import COHEN, NOTHING, Arm
from bench import Bench
from common.bootstrap import pair
from jobs import CHANGES, Row
from lines import found_at
from scoring import means, over

from bgrem_core.simulate.star_settings import PRESETS

GALAXIES, STREAKS = "D", "S"
WRONG = (0.5, 1.5)
"""Widths that are told, in units of the true one."""
RATES = (0.5, 1.0, 3.0)
"""False lines of a scene."""
DENSITIES = (250, 900, 1500)
"""Stars on 512 x 512 pixels whose removal is timed."""
MOST_SCALED = 3
"""Scenes of a set in other units."""


def shapes(bench: Bench) -> dict[str, Any]:
    """Asymmetry and Sersic index of galaxies with a star on them, less the truth's."""
    truth = bench.each("truth", GALAXIES)
    arms = {a.name: bench.each("scene", GALAXIES, a) for a in bench.arms}
    return {
        "galaxies": sum(len(r["index"]) for r in truth),
        "arms": {
            name: {
                key: _differences(bench, rows, truth, key)
                for key in ("asymmetry", "index")
            }
            for name, rows in arms.items()
        },
    }


def _differences(
    bench: Bench, rows: list[Row], truth: list[Row], key: str
) -> dict[str, Any]:
    both = [
        {"off": np.subtract(r[key], t[key])} for r, t in zip(rows, truth, strict=True)
    ]

    def value(some: list[Row], what: Any) -> float:
        off = np.concatenate([np.atleast_1d(r["off"]) for r in some])
        off = off[np.isfinite(off)]
        return float(what(off)) if off.size else float("nan")

    picks = bench.picks()
    ways = {
        "median": np.median,
        "size": lambda d: np.median(np.abs(d)),
        "worst": lambda d: np.percentile(np.abs(d), 90),
    }
    return {n: pair(over(both, picks, lambda s, w=w: value(s, w)))
            for n, w in ways.items()}  # fmt: skip


def streaks(bench: Bench) -> dict[str, Any]:
    """Light of streaks that is kept, and lines that are found at equal false ones."""
    truth = bench.each("truth", STREAKS)
    rows = {"the starless truth": truth}
    rows |= {a.name: bench.each("scene", STREAKS, a) for a in bench.arms}
    picks = bench.picks()
    out: dict[str, Any] = {}
    for name, some in rows.items():
        lined = [
            {"score": np.asarray(r["score"], float), "fate": np.asarray(r["fate"], int),
             "streaks": r["streaks"]}
            for r in some
        ]  # fmt: skip
        out[name] = {
            "off stars": pair(over(some, picks, lambda s: _kept(s, "off stars"))),
            "whole": pair(over(some, picks, lambda s: _kept(s, "whole"))),
            "least": min(
                (v for r in some for v in r["kept"]["off stars"] if v == v),
                default=None,
            ),
            "found": [
                pair(over(lined, picks, lambda s, q=q: found_at(s, q))) for q in RATES
            ],
        }
    return {"streaks": sum(r["streaks"] for r in truth), "arms": out}


def _kept(rows: list[Row], key: str) -> float:
    values = np.concatenate([np.asarray(r["kept"][key], float) for r in rows])
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


def told(bench: Bench) -> dict[str, Any]:
    """Tell a width that is wrong: what it costs, in dB against the noisy truth."""
    out: dict[str, Any] = {}
    for name in bench.sets:
        width = PRESETS[name].fwhm
        plain = bench.each("scene", name, bench.main)
        for factor in WRONG:
            arm = bench.main.told(f"FWHM told x {factor:g}", fwhm=factor * width)
            rows = bench.each("told", name, arm)
            cost = [a["noisy"]["psnr"] - b["psnr"]
                    for a, b in zip(plain, rows, strict=True)]  # fmt: skip
            out.setdefault(name, {})[f"x {factor:g}"] = {
                "cost": pair(means(cost, bench.picks())), "worst": max(cost)
            }  # fmt: skip
    return out


def scaled(bench: Bench) -> dict[str, Any]:
    """Images in other units: pixels in which support and filled pixels differ."""
    number = min(bench.scenes, MOST_SCALED)
    out: dict[str, Any] = {n: {} for n in CHANGES}
    for name in bench.sets:
        rows = bench.each("scaled", name, bench.main, scenes=number)
        for change in CHANGES:
            out[change][name] = {
                "support": sum(r[change]["support"] for r in rows),
                "filled": sum(r[change]["filled"] for r in rows),
                "off": max(r[change]["off"] for r in rows),
            }
    return {"scenes": number, "changes": out}


def speed(bench: Bench) -> dict[str, Any]:
    """Megapixels of a second of one core's time, all arms in one process."""
    out: dict[str, Any] = {}
    size = bench.side**2 / 1e6
    arms = [a for a in bench.arms if a.name != NOTHING.name]
    for stars in DENSITIES:
        row = bench.each("speed", "A", arms, scenes=1, stars=stars, alone=True)[0]
        base = row.get(bench.published.name) if bench.published else None
        out[str(stars)] = {
            name: {
                "rate": size / max(seconds, 1e-4),
                "ratio": base / max(seconds, 1e-4) if base else None,
            }
            for name, seconds in row.items()
        }
    return out


def frames(bench: Bench) -> dict[str, Any]:
    """Frames of telescopes: detections left; pictures beside what is kept."""
    here, _ = real.present(bench.data)
    wanted = [a for a in bench.arms if a.name in _SHOWN or a.way == "own"]
    out: dict[str, Any] = {}
    for name in here:
        rows = {a.name: bench.each("frame", name, a, scenes=1)[0] for a in wanted}
        out[name] = rows
        for arm in wanted:
            path = bench.folder / f"real_{name}_{_short(arm)}.png"
            if arm.way in _PICTURED and not path.exists():
                real.picture(str(bench.data), name, arm, path)
    return out


def _short(arm: Arm) -> str:
    """Return a name for a file, which is another one when the code has changed."""
    text = json.dumps(arm.key, sort_keys=True)
    return f"{arm.name.split()[0].lower()}_{sha256(text.encode()).hexdigest()[:6]}"


_SHOWN = (NOTHING.name, COHEN.name, "sep mask, biharmonic")
_PICTURED = ("own", "cohen2021")
