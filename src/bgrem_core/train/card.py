"""The model card: made from the run and from what benchmarks measured."""

from collections.abc import Mapping
from typing import Any

from bgrem_core.models import ModelCard, range_text
from bgrem_core.train.words import WORDS

__all__ = ["UNMEASURED", "card_text"]

UNMEASURED = {
    "catalogue": [[0.0, 1, 0.6], [0.45, 1, 0.9]],
    "deep": [[0.0, 1, 0.42], [0.45, 1, 0.7]],
}
"""Detection thresholds where none were measured yet: cautious values."""

_WORTH = """\
Trained for {minutes:.0f} minutes on {device}. What was measured stands below, with its
errors; nothing else is claimed. Later versions replace these weights."""
_THRESHOLDS = """\
Sigma of the input's noise per pixel, on the cleaned image after a 64-pix mesh;
catalogue: 1 detection per Mpix of pure noise, deep: 10.
"""


def card_text(card: ModelCard, sha256: str) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    card : ModelCard
        What it is made from; nothing in it is typed by hand for one run.
    sha256 : str
        Of the weights file.

    Returns
    -------
    str
        Ends with a newline.
    """
    words, training = WORDS[card.objective], card.training
    sections = {
        "": _head(card, sha256),
        "Use": words.use,
        "Not for": words.not_for,
        "What these weights are worth": _WORTH.format(
            minutes=training.get("minutes", 0), device=_device(training)
        ),
        "Figures": _figures(card.figures),
        "Thresholds": _thresholds(card) if card.thresholds else "",
        "Trained on": f"{words.data}\n\n{_training(card)}",
        "Licence": "BSD-3-Clause, as the package.",
        "Known failures": words.failures,
    }
    parts = [
        f"## {title}\n\n{text}" if title else text
        for title, text in sections.items()
        if text
    ]
    title = f"# Model card: {card.name}, version {card.version}"
    return "\n\n".join([title, *parts]) + "\n"


def _head(card: ModelCard, sha256: str) -> str:
    return (
        f"{card.summary()}.\n\n"
        f"- File: `{card.name}.safetensors`\n"
        f"- SHA-256: `{sha256}`\n"
        f"- Parameters: {card.training.get('parameters', 0):,}; dependency radius "
        f"{card.radius} pix, tiles start on a grid of {card.pooling} pix\n"
        f"- Normaliser: {_pairs(card.normaliser)}"
    )


def _device(training: Mapping[str, Any]) -> str:
    device = str(training.get("device", "cpu"))
    return "two CPU cores" if device == "cpu" else f"a GPU ({device})"


def _pairs(data: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in data.items())


def _training(card: ModelCard) -> str:
    t = card.training
    done = "finished" if t.get("finished") else "NOT finished, rate not annealed"
    ranges = "\n".join(f"- {k}: {range_text(v)}" for k, v in card.trained.items())
    losses = ", ".join(f"{k} {v:g}" for k, v in t.get("losses", {}).items())
    model = t.get("recipe", {}).get("name", card.name)
    held = ", which is in the file" if "recipe" in t else ""
    return (
        f"{ranges}\n\n"
        f"{t.get('steps', 0)} of {t.get('planned', 0)} steps ({done}), "
        f"{t.get('examples', 0):,} examples; last of the curve: {losses}.\n\n"
        f"`bgrem-train {model}`; SHA-256 of the recipe{held}: `{card.recipe[:16]}...`"
    )


def _figures(figures: Mapping[str, Any]) -> str:
    rows = figures.get("table")
    if not rows:
        return "Not measured yet."
    lines = [" | ".join(str(c).replace("|", "\\|") for c in row) for row in rows]
    rule = " | ".join("---" for _ in rows[0])
    table = "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
    notes = "\n".join(f"- {note}" for note in figures.get("notes", []))
    return f"{figures.get('caption', '')}\n\n{table}\n\n{notes}"


def _thresholds(card: ModelCard) -> str:
    lines = [
        _THRESHOLDS,
        "| noise correlation | steps | catalogue | deep |",
        "| --- | --- | --- | --- |",
    ]
    deep = {(rho, n): value for rho, n, value in card.thresholds.get("deep", ())}
    lines += [
        f"| {rho:g} | {n} | {value:.3f} | {deep.get((rho, n), float('nan')):.3f} |"
        for rho, n, value in sorted(
            card.thresholds.get("catalogue", ()), key=lambda r: (r[1], r[0])
        )
    ]
    if {k: [list(r) for r in v] for k, v in card.thresholds.items()} == UNMEASURED:
        lines.append("\nNot measured yet: cautious guesses.")
    return "\n".join(lines)
