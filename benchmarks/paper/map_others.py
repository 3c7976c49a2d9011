"""Rows of two other papers: satellite frames, and stars removed by diffusion."""

from typing import Any

from map_paper import Paper, listed, plus
from map_row import Row

SATELLITES, STARS = "satellites/run.py", "stars/table2.py"
ORACLE = "oracle: the true systematics"
THEIRS = "Cohen & Lu, their program, n = 200"


def _arms(paper: Paper, section: str = "gain") -> dict[str, Any]:
    return paper.get("satellites", "sections", section, "arms") or {}


def _of(arms: dict[str, Any], *path: str, first: str = "") -> dict[str, str | None]:
    """Return a figure of the arms that answer the paper's chain, and of others."""
    chosen = [n for n in arms if n.startswith(first or "chain")]
    out: dict[str, str | None] = {}
    for name in [*chosen, *(n for n in (ORACLE,) if n in arms)]:
        here: Any = arms[name]
        for key in path:
            here = here[key]
        out[name] = plus(here[:2], 2)
    return out


def snr(paper: Paper) -> str | None:
    """Mean S/N after over mean S/N before, by the paper's definition."""
    arms = _arms(paper, "chains")
    own = paper.get("satellites", "sections", "gain", "network")
    found = _of(arms, "paper")
    if own in arms:
        found[own] = plus(arms[own]["paper"], 2)
    return listed(found)


def sixty_percent(paper: Paper) -> str | None:
    """Say whether a chain gains 60 % within two errors."""
    arms = _arms(paper, "chains")
    pairs = [v["paper"] for n, v in arms.items() if n.startswith("chain")]
    if not pairs:
        return None
    met = all(abs(value - 1.6) < 2 * (error or 0) for value, error in pairs)
    return "same" if met else "different"


def kept(paper: Paper) -> str | None:
    """Share of a target's peak that a map leaves."""
    arms = _arms(paper, "chains")
    own = paper.get("satellites", "sections", "gain", "network")
    found = _of(arms, "kept")
    if own in arms:
        found[own] = plus(arms[own]["kept"], 2)
    return listed(found)


def spectrum(paper: Paper) -> str | None:
    """Power of what is left, over that of white noise, below 0.1 cycles per pixel."""
    bands = paper.get("satellites", "sections", "spectra", "bands") or {}
    own = paper.get("satellites", "sections", "gain", "network")
    names = [n for n in ("frame", own, "noise") if n in bands]
    return listed({n: plus(bands[n]["below 0.1"], 2) for n in names})


def seconds(paper: Paper) -> str | None:
    """Time of the chain over one step."""
    times = paper.get("satellites", "sections", "times")
    if not times:
        return None
    ratios = times["ratios"][times["network"]]
    return listed({f"t = {t}:": plus(p, 0) for t, p in ratios.items()})


def table_2(paper: Paper) -> str | None:
    """PSNR and SSIM on their pictures."""
    rows = paper.get("table2", "table", "rows") or {}
    return listed(
        {
            n: f"{r['psnr']:.2f} dB, {r['ssim']:.3f}"
            for n, r in rows.items()
            if r.get("published")
        }
    )


def errors(paper: Paper) -> str | None:
    """Mean absolute errors, and what unsigned bytes make of them."""
    rows = paper.get("table2", "table", "rows") or {}
    return listed(
        {
            n: f"{r['mae']:.1f}, in bytes {r['mae_wrapped']:.1f}"
            for n, r in rows.items()
            if "mae" in (r.get("published") or {})
        }
    )


WALDMANN = (
    Row(
        item="+60 % S/N",
        shown="Subtracting the map raises the mean S/N of satellites by 60 %",
        script=f"`{SATELLITES}`",
        value=snr,
        verdict=sixty_percent,
        why="Highest pixel over scatter, after over before, as the paper has it. A "
        "chain comes near it here because its map takes most of the noise as well; "
        "what is left of a target by its difference, over scatter, gains little (the "
        "benchmark's other columns). Without that the gain is bounded by total over "
        "white scatter, which belongs to the frames: the oracle takes the true "
        "background off. No frames of theirs are public.",
    ),
    Row(
        item="t = 100 to 150, N = 20",
        shown="Partial diffusion to these times, whole reverse chains, their mean",
        script=f"`{SATELLITES}`",
        value=kept,
        verdict="different",
        why="Peak of a faint target that is left. The chain reproduces the white noise "
        "of a frame and takes a target for it; one step without that share leaves it.",
    ),
    Row(
        item="Fig. 4",
        shown="Power spectrum of frames and of what is left of them",
        script=f"`{SATELLITES}`",
        value=spectrum,
        verdict="no claim",
        why="Power below 0.1 cycles per pixel; that of white noise is 1.",
    ),
    Row(
        item="cost",
        shown="A GPU and many chains",
        script=f"`{SATELLITES}`",
        value=seconds,
        verdict="no claim",
        why="Time of the chain over that of one step, equal network and draws.",
    ),
    Row(
        item="Table 1",
        shown="A U-Net of diffusers, about 114 million parameters by the tutorial that "
        "it matches",
        script="-",
        value=None,
        verdict="not reproduced",
        why="Ours has 0.84 million, with means of rows and columns.",
    ),
)

COHEN = (
    Row(
        item="Table 2, PSNR and SSIM",
        shown="22.23 and 0.729 (Perona-Malik), 22.32 and 0.476 (Chao-Tsai), 24.07 and "
        "0.909 (theirs)",
        script=f"`{STARS}`",
        value=table_2,
        verdict="same",
        why="Their own row is 0.23 dB below their picture, which is another run, saved "
        "as JPEG. What the table measures is a pedestal: docs/stars-published.md.",
    ),
    Row(
        item="Table 2, MAE",
        shown="233.4 and 222.5, above their own RMSE",
        script=f"`{STARS}`",
        value=errors,
        verdict="different",
        why="No mean absolute error can exceed the RMSE; differences taken in unsigned "
        "bytes nearly give the printed numbers.",
    ),
)
