"""Accelerators that fail, each in its way: the CPU's answer, and one notice."""

import json

import numpy as np
import pytest
from astropy.io import fits
from gamma_maps import header as counts_header
from satellite_frames import frame as raw_frame

import bgrem_core
from bgrem_core import cli, models
from bgrem_core.errors import OutOfMemory

torch = pytest.importorskip("torch")

FAULTS = {
    "out of memory": torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "7.79 GiB of which 1.1 GiB is free."
    ),
    "out of memory elsewhere": RuntimeError(
        "MPS backend out of memory (MPS allocated: 9.07 GB, max allowed: 9.07 GB)."
    ),
    "lost device": RuntimeError(
        "CUDA error: unspecified launch failure\nCUDA kernel errors might be "
        "asynchronously reported at some other API call"
    ),
    "missing operator": NotImplementedError(
        "The operator 'aten::hypot' is not currently implemented for the MPS device."
    ),
    "no kernels": RuntimeError("CUDA error: no kernel image is available"),
    "not compiled in": AssertionError("Torch not compiled with CUDA enabled"),
    "silent": RuntimeError(),
}
WHEN = ("moving", 1, 3)
"""Where it fails: while the weights move there, or at an answer of that number."""


class Accelerator:
    """A network on a device that breaks and from which nothing comes back then."""

    def __init__(self, network, fault, when):
        self.network, self.fault, self.when, self.asked = network, fault, when, 0

    def to(self, device):
        assert device == "cuda"
        if self.when == "moving":
            raise self.fault
        return self

    def __call__(self, *inputs):
        self.asked += 1
        if self.asked == self.when and self.fault is None:
            return torch.full_like(self._answer(inputs), float("nan"))
        if self.asked == self.when:
            raise self.fault
        # Devices add in another order.
        return self._answer(inputs) * (1 + 1e-6)

    def _answer(self, inputs):
        return getattr(self.network, "forward_heads", self.network)(*inputs)


@pytest.fixture
def broken(monkeypatch):
    """Give a function that puts a device in which breaks; it returns those made."""
    to, made = torch.Tensor.to, []

    def put(fault, when):
        made.clear()

        def move(network):
            made.append(Accelerator(network, fault, when))
            return made[-1]

        monkeypatch.setattr(models, "deepcopy", move)
        return made

    def here(tensor, *where, **options):
        return tensor if where == ("cuda",) else to(tensor, *where, **options)

    monkeypatch.setattr(torch.Tensor, "to", here)
    return put


def told(notices):
    return [notice for notice in notices if "the CPU is used instead" in notice]


FIELD = {"sky_scale": 32, "tile": 64, "margin": 8, "steps": 2}


@pytest.fixture(scope="module")
def field():
    data = np.random.default_rng(7).normal(100, 5, (80, 96)).astype(np.float32)
    data[30:33, 40:43] += 200
    return data


@pytest.fixture(scope="module")
def of_the_cpu(field):
    return bgrem_core.clean(field, device="cpu", **FIELD)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("name", [*FAULTS, "no numbers"])
def test_any_fault_ends_with_the_cpus_answer_and_one_notice(
    field, of_the_cpu, broken, name, when
):
    if name == "no numbers" and when == "moving":
        when = 2
    made = broken(FAULTS.get(name), when)
    done = bgrem_core.clean(field, device="cuda", **FIELD)
    (device,) = made
    assert device.asked == (0 if when == "moving" else when)
    (notice,) = told(done.notices)
    why = str(FAULTS.get(name, "its answer is not finite")) or "RuntimeError"
    assert notice.startswith(f"cuda failed ({why.split(chr(10))[0][:60]}")
    sigma = of_the_cpu.scale.median_sigma
    for part, expected in of_the_cpu.parts.items():
        np.testing.assert_allclose(
            done.parts[part], expected, rtol=0, atol=1e-3 * sigma
        )
    np.testing.assert_allclose(
        done.cleaned, of_the_cpu.cleaned, rtol=0, atol=1e-3 * sigma
    )
    assert set(done.extras) == set(of_the_cpu.extras)
    assert {n for n in done.notices if n != notice} == set(of_the_cpu.notices)


@pytest.mark.parametrize("method", ["gamma", "systematics"])
@pytest.mark.parametrize("when", WHEN[:2])
def test_other_methods_tell_of_it_too(broken, method, when):
    if method == "gamma":
        counts = np.random.default_rng(1).poisson(2.0, (64, 64)).astype(np.float32)
        image = bgrem_core.open_image(fits.PrimaryHDU(counts, counts_header()))
        settings, sigma = {}, np.sqrt(2.0)
    else:
        image = bgrem_core.open_image(raw_frame(3).raw)
        settings, sigma = {"samples": 1, "injections": 0}, None
    cpu = bgrem_core.clean(image, method=method, device="cpu", **settings)
    made = broken(FAULTS["lost device"], when)
    done = bgrem_core.clean(image, method=method, device="cuda", **settings)
    assert len(made) == 1
    assert len(told(done.notices)) == 1
    assert not told(cpu.notices)
    atol = 1e-3 * (sigma or cpu.scale.median_sigma)
    np.testing.assert_allclose(done.cleaned, cpu.cleaned, rtol=0, atol=atol)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_the_command_says_it_once_and_ends_well(
    field, broken, tmp_path, capsys, options
):
    broken(FAULTS["out of memory"], 2)
    fits.writeto(tmp_path / "in.fits", field)
    words = ["-f", str(tmp_path / "in.fits"), "--device", "cuda", "--tile", "64"]
    assert cli.main([*words, "--margin", "8", "--sky-scale", "32", *options]) == 0
    said = capsys.readouterr().out
    assert said.count("the CPU is used instead") == 1
    if options:
        (plane,) = json.loads(said)["planes"]
        assert len(told(plane["notices"])) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_this_machine_lacks_is_no_error(field, of_the_cpu):
    done = bgrem_core.clean(field, device="cuda", **FIELD)
    assert len(told(done.notices)) == 1
    np.testing.assert_array_equal(done.cleaned, of_the_cpu.cleaned)


def test_memory_that_runs_out_on_the_cpu_too_is_exit_code_7(field, monkeypatch):
    def none(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(models.Model, "_forward", none)
    with pytest.raises(OutOfMemory, match="tile of 64 x ") as caught:
        bgrem_core.clean(field, device="cuda", **FIELD)
    assert caught.value.code == 7
    assert "smaller --tile" in caught.value.hint
