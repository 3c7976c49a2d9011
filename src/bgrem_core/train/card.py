"""The model card: made from the run and from what benchmarks measured."""

from collections.abc import Mapping
from typing import Any

from bgrem_core.model_card import ModelCard, range_text
from bgrem_core.train.words import words_of

__all__ = ["card_text"]

_MEASURED = """\
What was measured stands below, with its errors; nothing else is claimed."""
_NOT_MEASURED = "No figures were measured: nothing is claimed."
_THRESHOLDS = """\
Sigma of the input's noise per pixel, on the cleaned image after a 64-pix mesh;
"""
_COUNTED = "catalogue: 1 detection per Mpix of pure noise, deep: 10.\n"
_GUESSED = "not measured yet: cautious guesses, false detections were not counted.\n"
_MODEL_OF = {"survey": "optical"}
"""Models by family, where the name of the family is another."""
_LICENCES = {
    "frames": "Decided by whoever owns the frames and trained on them: these weights "
    "are no part of the package."
}


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
    family = card.training.get("recipe", {}).get("family", "")
    words = words_of(card.objective, family)
    sections = {
        "": _head(card, sha256),
        "Use": words.use,
        "Not for": words.not_for,
        "What these weights are worth": _worth(card),
        "Figures": _figures(card.figures),
        "Thresholds": _thresholds(card) if card.thresholds else "",
        "Trained on": f"{words.data}\n\n{_training(card)}",
        "Licence": _LICENCES.get(family, "BSD-3-Clause, as the package."),
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
        f"{_heads(card.config)}{_calibrated(card)}"
    )


def _heads(config: Mapping[str, Any]) -> str:
    return f"\n- Head: `{config['head']}` (`--head`)" if "head" in config else ""


def _calibrated(card: ModelCard) -> str:
    """Say which of the further heads are used."""
    words = {
        "uncertainty": "UNCERT (68 % half-width of the error of the denoised image)",
        "artefact": "artefacts, flagged from a probability of {artefact:.3g} on",
        "centre": "centres of sources, which `find` searches",
        "photons": "the error of its background, and the share of a source's photons "
        "that this leaves, which fluxes are corrected for",
    }
    told = [
        text.format(**card.calibration) if name == "artefact" else text
        for name, text in words.items()
        if name in card.calibration
    ]
    return f"\n- Also tells: {'; '.join(told)}" if told else ""


def _worth(card: ModelCard) -> str:
    minutes = f"{card.training.get('minutes', 0):.0f} minutes"
    if card.training.get("recipe", {}).get("start"):
        minutes += " more, from weights that were there,"
    known = _MEASURED if card.figures.get("table") else _NOT_MEASURED
    return f"Trained for {minutes} on {_device(card.training)}.\n{known}"


def _device(training: Mapping[str, Any]) -> str:
    device = str(training.get("device", "cpu"))
    return "the CPU" if device == "cpu" else f"a GPU ({device})"


def _pairs(data: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in data.items())


def _training(card: ModelCard) -> str:
    t = card.training
    steps, planned = t.get("steps", 0), t.get("planned", 0)
    done = "finished" if t.get("finished") else "NOT finished, rate not annealed"
    if t.get("finished") and steps < planned:
        done = "ended early by its validation, best weights"
    ranges = "\n".join(f"- {k}: {range_text(v)}" for k, v in card.trained.items())
    losses = ", ".join(f"{k} {v:g}" for k, v in t.get("losses", {}).items())
    curve = f"; last of the curve: {losses}" if losses else ""
    return (
        f"{ranges}\n\n{steps} of {planned} steps ({done}), "
        f"{t.get('examples', 0):,} examples{curve}.\n\n"
        f"{_command(card)} SHA-256 of the recipe: `{card.recipe[:16]}...`"
    )


def _command(card: ModelCard) -> str:
    """Say how the weights are made again, if they can be."""
    recipe = card.training.get("recipe")
    if recipe is None:
        return "The recipe is not in the file."
    from bgrem_core.train.recipe import RECIPES, Recipe

    own = {name: value for name, value in recipe.items() if name != "start"}
    begun = recipe.get("start", "")
    source, end = "", "."
    if begun:
        source, end = (
            " --from WEIGHTS",
            f"; it began with the weights `{begun[:16]}...`.",
        )
    if recipe["family"] == "frames":
        return (
            f"`bgrem-train satellites FRAMES...{source}`; the recipe is in the file, "
            f"with a digest of the frames{end}"
        )
    for path in sorted(RECIPES.glob("*.json")):
        if Recipe.read(path).as_dict() == own:
            model, _, name = path.stem.partition("_")
            option = "" if name == "cpu" else f" --recipe {name}"
            return (
                f"`bgrem-train {model}{option}{source}`; the recipe is in the file{end}"
            )
    model = _MODEL_OF.get(recipe["family"], recipe["family"])
    return (
        f"`bgrem-train {model} --recipe FILE{source}` with the recipe that is in this "
        f"file{end}"
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
        _THRESHOLDS + (_COUNTED if card.measured else _GUESSED),
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
    return "\n".join(lines)
