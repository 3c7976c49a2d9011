"""Machine: processors, accelerators, and room for scratch files."""

import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator

from bgrem_core.doctor.facts import Fact
from bgrem_core.errors import BGRemError

PART = "Machine"
ROOM = 2**30
"""Bytes that scratch files of a usual frame may take."""
_ROUNDS, _SIDE = 4, 1024
_PAYS = 1.2  # times as fast


def scratch() -> Iterator[Fact]:
    """Yield whether there is a place for scratch files, and room in it."""
    from bgrem_core.planes import scratch_folder

    move = "set TMPDIR to a folder with room that may be written to"
    try:
        folder = scratch_folder()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise BGRemError(f"no scratch file can be written ({error})", move) from error
    value = f"{folder}, {free / 2**30:.1f} GiB free"
    short = free < ROOM
    yield Fact(
        part=PART, name="scratch", value=value,
        problem=f"little room for scratch files in {folder}" if short else "",
        hint=move if short else "",
    )  # fmt: skip


def processors() -> Iterator[Fact]:
    """Yield threads, devices, and whether half precision pays."""
    try:
        import torch
    except (ImportError, OSError) as error:
        raise BGRemError(
            "torch cannot be imported: only --method mesh and stars work",
            hint="install the CPU wheel as the README says",
        ) from error
    cores = os.cpu_count() or 1
    threads = f"{torch.get_num_threads()} of torch, {cores} processors"
    yield Fact(part=PART, name="threads", value=threads)
    yield Fact(part=PART, name="devices", value=", ".join(devices()))
    pays = half_rate()
    word = "pays" if pays >= _PAYS else "does not pay"
    yield Fact(
        part=PART, name="bfloat16",
        value=f"{pays:.1f} times as fast as float32 on the CPU: "
        f"--precision half {word}",
    )  # fmt: skip


def devices() -> list[str]:
    """Return what networks can run on, each with what it is.

    Returns
    -------
    list of str
        The first word of each is what ``--device`` takes.
    """
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        free, whole = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        room = f"{free / 2**30:.1f} of {whole / 2**30:.1f} GiB free"
        found.append(f"cuda ({name}, {room})")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


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
