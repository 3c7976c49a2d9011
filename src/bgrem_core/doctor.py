"""``bgrem doctor``: what this installation has, and what to do about what it lacks."""

import importlib.metadata
import math
import platform
import time

from bgrem_core.errors import BGRemError

PACKAGES = (
    "napari-bgrem", "numpy", "scipy", "astropy", "photutils", "sep", "torch",
    "pillow", "tifffile", "psygnal", "tqdm",
)  # fmt: skip
_ROUNDS, _SIDE = 4, 1024
_PAYS = 1.2  # times as fast


def doctor() -> int:
    """Print versions, devices, models and a self-test.

    Returns
    -------
    int
        0 if all is well, else the exit code of the first problem.
    """
    machine = f"{platform.system()} {platform.machine()}"
    print(f"python {platform.python_version()} on {machine}")
    for name in PACKAGES:
        print(f"{name} {_version(name)}")
    problems = [p for p in (_check(_torch), _check(_models), _check(_self_test)) if p]
    for problem in problems:
        print(f"problem: {problem}")
    print("all is well" if not problems else f"{len(problems)} problem(s)")
    return problems[0].code if problems else 0


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _check(test: object) -> BGRemError | None:
    try:
        print(test())  # type: ignore[operator]
    except BGRemError as error:
        return error
    return None


def _torch() -> str:
    try:
        import torch
    except ImportError as error:
        raise BGRemError(
            "torch is not installed: only --method mesh works",
            hint="install the CPU wheel as the README says",
        ) from error
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append(f"cuda ({torch.cuda.get_device_name()})")
    if torch.backends.mps.is_available():
        devices.append("mps")
    pays = half_rate()
    word = "pays" if pays >= _PAYS else "does not pay"
    return (
        f"devices: {', '.join(devices)}; {torch.get_num_threads()} threads\n"
        f"bfloat16: matrix products {pays:.1f} times as fast as in float32 on the CPU: "
        f"--precision half {word} there"
    )


def half_rate() -> float:
    """Return how much faster the CPU multiplies matrices in bfloat16.

    That it knows the format says little: some do it in pieces.

    Returns
    -------
    float
        Rate in bfloat16 over that in float32; networks gain about as much.
    """
    import torch

    least = {torch.float32: math.inf, torch.bfloat16: math.inf}
    for _ in range(_ROUNDS):
        for kind in least:  # in turn: the machine may have other work
            matrix = torch.ones(_SIDE, _SIDE, dtype=kind)
            start = time.process_time()
            for _ in range(3):  # some clocks tick slowly
                matrix @ matrix
            least[kind] = min(least[kind], time.process_time() - start)
    return least[torch.float32] / max(least[torch.bfloat16], 1e-9)


def _models() -> str:
    from bgrem_core.models import list_models, load_model

    lines = []
    for card in list_models():
        model = load_model(card.name, device="cpu")
        lines.append(f"model {card.name}: sha256 {model.sha256[:16]} as on its card")
    return "\n".join(lines)


def _self_test() -> str:
    import numpy as np

    from bgrem_core.api import clean

    noise = np.random.default_rng(0).normal(100.0, 5.0, (96, 96)).astype("f4")
    result = clean(noise, sky_scale=32)
    spread = float(np.std(result.cleaned))
    if not spread < 1.0:
        raise BGRemError(
            f"self-test: noise of sigma 5 was left with {spread:.2f}",
            hint="reinstall napari-bgrem",
        )
    return f"self-test: noise of sigma 5 cleaned to {spread:.2f}"
