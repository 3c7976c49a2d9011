"""Images, blank sky, flux and the galaxy, for the map: figures 1 to 6, 9, 10."""

from map_paper import Paper, Value, interval, listed, plus


def pairs(p: Paper) -> str | None:
    curves = p.figure("1", "curves") or {}
    parts = {}
    for name in p.models("1", "curves"):
        last, true = curves[name]["reverse"][-1], curves[name]["training"]
        near = min(true, key=lambda r: abs(r[0] - last[0]))
        parts[name] = (
            f"at sigma {near[0]:.2f} rms {plus(near[1:])} on true pairs, "
            f"{plus(last[1:])} in the reverse process"
        )
    return listed(parts)


def reach(p: Paper) -> str | None:
    rows = p.figure("2", "models") or {}
    return listed(
        {
            n: f"{rows[n]['parameters']:,} parameters, 90 % of the response within "
            f"{rows[n]['radii']['0.9']} of {rows[n]['radius']} pixels"
            for n in p.models("2", "models")
        }
    )


def example(p: Paper) -> str | None:
    rows = p.figure("4", "errors") or {}
    return listed({n: f"{plus(r['mae'])}" for n, r in rows.items()})


def blank(p: Paper) -> str | None:
    rows = p.figure("5", "blank") or {}
    return listed(
        {n: plus(r["rms"]) for n, r in rows.items() if not n.endswith("clipped")}
    )


def blank_same(p: Paper) -> str | None:
    rows = p.figure("5", "blank") or {}
    names = p.models("5", "blank")
    if not names:
        return None
    return "same" if rows[names[-1]]["rms"][0] < 0.2 else "different"


def blank_found(p: Paper) -> str | None:
    rows = p.figure("5", "found") or {}
    return listed({n: interval(r["ratio"]) for n, r in rows.items() if n != "matched"})


def zeros(p: Paper) -> str | None:
    rows = p.figure("5", "blank") or {}
    return listed(
        {
            n: f"{100 * r['zero']:.0f} % of the pixels zero, mean {plus(r['mean'], 4)}"
            for n, r in rows.items() if n.endswith("clipped")
        }
    )  # fmt: skip


def flux(measure: str, *, only: str = "") -> Value:
    def value(p: Paper) -> str | None:
        rows = p.figure("6", "ratio") or {}
        parts = {}
        for name, row in rows.items():
            if name.endswith("clipped") != (only == "clipped"):
                continue
            bins = {b: row[measure].get(b) for b in ("3-6", "6-12", "> 100")}
            words = [f"{v[1]:.2f} ± {v[3]:.2f} at {b}"
                     for b, v in bins.items() if v and v[1] is not None]  # fmt: skip
            parts[name] = ", ".join(words) or None
        return listed(parts)

    return value


def faint_is_faint(p: Paper) -> str | None:
    """Return same if faint sources of the denoised image come out too faint."""
    names = p.models("6", "ratio")
    if not names:
        return None
    row = p.figure("6", "ratio", names[-1], "circle", "3-6")
    if row[1] is None:
        return None
    return "same" if row[1] + 2 * row[2] < 1 else "different"


def box_noise(p: Paper) -> str | None:
    row, five = p.figure("6", "noise"), p.figure("6", "five")
    if not row:
        return None
    return f"noise of a box {row['box37']:.1f}, light of a star of S/N 5: {five:.0f}"


def clipping_bias(p: Paper) -> str | None:
    """Return same if clipping adds light to the boxes of faint sources."""
    rows = p.figure("6", "ratio") or {}
    got = rows.get("input, clipped", {}).get("box37", {}).get("3-6")
    if not got or got[1] is None:
        return None
    return "same" if got[1] - 2 * got[2] > 1 else "different"


def galaxy(p: Paper) -> str | None:
    rows = p.figure("9", "rows") or {}
    out = {}
    for name, row in rows.items():
        outer = next((v for z, v in row["kept"].items() if z.startswith("outer")), None)
        out["input itself" if name == "nothing" else name] = (
            f"{outer[0]:.0f} ± {outer[1]:.0f} %" if outer else None
        )
    return listed(out)


def outskirts_lost(p: Paper) -> str | None:
    row = p.figure("9", "rows", "optical-paper", "kept")
    if not row:
        return None
    outer = next(v for z, v in row.items() if z.startswith("outer"))
    return "same" if outer[0] + 2 * outer[1] < 50 else "different"


def telescopes(p: Paper) -> str | None:
    rows = p.figure("10", "views") or []
    return listed(
        {
            v["name"] + ":": listed(
                {m: f"taken {r['dark rms']:.2f} sigma on dark sky, "
                 f"{r['light taken']:.1f} % of bright light"
                 for m, r in v["models"].items()}
            )
            for v in rows
        }
    )  # fmt: skip
