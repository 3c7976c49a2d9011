"""A training loop whose step k is step k, resumed or not.

Batches are drawn from the seed and the step's number, the learning rate depends on
that number alone, and a checkpoint holds everything else; so a run that was stopped
and resumed equals an uninterrupted one bit for bit (same machine, on the CPU).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bgrem_core.errors import ModelError, ReadError, UsageError
from bgrem_core.train import checkpoint, curve
from bgrem_core.train.lock import lock
from bgrem_core.train.settings import LoopSettings, learning_rate

__all__ = ["CURVE", "VALIDATION", "Trainer"]

CURVE = "loss.csv"
VALIDATION = "validation.csv"


Batch = Mapping[str, np.ndarray[Any, Any]]
Loss = Callable[[nn.Module, Mapping[str, Tensor]], tuple[Tensor, dict[str, float]]]


class Batches(Protocol):
    """Where batches come from; see `bgrem_core.train.feed.Feed`."""

    def __call__(self, step: int) -> Batch: ...

    def held_out(self, number: int) -> Batch: ...

    def close(self) -> None: ...


class Trainer:
    """Network, averaged weights and optimiser of one run, with its folder.

    Parameters
    ----------
    network : torch.nn.Module
        What is trained, in its initial state.
    feed : Batches
        Gives the batch of a step.
    loss : callable
        ``loss(network, batch)`` gives the loss and named figures for the curve.
    settings : LoopSettings
        Optimisation.
    folder : pathlib.Path
        Checkpoint and curves are written here, and read if they are there.
    identity : str
        Hash of the recipe; a checkpoint of another recipe is refused.
    device : str, optional
        Torch device.

    Attributes
    ----------
    step : int
        Steps that are done.
    ended : bool
        The last step is done, or the run ended early.
    saved : int
        Step of the last checkpoint, 0 for none.
    seconds : float
        Time that the steps took, all slices together.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        feed: Batches,
        loss: Loss,
        settings: LoopSettings,
        folder: Path,
        identity: str,
        device: str = "cpu",
    ) -> None:
        self.device = device
        self.network = network.to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.feed, self.loss, self.settings = feed, loss, settings
        self.folder, self.identity = folder, identity
        self.names = [name for name, _ in self.network.named_parameters()]
        self.params = [p for _, p in self.network.named_parameters()]
        self.buffers = dict(self.network.named_buffers())
        self.ema = [p.detach().clone() for p in self.params]
        self.optimizer = torch.optim.AdamW(
            self.params,
            lr=settings.rate,
            weight_decay=settings.decay,
            betas=(0.9, settings.beta),
        )
        self.step, self.saved, self.seconds = 0, 0, 0.0
        self.best, self.since = math.inf, 0
        self.best_ema: list[Tensor] = []
        self.rows: list[dict[str, float]] = []
        self.scores: list[dict[str, float]] = []
        if settings.shards > 1 and self.buffers:
            raise UsageError(
                "a network with batch normalisation cannot be computed in shards",
                "set shards to 1 and threads to the number of cores",
            )
        if (folder / checkpoint.STATE).exists():
            self._load()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        s = self.settings
        return self.step >= s.steps or 0 < s.patience <= self.since

    def run(self, *, max_seconds: float = math.inf) -> Iterator[dict[str, float]]:
        """Train until the end or until the time is up; a checkpoint closes either.

        Parameters
        ----------
        max_seconds : float, optional
            Stop (resumable) after this many seconds.

        Yields
        ------
        dict
            Figures of each step: step, those of the loss, norm of the gradient, rate,
            seconds.

        Raises
        ------
        UsageError
            Another process trains in this folder.
        ModelError
            The loss is no longer a finite number; the last checkpoint is kept.
        WriteError
            No room; the last checkpoint is kept.
        """
        start = time.monotonic()
        s = self.settings
        threads = torch.get_num_threads()
        # Each shard is a thread of Python with its own thread of torch: two half
        # batches side by side take 0.6 of the time of one batch on two threads.
        pool = ThreadPoolExecutor(
            s.shards, initializer=partial(torch.set_num_threads, s.threads)
        )
        with lock(self.folder), pool:
            torch.set_num_threads(s.threads)
            try:
                for name in (CURVE, VALIDATION):
                    curve.trim(self.folder / name, self.step)
                while not self.ended:
                    row = self._one(pool)
                    late = time.monotonic() - start > max_seconds
                    if late or self.step % s.checkpoint == 0:
                        self._save()
                    yield row
                    if late:
                        return
                if self.rows:
                    self._save()
            finally:
                torch.set_num_threads(threads)
                self.feed.close()

    def _one(self, pool: ThreadPoolExecutor) -> dict[str, float]:
        begun = time.monotonic()
        s = self.settings
        rate = learning_rate(self.step, s)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts = self._parts(self.feed(self.step))
        done = list(pool.map(self._gradient, parts))
        for k, p in enumerate(self.params):
            p.grad = done[0][0][k]
            for more in done[1:]:
                p.grad += more[0][k]
            p.grad /= len(done)
        norm = float(nn.utils.clip_grad_norm_(self.params, s.clip))
        if not math.isfinite(norm):
            raise ModelError(
                f"the gradient of step {self.step + 1} is not a finite number",
                "train with a lower rate or with precision f32",
            )
        self.optimizer.step()
        self.step += 1
        # Young averages follow faster, so that short runs are not ruled by the start.
        keep = min(s.ema, self.step / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.params], 1 - keep)
        if s.validation and (self.step % s.epoch == 0 or self.step == s.steps):
            self._validate()
        taken = time.monotonic() - begun
        self.seconds += taken
        row = {
            "step": self.step,
            **_mean([figures for _, figures in done]),
            "norm": norm,
            "rate": rate,
            "seconds": round(taken, 4),
        }
        self.rows.append(row)
        return row

    def _parts(self, batch: Batch) -> list[dict[str, Tensor]]:
        n = self.settings.shards
        sizes = {len(array) for array in batch.values()}
        if any(size % n for size in sizes):
            raise UsageError(
                f"a batch cannot be cut into {n} equal shards",
                "make the batch a multiple of shards",
            )
        whole = {k: torch.from_numpy(v).to(self.device) for k, v in batch.items()}
        cut = {k: v.chunk(n) for k, v in whole.items()}
        return [{k: v[i] for k, v in cut.items()} for i in range(n)]

    def _loss(self, part: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        kind = self.device.split(":")[0]
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(kind, torch.bfloat16, enabled=bf16):
            return self.loss(self.network, part)

    def _gradient(
        self, part: Mapping[str, Tensor]
    ) -> tuple[list[Tensor], dict[str, float]]:
        loss, figures = self._loss(part)
        # Not backward(): that would add the shards up in the order they end.
        return list(torch.autograd.grad(loss, self.params)), figures

    def score(self, numbers: range) -> list[dict[str, float]]:
        """Measure the averaged weights on held-out batches.

        Parameters
        ----------
        numbers : range
            Of the batches.

        Returns
        -------
        list of dict
            Loss and figures of each part of each batch.
        """
        rows = []
        with self._averaged(), torch.no_grad():
            for k in numbers:
                for part in self._parts(self.feed.held_out(k)):
                    loss, figures = self._loss(part)
                    rows.append({"loss": float(loss), **figures})
        return rows

    def _validate(self) -> None:
        """Score; remember the best."""
        mean = _mean(self.score(range(self.settings.validation)))
        self.scores.append({"step": self.step, **mean})
        if mean["loss"] < self.best:
            self.best, self.since = mean["loss"], 0
            if self.settings.patience:
                self.best_ema = [e.clone() for e in self.ema]
        else:
            self.since += 1

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        raw = [p.detach().clone() for p in self.params]
        with torch.no_grad():
            for p, e in zip(self.params, self.ema, strict=True):
                p.copy_(e)
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()
            with torch.no_grad():
                for p, r in zip(self.params, raw, strict=True):
                    p.copy_(r)

    def _save(self) -> None:
        state = [self.optimizer.state[p] for p in self.params]
        groups: dict[str, list[Tensor]] = {
            "raw": [p.detach() for p in self.params],
            "ema": self.ema,
            "mean": [s["exp_avg"] for s in state],
            "square": [s["exp_avg_sq"] for s in state],
            "best": self.best_ema,
        }
        arrays = {k: _flat(v) for k, v in groups.items() if v}
        for name, b in self.buffers.items():
            arrays[f"buffer.{name}"] = b.detach().cpu().contiguous().numpy()
        note = {
            "step": self.step,
            "recipe": self.identity,
            "layout": self._layout(),
            "seconds": round(self.seconds, 3),
            "best": self.best if math.isfinite(self.best) else None,
            "since": self.since,
            "device": _device_name(self.device),
        }
        # Curves first: rows behind the checkpoint are dropped when a run is resumed.
        curve.append(self.folder / CURVE, self.rows)
        curve.append(self.folder / VALIDATION, self.scores)
        checkpoint.write(self.folder, arrays, note)
        self.rows, self.scores = [], []
        self.saved = self.step

    def _load(self) -> None:
        arrays, note = checkpoint.read(self.folder)
        path = self.folder / checkpoint.STATE
        if note.get("recipe") != self.identity:
            raise UsageError(
                f"{path} belongs to another recipe",
                "use a new --out folder or the recipe it was started with",
            )
        if note.get("layout") != self._layout():
            raise ReadError(
                f"{path} was written by another version of the network",
                "use a new --out folder",
            )
        with torch.no_grad():
            for p, value in zip(self.params, self._cut(arrays["raw"]), strict=True):
                p.copy_(value)
            for e, value in zip(self.ema, self._cut(arrays["ema"]), strict=True):
                e.copy_(value)
            for name, b in self.buffers.items():
                b.copy_(torch.from_numpy(arrays[f"buffer.{name}"]))
            means, squares = self._cut(arrays["mean"]), self._cut(arrays["square"])
            for p, mean, square in zip(self.params, means, squares, strict=True):
                self.optimizer.state[p] = {
                    "step": torch.tensor(float(note["step"])),
                    "exp_avg": torch.empty_like(p).copy_(mean),
                    "exp_avg_sq": torch.empty_like(p).copy_(square),
                }
            if "best" in arrays:
                cut = self._cut(arrays["best"])
                self.best_ema = [
                    torch.empty_like(e).copy_(v)
                    for e, v in zip(self.ema, cut, strict=True)
                ]
        self.step = self.saved = int(note["step"])
        self.seconds = float(note["seconds"])
        self.best = math.inf if note["best"] is None else float(note["best"])
        self.since = int(note["since"])

    def _layout(self) -> list[list[Any]]:
        return [
            [name, *p.shape] for name, p in zip(self.names, self.params, strict=True)
        ]

    def _cut(self, flat: np.ndarray[Any, Any]) -> list[Tensor]:
        sizes = [p.numel() for p in self.params]
        pieces = torch.split(torch.from_numpy(flat), sizes)
        return [v.view(p.shape) for v, p in zip(pieces, self.params, strict=True)]


def _device_name(device: str) -> str:
    cuda = device.startswith("cuda")
    return str(torch.cuda.get_device_name(device)) if cuda else device


def _flat(tensors: list[Tensor]) -> np.ndarray[Any, Any]:
    # reshape: in the order of the indices, whatever the memory format.
    flat = torch.cat([t.reshape(-1).float() for t in tensors])
    array: np.ndarray[Any, Any] = flat.cpu().numpy()
    return array


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Average figures over shards; NaN = a shard had nothing to count."""
    return {
        key: fmean(found)
        if (found := [r[key] for r in rows if not math.isnan(r[key])])
        else math.nan
        for key in rows[0]
    }
