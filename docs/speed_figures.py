"""What the pages say of memory and speed, from what `benchmarks/speed` measured."""

from typing import Any

__all__ = ["SENTENCES"]

_FOLDER = "../../speed/results/"
_NIGHT = 1000  # frames
_WORKERS = (1, 8, 32, 128)
_WORDS = {
    "fast": "`--model optical-fast`",
    "fast, catalogue": "the same with `--catalog .fits`",
    "fast, two threads": "`--model optical-fast --threads 2`",
    "fast, one worker": "`--model optical-fast --workers 1`",
    "fast, two workers": "`--model optical-fast --workers 2`",
    "optical": "as it comes (`--model optical`)",
    "mesh": "`--method mesh`",
}


def _largest(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    side = max(r["size"] for r in rows)
    return {r["arm"]: r for r in rows if r["size"] == side}


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def large(rows: list[dict[str, Any]]) -> str:
    """Say what a large frame takes."""
    arms = _largest(rows)
    usual, fast, listed = (arms[k] for k in ("optical", "fast", "fast, catalogue"))
    side = usual["size"]
    return (
        f"A frame of {side} x {side} pixels took {usual['cpu_s']:.0f} s of CPU time on "
        f"one thread with the model `optical` and {usual['peak_anonymous_MB']} MB of "
        f"own memory, {fast['cpu_s']:.0f} s and {fast['peak_anonymous_MB']} MB with "
        f"`optical-fast`, {listed['cpu_s']:.0f} s and {listed['peak_anonymous_MB']} MB "
        "with a catalogue too (`benchmarks/speed/large_frame.py`)."
    )


def memory(rows: list[dict[str, Any]]) -> str:
    """Say for each arm what frames of several sizes take."""
    said = []
    for arm in dict.fromkeys(r["arm"] for r in rows):
        own = [
            f"{r['peak_anonymous_MB']} MB ({r['size'].replace('x', ' x ')})"
            for r in rows
            if r["arm"] == arm
        ]
        said.append(f"{arm}: {', '.join(own)}")
    return (
        f"Peak of own memory, one thread: {'; '.join(said)} "
        "(`benchmarks/speed/memory.py`)."
    )


def frame(rows: list[dict[str, Any]]) -> str:
    """Tabulate the ways to clean one large frame."""
    arms = _largest(rows)
    lines = [
        [
            _WORDS[name],
            f"{row['cpu_s']:.0f}",
            f"{row['wall_s']:.0f}",
            "" if "worker" in name else f"{row['peak_anonymous_MB']}",
        ]
        for name, row in arms.items()
    ]
    return _table(["", "CPU s", "wall s", "own memory, MB"], lines)


def workers(rows: list[dict[str, Any]]) -> str:
    """Say what a cluster costs, and what two workers gain."""
    arms = _largest(rows)
    alone, one, two = (
        arms[k] for k in ("fast", "fast, one worker", "fast, two workers")
    )
    more = 100 * (one["cpu_s"] / alone["cpu_s"] - 1)
    return (
        f"One worker took {more:+.1f} % of CPU time over the same frame without a "
        "cluster: scheduler, messages, scratch files and the start of another "
        f"process. Two workers on two cores took {one['wall_s'] / two['wall_s']:.2f} "
        "times less wall time than one (reading, noise, sky and writing stay with the "
        f"process that calls) and {two['cpu_s'] / one['cpu_s']:.2f} times the CPU "
        "time; one process with two threads took "
        f"{arms['fast, two threads']['wall_s'] / two['wall_s']:.2f} times the wall "
        "time of two workers."
    )


def night(rows: list[dict[str, Any]]) -> str:
    """Tabulate the time that a thousand frames take."""
    arms = _largest(rows)
    lines = []
    for name in ("fast", "fast, catalogue", "optical", "mesh"):
        hours = [_NIGHT * arms[name]["cpu_s"] / 3600 / n for n in _WORKERS]
        lines.append([_WORDS[name], *(f"{h:.2g} h" for h in hours)])
    head = [f"{_NIGHT} frames", *(f"{n} worker{'s' * (n > 1)}" for n in _WORKERS)]
    return _table(head, lines)


def engines(result: dict[str, Any]) -> str:
    """Tabulate the ways to run the networks."""
    lines = []
    for row in result["rows"]:
        wanted = f" ({row['target']:g})" if row["target"] else ""
        lines.append(
            [
                row["arm"],
                *("" if row[k] is None else f"{row[k]:.2g}" for k in ("mpix_s",)),
                "" if row["ratio"] is None else f"{row['ratio']:.2f}{wanted}",
                "" if row["gflop_s"] is None else f"{row['gflop_s']:.0f}",
                "" if row["of_matrix_rate"] is None else f"{row['of_matrix_rate']:.2f}",
            ]
        )
    head = ["", "Mpix/s kept", "ratio (target)", "GFLOP/s", "of the matrix rate"]
    return _table(head, lines)


def lighter(result: dict[str, Any]) -> str:
    """Say what the light network finds, beside the usual one on the same frames."""
    said = []
    for kind, arms in result["ratios"].items():
        ratio, low, high = arms["optical centres"]
        usual = result["usual"][kind]["optical centres"][0]
        said.append(
            f"{100 * (ratio - 1):+.1f} ± {50 * (high - low):.1f} % ({kind}; `optical` "
            f"{100 * (usual - 1):+.1f} %)"
        )
    return (
        "True sources that `optical-fast` found at 10 false detections per Mpix, "
        f"against the strongest classical arm: {', '.join(said)}; "
        f"{result['frames']} frame{'s' * (result['frames'] > 1)} of 4 Mpix of each "
        "kind (`benchmarks/optical/quick.py`)."
    )


def machine(result: dict[str, Any]) -> str:
    """Say on what it was measured."""
    known = result["machine"]
    return (
        f"Measured on {known['cores']} cores of an {known['processor']}, torch "
        f"{known['torch']}."
    )


SENTENCES = {
    "machine": (f"{_FOLDER}engines.json", machine),
    "lighter": ("fast/quick.json", lighter),
    "large": (f"{_FOLDER}large_frame.json", large),
    "frame": (f"{_FOLDER}large_frame.json", frame),
    "workers": (f"{_FOLDER}large_frame.json", workers),
    "night": (f"{_FOLDER}large_frame.json", night),
    "memory": (f"{_FOLDER}memory.json", memory),
    "engines": (f"{_FOLDER}engines.json", engines),
}
"""What makes the text of each name, and from which result of the benchmarks."""
