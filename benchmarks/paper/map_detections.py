"""Detections, for the map: figures 7, 8 and 11, and gamma rays."""

from map_paper import MODELS, Paper, Value, interval, listed, plus


def ratio_of(p: Paper, where: str, arm: str, base: str) -> list[float] | None:
    return p.figure("8", where, "arms", arm, "parts", "all", "ratio", base)


def _true_positives(where: str) -> Value:
    def value(p: Paper) -> str | None:
        parts: dict[str, str | None] = {}
        for name in MODELS:
            for base, words in (("sextractor", "SExtractor"), ("matched", "matched")):
                parts[f"{name} / {words}"] = interval(ratio_of(p, where, name, base))
        filters = ratio_of(p, where, "matched", "sextractor")
        return listed({**parts, "matched / SExtractor": interval(filters)})

    return value


true_positives, true_positives_apart = map(_true_positives, ("fair", "apart"))


def best_model(p: Paper) -> str:
    """Return the model that a claim is judged by: the one after the paper."""
    return MODELS[1] if p.figure("8", "fair", "arms", MODELS[1]) else MODELS[0]


def seven_percent(p: Paper) -> str | None:
    ratio = ratio_of(p, "fair", best_model(p), "sextractor")
    if not ratio or ratio[0] is None:
        return None
    return "same" if ratio[1] <= 1.08 and ratio[2] >= 1.06 else "different"


def default_threshold(p: Paper) -> str | None:
    rows = p.figure("8", "relative", "default") or {}
    parts = {n: f"{t} true, {f} false" for n, (t, f) in rows.items() if t is not None}
    return listed(parts)


def gain_at_default(p: Paper) -> str | None:
    rows = p.figure("8", "relative", "default") or {}
    name = best_model(p)
    if None in (*rows.get(name, [None]), *rows.get("input", [None])):
        return None
    (t, f), (t0, f0) = rows[name], rows["input"]
    return "same" if t > t0 and f <= max(2 * f0, f0 + 3) else "different"


def elsewhere(p: Paper) -> str | None:
    parts: dict[str, str | None] = {}
    for kind, row in (p.figure("11", "kinds") or {}).items():
        for name in MODELS:
            ratio = row["arms"].get(name, {}).get("parts", {}).get("all", {})
            for base, word in (("sextractor", "SExtractor"), ("matched", "matched")):
                got = interval(ratio.get("ratio", {}).get(base))
                parts[f"{kind}: {name} / {word}"] = got
    return listed(parts)


def generalises(p: Paper) -> str | None:
    kinds = p.figure("11", "kinds") or {}
    lows = []
    for row in kinds.values():
        name = MODELS[1] if MODELS[1] in row["arms"] else MODELS[0]
        if name not in row["arms"]:
            return None
        ratio = row["arms"][name]["parts"]["all"]["ratio"].get("sextractor")
        lows.append(ratio[1] if ratio and ratio[0] is not None else None)
    lows = [v for v in lows if v is not None]
    if not lows:
        return None
    return "same" if min(lows) > 1 else "different"


def _at_default(p: Paper) -> dict[str, list[int | None]]:
    rows = p.figure("7", "relative") or {}
    return {n: r[1:] for n, row in rows.items() for r in row if r[0] == 1.5}


def relative_clipping(p: Paper) -> str | None:
    return listed(
        {n: f"{t} true, {f} false"
         for n, (t, f) in _at_default(p).items() if t is not None}
    )  # fmt: skip


def unclipped_is_worse(p: Paper) -> str | None:
    rows = _at_default(p)
    names = [m for m in MODELS if f"{m}, clipped" in rows]
    if not names:
        return None
    clipped, whole = rows[f"{names[-1]}, clipped"], rows[f"{names[-1]}, unclipped"]
    if None in (*clipped, *whole):
        return None
    worse = whole[0] <= clipped[0] and whole[1] >= clipped[1]
    return "same" if worse else "different"


def absolute_clipping(p: Paper) -> str | None:
    rows = p.figure("7", "absolute") or {}
    names = [m for m in MODELS if f"{m}, clipped" in rows]
    if not names:
        return None
    alike = {
        m: "the same detections" if rows[f"{m}, clipped"] == rows[f"{m}, unclipped"]
        else "other detections" for m in names
    }  # fmt: skip
    return listed(alike)


def gamma_found(p: Paper) -> str | None:
    rows = p.get("stated", "gamma", "found") or {}
    return listed({n: f"{100 * v:.1f} ± {100 * e:.1f} %" for n, (v, e) in rows.items()})


def gamma_helps(p: Paper) -> str | None:
    """Return same if the model finds more than the best mesh, by over two errors."""
    rows = p.get("stated", "gamma", "found")
    if not rows:
        return None
    (ours, a), (mesh, b) = rows["model"], rows["best mesh"]
    return "same" if ours - mesh > 2 * (a**2 + b**2) ** 0.5 else "different"


def gamma_infinite(p: Paper) -> str | None:
    row = p.get("stated", "gamma", "mae, infinite statistics")
    if not row:
        return None
    return (
        f"light over true {plus(row['light'], 2)}; true positives over those of "
        f"SExtractor's defaults {plus(row['true over raw'], 1)}"
    )


def gamma_doubles(p: Paper) -> str | None:
    """Return same if light is met to a tenth and true positives are doubled."""
    row = p.get("stated", "gamma", "mae, infinite statistics")
    if not row:
        return None
    met = abs(row["light"][0] - 1) < 0.1 and row["true over raw"][0] > 2
    return "same" if met else "different"


def gamma_terciles(p: Paper) -> str | None:
    theirs = p.get("stated", "gamma", "mae, Poisson", "terciles")
    rows = p.get("stated", "gamma", "terciles")
    if not rows or not theirs:
        return None
    each = {"the paper's network": theirs, "ours": rows}
    said = "; ".join(f"{n} {', '.join(plus(r, 2) for r in t)}" for n, t in each.items())
    return f"predicted over true: {said}"


def gamma_tilts(p: Paper) -> str | None:
    """Return same if the paper's network has faint ones brighter than bright ones."""
    rows = p.get("stated", "gamma", "mae, Poisson", "terciles")
    if not rows:
        return None
    (faint, a), _, (bright, b) = rows
    return "same" if faint - 2 * a > 1 and bright + 2 * b < 1 else "different"


def gamma_losses(p: Paper) -> str | None:
    rows = {
        n: p.get("stated", "gamma", f"{n}, infinite statistics", "background")
        for n in ("mae", "mse")
    }
    if not all(rows.values()):
        return None
    each = ", ".join(f"{n.upper()} {plus(r)}" for n, r in rows.items())
    return f"rms of ln(background / truth): {each}"
