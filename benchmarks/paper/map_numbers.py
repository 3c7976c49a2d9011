"""Appendices, the table of settings and single numbers, for the map."""

from map_paper import Paper, interval, listed, plus


def steps_error(p: Paper) -> str | None:
    rows = p.figure("B2", "models") or {}
    best = p.figure("B2", "best") or {}
    parts = {}
    for name in p.models("B2", "models"):
        curve = rows[name]
        one, least = curve["1"]["own"], curve[best[name]]["own"]
        change = curve[best[name]]["change"]
        parts[name] = (
            f"{plus(one, 4)} with 1 step, least {plus(least, 4)} with {best[name]} "
            f"({plus(change, 2)} %)"
        )
    return listed(parts)


def _judged(p: Paper) -> str | None:
    names = p.models("B2", "models")
    return names[-1] if names else None


def best_is_15(p: Paper) -> str | None:
    name = _judged(p)
    if name is None:
        return None
    return "same" if p.figure("B2", "best", name) == "15" else "different"


def more_steps_help(p: Paper) -> str | None:
    """Return same if some number of steps is better than one by over two errors."""
    name = _judged(p)
    if name is None:
        return None
    for row in p.figure("B2", "models", name).values():
        value, error = row["change"]
        if error and value + 2 * error < 0:
            return "same"
    return "different"


def steps_use(p: Paper) -> str | None:
    rows = p.figure("B2", "models") or {}
    best = p.figure("B2", "best") or {}
    parts = {}
    for name in p.models("B2", "models"):
        for n in dict.fromkeys(("1", best[name])):
            row = rows[name][n]
            kinds = {k: interval(v) for k, v in row["ratio"].items()}
            flux = row["flux"]
            kept = f", flux kept {flux[1]:.3f} ± {flux[2]:.3f}" if flux[1] else ""
            parts[f"{name}, {n} step{'s' * (n != '1')}:"] = (
                f"{listed(kinds)}{kept}, {row['seconds']:g} s per Mpix"
            )
    return listed(parts)


def scale_error(p: Paper) -> str | None:
    rows = p.figure("B1", "models") or {}
    return listed(
        {
            name: ", ".join(
                f"{plus(v['mae'], 4)} at {k}" for k, v in rows[name].items()
            )
            for name in p.models("B1", "models")
        }
    )


def estimator(p: Paper) -> str | None:
    rows = p.figure("B1", "estimates") or {}
    return listed(
        {k: f"{plus(v['paper'])} (mesh {plus(v['mesh'])})" for k, v in rows.items()}
    )


def loss_rows(p: Paper) -> str | None:
    rows = p.figure("C", "losses") or {}
    return listed(
        {
            n: f"mean absolute error {plus(r['own'], 4)}, rms {plus(r['rms'], 4)}, "
            f"true positives over matched {interval(r['ratio'])}"
            for n, r in rows.items()
        }
    )


def mae_is_best(p: Paper) -> str | None:
    rows = p.figure("C", "losses") or {}
    if "mae" not in rows:
        return None
    best = min(rows, key=lambda n: rows[n]["own"][0])
    return "same" if best == "mae" else "different"


def parameters(p: Paper) -> str | None:
    row = p.get("stated", "parameters")
    return f"{row['ours']:,}" if row else None


def table_2(p: Paper) -> str | None:
    """Return which settings of our recipes differ from the table."""
    stated, recipes = p.get("stated", "table 2"), p.get("stated", "recipes")
    if not recipes:
        return None
    parts = []
    for name, own in recipes.items():
        differ = [f"{k} {own[k]}" for k, v in stated.items() if own.get(k) != v]
        parts.append(f"recipe {name}: " + (", ".join(differ) or "as the table"))
    return "; ".join(parts)


def table_2_same(p: Paper) -> str | None:
    text = table_2(p)
    if text is None:
        return None
    return "same" if "gpu: as the table" in text else "different"


def training_size(p: Paper) -> str | None:
    rows = p.get("stated", "recipes") or {}
    return listed(
        {f"recipe {n}:": f"{r['mpix']:g} Mpix of fields, {r['examples']} crops in all, "
         f"{r['crops per epoch']} per epoch"
         for n, r in rows.items()}
    )  # fmt: skip


def schedule(p: Paper) -> str | None:
    row = p.get("stated", "schedule")
    if not row:
        return None
    return ", ".join(
        f"{k}: sigma {v[0]:.3f} at t = 0, {v[1]:.4f} at t = 1" for k, v in row.items()
    )


def default_steps(p: Paper) -> str | None:
    rows = p.get("stated", "steps") or {}
    return listed({n: str(v) for n, v in rows.items()})
