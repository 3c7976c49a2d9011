"""A process that opens damaged files, one after the other, and says what came of it.

``python tests/fuzz/fuzz_worker.py SEED NUMBER`` repeats one; with ``--seconds S`` it
goes on from there. It may be killed by what it opens: that is what it is for. It kills
itself after five seconds of work on one file, and gives up after some minutes.
"""

import argparse
import contextlib
import faulthandler
import hashlib
import io
import itertools
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from fuzz_files import FORMATS, damaged, intact
from fuzz_memory import peak

from bgrem_core import cli
from bgrem_core.errors import BGRemError
from bgrem_core.image import Stack
from bgrem_core.io import children, decoder, list_hdus, open_image
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import checksum_notice, scan_fits

SECONDS = 5
MEMORY = 10**9
_STUCK = 300
# Cut between two HDUs, or where one begins, a file is told from a whole one by this.
_CUT = ("after the last HDU are left out", "is not filled up")
# A run of the command costs as much as twenty looks at a file.
_EACH = 20


class WrongError(Exception):
    """What must not happen."""


class Forked:
    """A child behind the wall that is forked from this process, which is quick."""

    def __init__(self):
        inward, outward = os.pipe(), os.pipe()
        self.returncode = None
        self.pid = os.fork()
        if not self.pid:
            os.dup2(inward[0], 0)
            os.dup2(outward[1], 1)
            os.closerange(3, 256)
            sys.stdin = os.fdopen(0, closefd=False)
            with contextlib.suppress(BaseException):
                decoder.main()
            os._exit(0)
        os.close(inward[0])
        os.close(outward[1])
        self.stdin = os.fdopen(inward[1], "wb")
        self.stdout = os.fdopen(outward[0], "rb")

    def kill(self):
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def looked_at(path):
    """Open a file; gives a digest of its pixels, masks and noise, and the notices."""
    list_hdus(path)
    opened = open_image(path)
    planes = opened.planes if isinstance(opened, Stack) else (opened,)
    digest = hashlib.sha256()
    for plane in planes:
        for array in (plane.data, plane.flags, plane.rms):
            digest.update(b"" if array is None else np.ascontiguousarray(array))
        # Never raises: a header that makes no sense has none.
        _ = plane.wcs
    return digest.hexdigest(), planes[0]


def outcome(path, truth, *, sums):
    """Return what came of opening a damaged file, in one word or two."""
    try:
        found, image = looked_at(path)
    except BGRemError as error:
        if "\n" in str(error) or not error.sentence:
            raise WrongError(f"no sentence: {error!r}") from error
        died = "ended their decoder" in error.sentence
        return "child died" if died else f"error {error.code}"
    if found == truth:
        return "same"
    if any("SUM of HDU" in notice for notice in image.notices):
        refused(path)
        return "caught"
    if any(words in notice for notice in image.notices for words in _CUT):
        return "cut"
    if not sums:
        return "silent"
    # The damage took the card itself.
    if sums_of(path) < sums:
        return "sum gone"
    # Two bits of opposite sense, a whole number of words apart, leave a sum as it was.
    if fits_sums(path):
        return "same sum"
    raise WrongError("pixels differ, and no CHECKSUM was found wrong")


def refused(path):
    """Check that a wrong sum is an error for those who want it so."""
    try:
        open_image(path, strict=True)
    except BGRemError as error:
        if error.code == 3:
            return
    raise WrongError("a wrong CHECKSUM passes strict")


def sums_of(path):
    """Count the HDUs of a file that have a CHECKSUM."""
    with open_container(path) as container:
        return sum("CHECKSUM" in r.values for r in scan_fits(container).records)


def fits_sums(path):
    """Whether astropy, too, finds every sum of a file right."""
    with fits.open(path, disable_image_compression=True) as hdus:
        return all(h.verify_datasum() and h.verify_checksum() for h in hdus)


def commanded(path, folder):
    """Run the command; what it writes is whole, and its sums are right."""
    words = ["-f", str(path), "--method", "mesh", "-o", str(folder), "--overwrite"]
    quiet = contextlib.redirect_stderr(io.StringIO())
    with quiet, contextlib.redirect_stdout(io.StringIO()):
        code = cli.main([*words, "--debug"])
    out = folder / f"BGRem_{path.name}"
    if code != 0:
        raise WrongError(f"exit code {code}")
    with open_container(out) as container:
        made = [r for r in scan_fits(container).records if "BGRVER" in r.values]
        if not made or any(checksum_notice(container, r) for r in made):
            raise WrongError("the output is not whole")


def look(number, seed, folder):
    """Damage a file and open it; gives what came of it."""
    name = FORMATS[number % len(FORMATS)]
    with_sums = bool(number // len(FORMATS) % 2)
    raw, truth, sums = reference(name, folder, with_sums=with_sums)
    victim = folder / "victim.fits"
    victim.write_bytes(damaged(raw, np.random.default_rng([seed, number])))
    kind = outcome(victim, truth, sums=sums)
    if number // len(FORMATS) % _EACH == 0:
        with contextlib.suppress(BGRemError):
            commanded(victim, folder / "out")
    return kind


_REFERENCES = {}


def reference(name, folder, *, with_sums):
    """Return a good file, the digest of what it holds, and how many sums it has."""
    if (name, with_sums) not in _REFERENCES:
        raw = intact(name, sums=with_sums)
        path = folder / "intact.fits"
        path.write_bytes(raw)
        try:
            truth, _ = looked_at(path)
        except BGRemError:
            truth = None
        _REFERENCES[name, with_sums] = raw, truth, sums_of(path)
    return _REFERENCES[name, with_sums]


def worked():
    """Return the seconds of work of this process and its children."""
    times = os.times()
    return sum(times[:4])


def fattest():
    """Return the most bytes that this process or a child ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return max(peak(), unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def say(values):
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def report(number, seed, folder):
    """Say what came of one number; gives whether it may go on."""
    start = worked()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    faulthandler.dump_traceback_later(_STUCK, exit=True)
    said = {"number": number, "format": FORMATS[number % len(FORMATS)]}
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            said["outcome"] = look(number, seed, folder)
        if out.getvalue():
            said["wrong"] = f"prints {out.getvalue()[:200]!r}"
    # Whatever it is, it is told, and the next one tried.
    except Exception as error:  # noqa: BLE001
        said["wrong"] = repr(error)
        said["trace"] = traceback.format_exc()
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.cancel_dump_traceback_later()
    if worked() - start > SECONDS:
        said["wrong"] = f"{worked() - start:.1f} s of work"
    fat = fattest() > MEMORY
    if fat:
        said["wrong"] = f"{fattest() / 1e6:.0f} MB"
    say(said)
    return not fat


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("number", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    words = parser.parse_args()
    children._spawn = Forked
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "out").mkdir()
        end = time.monotonic() + words.seconds
        for number in itertools.count(words.number):
            if not report(number, words.seed, folder):
                sys.exit(1)
            if time.monotonic() >= end:
                break
    say({"peak": fattest()})


if __name__ == "__main__":
    main()
