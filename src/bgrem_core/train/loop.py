"""A training loop whose step k is step k, resumed or not.

Batches are drawn from the seed and the step number, the learning rate depends on the
step number alone, and a checkpoint holds everything else; so a run that was stopped
and resumed equals an uninterrupted one bit for bit (same machine, same threads).
"""

import csv
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bgrem_core.errors import ReadError, UsageError

__all__ = ["LoopSettings", "Trainer", "learning_rate"]

STATE = "state.safetensors"
CURVE = "loss.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """What decides the optimisation.

    Attributes
    ----------
    steps : int
        Optimiser steps of the whole run; the learning rate ends at 0 there.
    rate : float
        Highest learning rate.
    warmup : int
        Steps of linear rise.
    decay : float
        Weight decay of AdamW.
    ema : float
        Decay per step of the averaged weights.
    clip : float
        Largest norm of the gradient.
    precision : str
        ``bf16`` (autocast) or ``f32``.
    threads : int
        CPU threads; part of the recipe because sums depend on it.
    checkpoint : int
        Steps between checkpoints.
    """

    steps: int
    rate: float = 2e-3
    warmup: int = 200
    decay: float = 1e-4
    ema: float = 0.998
    clip: float = 1.0
    precision: str = "bf16"
    threads: int = 2
    checkpoint: int = 200

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "f32"):
            raise UsageError(
                f"precision={self.precision!r} is unknown", "use bf16 or f32"
            )
        if min(self.steps, self.warmup, self.checkpoint, self.threads) < 1:
            raise UsageError(
                "steps, warmup, checkpoint and threads must be at least 1",
                "correct the recipe",
            )


def learning_rate(step: int, settings: LoopSettings) -> float:
    """Return the learning rate of a step: linear warm-up, then half a cosine to 0.

    Parameters
    ----------
    step : int
        From 0.
    settings : LoopSettings
        Rate, warm-up and length.

    Returns
    -------
    float
        Learning rate.
    """
    s = settings
    if step < s.warmup:
        return s.rate * (step + 1) / s.warmup
    done = (step - s.warmup) / max(s.steps - s.warmup, 1)
    return s.rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


Loss = Callable[[nn.Module, Mapping[str, Tensor]], tuple[Tensor, dict[str, float]]]


class Trainer:
    """Network, averaged weights and optimiser of one run, with its folder.

    Parameters
    ----------
    network : torch.nn.Module
        What is trained, in its initial state.
    batch : callable
        ``batch(step)`` gives the tensors of that step.
    loss : callable
        ``loss(network, batch)`` gives the loss and named figures for the curve.
    settings : LoopSettings
        Optimisation.
    folder : pathlib.Path
        Checkpoint and curve are written here, and read if they are there.
    identity : str
        Hash of the recipe; a checkpoint of another recipe is refused.
    device : str, optional
        Torch device.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        batch: Callable[[int], Mapping[str, Tensor]],
        loss: Loss,
        settings: LoopSettings,
        folder: Path,
        identity: str,
        device: str = "cpu",
    ) -> None:
        torch.set_num_threads(settings.threads)
        self.device = device
        self.network = network.to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.batch, self.loss, self.settings = batch, loss, settings
        self.folder, self.identity = folder, identity
        self.names = [name for name, _ in self.network.named_parameters()]
        self.params = [p for _, p in self.network.named_parameters()]
        self.ema = [p.detach().clone() for p in self.params]
        self.optimizer = torch.optim.AdamW(
            self.params,
            lr=settings.rate,
            weight_decay=settings.decay,
            betas=(0.9, 0.98),
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            self._load()

    def run(self, *, max_seconds: float = math.inf) -> Iterator[dict[str, float]]:
        """Train until the end or until the time is up; a checkpoint closes either.

        Parameters
        ----------
        max_seconds : float, optional
            Stop (resumable) after this many seconds.

        Yields
        ------
        dict
            Figures of each step: step, rate, seconds and those of the loss.
        """
        start = time.monotonic()
        self._trim_curve()
        rows: list[dict[str, float]] = []
        while self.step < self.settings.steps:
            begun = time.monotonic()
            row = self._one()
            row["seconds"] = round(time.monotonic() - begun, 4)
            rows.append(row)
            late = time.monotonic() - start > max_seconds
            if late or self.step % self.settings.checkpoint == 0:
                rows = self._save(rows)
            yield row
            if late:
                return
        self._save(rows)

    def _one(self) -> dict[str, float]:
        s = self.settings
        rate = learning_rate(self.step, s)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        data = {k: v.to(self.device) for k, v in self.batch(self.step).items()}
        kind = self.device.split(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=s.precision == "bf16"):
            loss, figures = self.loss(self.network, data)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.params, s.clip)
        self.optimizer.step()
        self.step += 1
        # Young averages follow faster, so that short runs are not ruled by the start.
        keep = min(s.ema, self.step / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.params], 1 - keep)
        return {"step": self.step, **figures, "norm": float(norm), "rate": rate}

    def _save(self, rows: list[dict[str, float]]) -> list[dict[str, float]]:
        tensors = {}
        for name, p, mean in zip(self.names, self.params, self.ema, strict=True):
            tensors[f"raw.{name}"] = p.detach()
            tensors[f"ema.{name}"] = mean
            state = self.optimizer.state.get(p, {})
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if key in state:
                    tensors[f"{key}.{name}"] = state[key]
        # Copies: channels_last memory is not what the file format stores.
        tensors = {k: v.cpu().clone().contiguous() for k, v in tensors.items()}
        note = json.dumps({"step": self.step, "recipe": self.identity})
        beside = self.folder / f"{STATE}.new"
        save_file(tensors, beside, metadata={"run": note})
        self._append_curve(rows)
        beside.replace(self.folder / STATE)
        return []

    def _load(self) -> None:
        path = self.folder / STATE
        with safe_open(path, "pt") as file:
            note = json.loads((file.metadata() or {}).get("run", "{}"))
            if note.get("recipe") != self.identity:
                raise UsageError(
                    f"{path} belongs to another recipe",
                    "use a new --out folder or the recipe it was started with",
                )
            keys = set(file.keys())
            get = file.get_tensor
            for k, name in enumerate(self.names):
                if f"raw.{name}" not in keys:
                    raise ReadError(f"{path} lacks {name}", "start in a new folder")
                p = self.params[k]
                with torch.no_grad():
                    p.copy_(get(f"raw.{name}"))
                    self.ema[k].copy_(get(f"ema.{name}"))
                if f"step.{name}" in keys:
                    like = torch.empty_like(p, memory_format=torch.preserve_format)
                    self.optimizer.state[p] = {
                        "step": get(f"step.{name}"),
                        "exp_avg": like.clone().copy_(get(f"exp_avg.{name}")),
                        "exp_avg_sq": like.clone().copy_(get(f"exp_avg_sq.{name}")),
                    }
        self.step = int(note["step"])

    def _append_curve(self, rows: list[dict[str, float]]) -> None:
        path = self.folder / CURVE
        if not rows:
            return
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            if new:
                writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)

    def _trim_curve(self) -> None:
        """Drop rows behind the checkpoint: a run that was killed wrote no others."""
        path = self.folder / CURVE
        if not path.exists():
            return
        lines = path.read_text().splitlines()
        kept = [r for r in lines[1:] if int(r.split(",")[0]) <= self.step]
        path.write_text("\n".join([*lines[:1], *kept]) + "\n")
