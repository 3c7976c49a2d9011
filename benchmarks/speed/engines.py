"""Speed of the networks against the original's, all arms interleaved in one run.

Every arm computes in one thread; what counts is its CPU time, the least of all rounds,
over the pixels that it keeps. Ratios are to the original's way: its network in Keras,
called eagerly on batches of 10 tiles of 256 of which 200 are kept. That arm runs in an
interpreter that has keras and tensorflow; without one it is "skipped", and so are the
ratios. For scale: the sky of sep, source-extractor where it is installed, and the rate
at which the machine multiplies matrices, which is all that a network can reach.

    OMP_NUM_THREADS=1 python benchmarks/speed/engines.py [--keras PYTHON] [--rounds N]
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sep
import torch
from astropy.io import fits
from torch.utils.flop_counter import FlopCounterMode

from bgrem_core.models import load_network
from bgrem_core.networks import rewritten

HERE = Path(__file__).parent
SEED = 299792
FAITHFUL, USUAL, FAST = "optical-paper", "optical", "optical-fast"
ORIGINAL = "original: Keras, eager"
SHARED = Path("/usr/share/source-extractor")


@dataclass(frozen=True)
class Sizes:
    """Sides in pixels: of the original's tiles, of ours, of plain images."""

    original: int = 256
    stride: int = 200
    batch: int = 10
    overlap: int = 28
    tile: int = 512
    seam_free: int = 1024
    matrix: int = 1024


TOY = Sizes(
    original=64, stride=8, batch=2, tile=96, overlap=28, seam_free=304, matrix=128
)


@dataclass(frozen=True)
class Arm:
    """One thing that is timed.

    ``run`` gives seconds of CPU time for ``kept`` pixels and ``work`` operations.
    """

    name: str
    kept: int
    run: Callable[[], float]
    work: float = 0.0
    half: bool = False
    target: float | None = None


def timed(call):
    """Make a call give its CPU time."""

    def run():
        start = time.process_time()
        call()
        return time.process_time() - start

    return run


def inputs(side, batch=1):
    """Return a starry field in units of its noise, and what is told beside it."""
    rng = np.random.default_rng(SEED)
    z = rng.standard_normal((batch, 1, side, side), np.float32)
    z[:, :, 20:24, 30:33] += 500
    z = torch.from_numpy(z).contiguous(memory_format=torch.channels_last)
    return z, torch.ones(batch), torch.tensor([[0.1, 1.5, 1.0]] * batch)


def flops(network, side, batch=1):
    answer = getattr(network, "forward_heads", network)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        answer(*inputs(side, batch))
    return float(counter.get_total_flops())


def ours(name, network, side, margin, *, half=False, target=None):
    """Return an arm of torch on single tiles."""
    network = network.to(memory_format=torch.channels_last)
    answer, given = getattr(network, "forward_heads", network), inputs(side)

    @torch.inference_mode()
    def call():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            answer(*given)

    kept = (side - 2 * margin) ** 2
    work = flops(network, side)
    return Arm(name, kept, timed(call), work, half=half, target=target)


def margin_of(network):
    return -(-network.radius // network.pooling) * network.pooling


def torch_arms(faithful, usual, fast, sizes):
    """Yield ours: as trained and rewritten, in both precisions, with both margins."""
    new, optical, quick = (rewritten(n) for n in (faithful, usual, fast))
    least, wide, seam_free = sizes.overlap, sizes.tile, sizes.seam_free
    label = f"{wide} px, overlap {least}"
    yield ours(f"faithful as trained, {label}", faithful, wide, least)
    yield ours(f"faithful, {label}", new, wide, least, target=1.9)
    yield ours(f"faithful, {label}, bf16", new, wide, least, half=True, target=3.0)
    for name, network, goals in (
        ("faithful", new, (None, None)),
        ("optical", optical, (None, None)),
        ("fast as trained", fast, None),
        ("fast", quick, (6.0, 10.0)),
    ):
        margin = margin_of(network)
        label = f"{name}, {seam_free} px, seam-free {margin}"
        single, half = goals or (None, None)
        yield ours(label, network, seam_free, margin, target=single)
        if goals:
            label = f"{label}, bf16"
            yield ours(label, network, seam_free, margin, half=True, target=half)


def onnx_arms(sizes, folder):
    """Yield onnxruntime on exported models, where it is installed."""
    needed = ("onnx", "onnxscript", "onnxruntime")
    if any(importlib.util.find_spec(name) is None for name in needed):
        return
    import onnxruntime

    from bgrem_core.export_onnx import export_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for name, model, side, margin in (
        ("faithful", FAITHFUL, sizes.tile, sizes.overlap),
        ("fast", FAST, sizes.seam_free, None),
    ):
        path = export_onnx(model, folder / f"{name}.onnx")
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        network = load_network(model)[1]
        drop = margin_of(network) if margin is None else margin
        given = [a.contiguous().numpy() for a in inputs(side)]
        feed = dict(zip([i.name for i in session.get_inputs()], given, strict=True))
        yield Arm(
            f"{name}, {side} px, onnxruntime",
            (side - 2 * drop) ** 2,
            timed(lambda s=session, f=feed: s.run(None, f)),
            flops(network, side),
        )


class Original:
    """The network in Keras, in a process of its own."""

    def __init__(self, python, network, sizes, folder):
        self.network, self.sizes, self.folder = network, sizes, folder
        arrays = {}
        for name, value in network.state_dict().items():
            # A transposed convolution of Keras leans to the other side than torch's:
            # mirrored weights do to a mirrored image what ours do to the image.
            mirrored = value.flip(2, 3) if value.ndim == 4 else value
            arrays[name] = mirrored.numpy()
        arrays["frequency"] = torch.logspace(0, 3, 16).numpy()
        np.savez(folder / "weights.npz", **arrays)
        self.given = inputs(sizes.original, sizes.batch)
        tiles = self.given[0].flip(2, 3).permute(0, 2, 3, 1).contiguous().numpy()
        np.savez(folder / "question.npz", tiles=tiles, level=np.float32(1))
        self.log = (folder / "keras.log").open("w+")
        self.child = subprocess.Popen(
            [python, str(HERE / "keras_arm.py"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )
        first = self.child.stdout.readline()
        if not first:
            self.child.wait()
            self.log.seek(0)
            lines = self.log.read().strip().splitlines() or ["it ended at once"]
            self.close()
            raise OSError(lines[-1])
        self.facts = json.loads(first)
        self.facts["parameters_torch"] = sum(
            v.numel()
            for k, v in network.state_dict().items()
            if not k.endswith("tracked")
        )
        self.facts["largest_difference"] = self.difference()

    def difference(self):
        """Return how far the answers are apart, over the largest answer."""
        theirs = torch.from_numpy(np.load(self.folder / "answer.npy"))
        theirs = theirs.permute(0, 3, 1, 2).flip(2, 3)
        with torch.inference_mode():
            own = self.network(*self.given)
        return float((theirs - own).abs().max() / own.abs().max())

    def ask(self, what):
        self.child.stdin.write(f"{what}\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())

    def arms(self):
        kept = self.sizes.batch * self.sizes.stride**2
        work = flops(self.network, self.sizes.original, self.sizes.batch)
        label = f"{self.sizes.batch} tiles of {self.sizes.original} px"
        yield Arm(ORIGINAL, kept, lambda: self.ask("eager"), work)
        compiled = f"original: Keras, compiled, {label}"
        yield Arm(compiled, kept, lambda: self.ask("compiled"), work)

    def close(self):
        for stream in (self.child.stdin, self.child.stdout, self.log):
            stream.close()
        self.child.wait()


def scale_arms(sizes, folder):
    """Yield programs that do something else, for scale."""
    side = sizes.seam_free
    plane = inputs(side)[0][0, 0].contiguous().numpy()
    yield Arm(
        f"sep.Background, {side} px",
        side**2,
        timed(lambda: sep.Background(plane, bw=64, bh=64).back()),
    )
    program = shutil.which("source-extractor")
    if program is None or not SHARED.is_dir():
        return
    fits.writeto(folder / "frame.fits", plane)
    (folder / "columns.param").write_text("X_IMAGE\nY_IMAGE\nFLUX_AUTO\n")
    command = [
        program, "frame.fits", "-c", str(SHARED / "default.sex"),
        "-FILTER_NAME", str(SHARED / "default.conv"), "-PARAMETERS_NAME",
        "columns.param", "-CATALOG_NAME", "found.cat", "-VERBOSE_TYPE", "QUIET",
        "-NTHREADS", "1",
    ]  # fmt: skip

    def extract():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    yield Arm(f"source-extractor, {side} px, start and catalogue too", side**2, extract)


def matrix_arms(sizes):
    n = sizes.matrix
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.ones(n, n, dtype=kind)
        call = timed(lambda a=a: [a @ a for _ in range(4)])
        yield Arm(f"matrix product, {name}", 0, call, 8.0 * n**3, half=name == "bf16")


def measure(arms, rounds):
    """Return all times; arms take turns, after a first round that does not count."""
    times = {arm.name: [] for arm in arms}
    for k in range(rounds + 1):
        for arm in arms:
            seconds = arm.run()
            if k:
                times[arm.name].append(seconds)
    return times


def rows_of(arms, times):
    least = {name: max(min(t), 1e-9) for name, t in times.items()}
    peak = {
        arm.half: arm.work / least[arm.name]
        for arm in arms
        if arm.name.startswith("matrix")
    }
    first = next((arm for arm in arms if arm.name == ORIGINAL), None)
    base = first.kept / least[ORIGINAL] if first else None
    rows = []
    for arm in arms:
        rate = arm.kept / least[arm.name]
        reached = arm.work / least[arm.name]
        rows.append(
            {
                "arm": arm.name,
                "ms": round(1e3 * least[arm.name], 3),
                "spread": round(max(times[arm.name]) / least[arm.name], 2),
                "mpix_s": round(rate / 1e6, 4) if arm.kept else None,
                "ratio": round(rate / base, 2) if base and arm.kept else None,
                "target": arm.target,
                "gflop_s": round(reached / 1e9, 1) if arm.work else None,
                "of_matrix_rate": round(reached / peak[arm.half], 2)
                if arm.work
                else None,
            }
        )
    return rows


def machine():
    able = torch.cpu.get_capabilities()
    return {
        "processor": able.get("cpu_name", able.get("architecture", "")),
        "avx512_bf16": bool(able.get("avx512_bf16")),
        "amx_bf16": bool(able.get("amx_bf16")),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }


def table(result):
    """Return the results as a page."""
    said = [f"{k} {v}" for k, v in result["machine"].items()]
    lines = [
        "# Speed of the networks",
        "",
        f"`benchmarks/speed/engines.py`, {result['rounds']} rounds: {', '.join(said)}.",
        "CPU time of one thread, least of all rounds, arms in turn; ratios of kept",
        "pixels a second to the original's eager inference; target in brackets.",
        "",
    ]
    if result["toy"]:
        lines += ["**Toy sizes: these times mean nothing.**", ""]
    original = result["original"]
    if isinstance(original, str):
        lines += [f"The original in Keras: {original}.", ""]
    else:
        lines += [
            "The original is Keras {keras} on TensorFlow {tensorflow}, rebuilt from",
            "its description, {parameters:,} parameters; with our weights its answer",
            "is ours to {largest_difference:.0e} of the largest value.",
            "",
        ]
        lines[-4:] = [line.format(**original) for line in lines[-4:]]
    lines += [
        "| arm | ms | max/min | Mpix/s kept | ratio | GFLOP/s | of the matrix rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in result["rows"]:
        ratio = "skipped" if r["ratio"] is None and r["mpix_s"] else _cell(r["ratio"])
        goal = f" ({r['target']:g})" if r["target"] else ""
        cells = [
            r["arm"], _cell(r["ms"]), _cell(r["spread"]), _cell(r["mpix_s"]),
            ratio + goal, _cell(r["gflop_s"]), _cell(r["of_matrix_rate"]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value):
    return "" if value is None else f"{value:g}"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--keras",
        default=sys.executable,
        metavar="PYTHON",
        help="interpreter that has keras and tensorflow; default: this one",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--toy", action="store_true", help="tiny sizes, for a test")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    sizes = TOY if args.toy else Sizes()
    loaded = [load_network(name) for name in (FAITHFUL, USUAL, FAST)]
    cards, networks = ([each[k] for each in loaded] for k in (0, 1))
    faithful = networks[0]
    original = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            original = Original(args.keras, faithful, sizes, folder)
            said = original.facts
        except OSError as error:
            said = f"skipped ({error})"
        arms = [*original.arms()] if original else []
        arms += torch_arms(*networks, sizes)
        arms += onnx_arms(sizes, folder)
        arms += scale_arms(sizes, folder)
        arms += matrix_arms(sizes)
        try:
            times = measure(arms, args.rounds)
        finally:
            if original:
                original.close()
    result = {
        "machine": machine(),
        "rounds": args.rounds,
        "toy": args.toy,
        "seed": SEED,
        "weights": {c.name: c.training["tensors"] for c in cards},
        "original": said,
        "rows": rows_of(arms, times),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "engines.json").write_text(json.dumps(result, indent=1) + "\n")
    page = table(result)
    (args.out / "engines.md").write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
