"""Numbers that the paper states, and the same of ours, read from code and recipes."""

import json
from pathlib import Path
from typing import Any

from given import JOINT, Given
from network import PAPER_COUNT, count

from bgrem_core.networks import build
from bgrem_core.schedule import INFERENCE, TRAINING
from bgrem_core.train.recipe import shipped

GAMMA = Path(__file__).parents[1] / "gamma" / "results" / "benchmark.json"
HALF = 1
"""Place of 0.5 false per patch among the rates."""
SIMULATORS = {"survey": "full", "optical": "simple"}
TABLE_2 = {
    "optimiser": "AdamW",
    "learning rate": 1e-3,
    "factor per epoch": 0.95,
    "weight decay": 1e-4,
    "batch": 32,
    "epochs": 100,
    "patience": 10,
    "tile": 256,
    "loss": "mae",
}
"""From notes taken of it; the table itself is not at hand."""


def recipe(name: str) -> dict[str, Any]:
    """Return the settings of one of our recipes, under the words of the table."""
    data = json.loads(shipped(JOINT, name).read_text())
    loop, crops = data["loop"], data["data"]["crops"]
    return {
        "optimiser": "AdamW",
        "learning rate": loop["rate"],
        "factor per epoch": loop["factor"],
        "weight decay": loop["decay"],
        "batch": crops["batch"],
        "epochs": round(loop["steps"] / loop["epoch"]),
        "patience": loop["patience"],
        "tile": crops["crop"],
        "loss": data["data"]["loss"],
        "objective": data["data"]["objective"],
        "mpix": round(
            data["data"]["fields"] * data["data"]["field_size"] ** 2 / 1e6, 1
        ),
        "examples": loop["steps"] * crops["batch"],
        "crops per epoch": loop["epoch"] * crops["batch"],
    }


def numbers(given: Given) -> dict[str, Any]:
    """Return all of them; nothing is measured here."""
    return {
        "table 2": TABLE_2,
        "recipes": {n: recipe(n) for n in ("cpu", "gpu")},
        "parameters": {"paper": PAPER_COUNT, "ours": count(build("attention"))},
        "schedule": {
            "training": [float(TRAINING.sigma(t)) for t in (0, 1)],
            "inference": [float(INFERENCE.sigma(t)) for t in (0, 1)],
        },
        "gamma": gamma(),
        "steps": {n: d.model.card.steps for n, d in given.models.items()},
        "trained": {n: _training(d.model.card) for n, d in given.models.items()},
    }


def gamma() -> dict[str, Any]:
    """Return what the benchmark of the gamma model says; empty where it did not run."""
    if not GAMMA.is_file():
        return {}
    data = json.loads(GAMMA.read_text())
    parts = data["sections"]
    arms = {"model": "network", "best mesh": "best mesh", "exact background": None}
    found = parts["detection"]["arms"]
    out = {
        "weights": data["weights"],
        "found": {n: found[a or n]["all"][HALF]["found"] for n, a in arms.items()},
        "background": parts["background"]["network"]["all"]["rms"],
        "terciles": parts["brightness"]["terciles"]["source map"][:3],
    }
    theirs = parts.get("infinite", {}).get("arms", {})
    for name, words in (("paper", "mae"), ("paper, MSE", "mse")):
        for photons in ("infinite statistics", "Poisson"):
            arm = theirs.get(f"{name}, {photons}")
            if arm is not None:
                out[f"{words}, {photons}"] = {
                    "terciles": arm["light"][:3],
                    "light": arm["light"][3],
                    "background": arm["background"],
                    "true over raw": arm["ours"]["true over raw"],
                }
    return out


def _training(card: Any) -> dict[str, Any]:
    keys = ("steps", "planned", "finished", "minutes", "device", "parameters")
    family = card.training.get("recipe", {}).get("family")
    return {k: card.training[k] for k in keys if k in card.training} | {
        "simulator": SIMULATORS.get(family)
    }
