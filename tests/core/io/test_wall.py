"""The wall: what decoders do to their process, they do to a child."""

import gzip
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ReadError
from bgrem_core.io import children as processes
from bgrem_core.io import open_all, open_image, wall
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import rows_of, scan_fits

WALLED = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS")
WHOLE = slice(0, 50)


def packed(rng, kind, shape=(60, 50), dtype=np.int16, **options):
    data = rng.integers(0, 3000, shape).astype(dtype)
    return fits.CompImageHDU(data, compression_type=kind, **options)


@pytest.fixture(autouse=True)
def no_spare():
    processes.end_spare()
    yield
    processes.end_spare()


@pytest.fixture
def children(monkeypatch):
    """Give the list of the processes that are started."""
    started, popen = [], subprocess.Popen

    def record(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", record)
    return started


@pytest.fixture
def become(monkeypatch):
    """Give a function that replaces what the child does with an order."""

    def replace(body):
        code = textwrap.dedent("""
            import os, signal, sys, time
            import numpy as np
            from bgrem_core.io import decoder
            real = decoder._decode
            def decode(packed, order):
            {}
            decoder._decode = decode
            decoder.main()
        """).format(textwrap.indent(textwrap.dedent(body), "    "))
        monkeypatch.setattr(processes, "_COMMAND", [sys.executable, "-P", "-c", code])

    return replace


def test_pixels_are_astropys_bit_for_bit(rng, save):
    whole = rng.integers(0, 200, (60, 50))
    hdus = [
        fits.CompImageHDU(whole.astype(dtype), compression_type=kind, tile_shape=tile)
        for kind in WALLED
        for dtype in (np.uint8, np.int16, np.int32)
        for tile in [(16, 50), (33, 20)]
    ]
    real = rng.normal(100, 9, (60, 50)).astype(np.float32)
    hdus += [fits.CompImageHDU(real, compression_type=kind) for kind in WALLED]
    path = save(*hdus)
    with fits.open(path, do_not_scale_image_data=True) as opened:
        truths = [np.array(hdu.data) for hdu in opened[1:]]
    with open_container(path) as container:
        for record, truth in zip(scan_fits(container).records[1:], truths, strict=True):
            rows = rows_of(container, record)
            for part in (slice(0, 60), slice(16, 17), slice(5, 41)):
                found = rows((), part, WHOLE)
                assert found.dtype == truth.dtype
                assert found.tobytes() == truth[part].tobytes()
        assert container.wall is not None


@pytest.mark.parametrize("kind", WALLED)
def test_a_plane_of_a_cube_in_a_gzip_file(rng, save, tmp_path, kind):
    path = save(packed(rng, kind, (3, 40, 30), tile_shape=(1, 8, 30)))
    twice = tmp_path / "twice.fits.gz"
    twice.write_bytes(gzip.compress(path.read_bytes()))
    with fits.open(path) as hdus:
        truth = np.array(hdus[1].data[2], np.float32)
    image = open_image(twice, plane=2)
    np.testing.assert_array_equal(image.data, truth)


def test_one_child_serves_many_files_that_it_cannot_be_harmed_by(rng, save, children):
    for number, kind in enumerate(("RICE_1", "GZIP_1", "GZIP_2")):
        # Of another shape each time: nothing is left of the file before.
        path = save(packed(rng, kind, (20 + number, 50)))
        np.testing.assert_array_equal(open_image(path).data, fits.getdata(path, 1))
    (child,) = children
    assert child.poll() is None
    processes.end_spare()
    assert child.returncode is not None


@pytest.mark.parametrize("kind", ["HCOMPRESS_1", "PLIO_1"])
def test_a_child_that_could_be_harmed_serves_no_second_file(rng, save, children, kind):
    path = save(packed(rng, "RICE_1"), packed(rng, kind))
    for _ in range(2):
        assert len(open_all(path)) == 2
    # Waited for: not left as zombies.
    assert [child.returncode is not None for child in children] == [True, True]


def test_a_child_that_found_damage_serves_no_second_file(rng, save, become, children):
    become("raise ValueError('they are green')")
    with pytest.raises(ReadError, match="they are green"):
        open_image(save(packed(rng, "RICE_1")))
    assert children[0].returncode is not None


def test_one_child_waits_and_not_two(rng, save, children):
    paths = [save(packed(rng, "RICE_1")) for _ in range(3)]
    with ExitStack() as stack:
        opened = [stack.enter_context(open_container(path)) for path in paths]
        for container in opened:
            record = scan_fits(container).records[1]
            rows_of(container, record)((), slice(0, 9), WHOLE)
    assert len(children) == 3
    assert sum(child.returncode is None for child in children) == 1


def test_a_child_that_died_while_it_waited_is_replaced(rng, save, children):
    path = save(packed(rng, "RICE_1"))
    open_image(path)
    children[0].kill()
    children[0].wait()
    open_image(path)
    assert len(children) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_leaves_the_child_that_waits_to_its_parent(rng, save):
    path = save(packed(rng, "RICE_1"))
    truth = open_image(path).data
    pid = os.fork()
    if not pid:
        same = np.array_equal(open_image(path).data, truth)
        processes.end_spare()
        os._exit(not same)
    np.testing.assert_array_equal(open_image(path).data, truth)
    assert os.waitpid(pid, 0)[1] == 0
    np.testing.assert_array_equal(open_image(path).data, truth)


def test_a_plain_image_starts_no_process(rng, save, children):
    open_image(save(rng.normal(5, 1, (40, 50))))
    assert not children


def test_a_block_is_decoded_without_the_tiles_beside_it(rng, save):
    path = save(packed(rng, "GZIP_1", (60, 50), tile_shape=(20, 25)))
    truth = fits.getdata(path, 1).copy()
    with fits.open(path, disable_image_compression=True) as hdus:
        second = bytes(hdus[1].data["COMPRESSED_DATA"][1])
    raw = path.read_bytes()
    assert raw.count(second) == 1
    path.write_bytes(raw.replace(second, bytes(len(second))))
    with open_container(path) as container:
        rows = rows_of(container, scan_fits(container).records[1])
        with pytest.raises(ReadError, match="are damaged"):
            rows((), slice(0, 20), slice(25, 50))
        found = rows((), slice(0, 20), slice(0, 25))
    np.testing.assert_array_equal(found, truth[:20, :25])


def test_an_algorithm_that_nobody_knows_is_an_error_of_the_child(rng, save, children):
    path = save(packed(rng, "RICE_1"))
    path.write_bytes(path.read_bytes().replace(b"'RICE_1  '", b"'NICE_1  '"))
    with pytest.raises(ReadError, match="NICE_1 data of HDU 1 are damaged"):
        open_image(path)
    assert len(children) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals")
class TestDeath:
    @pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGKILL"])
    def test_is_an_error_that_names_the_hdu(self, rng, save, become, children, name):
        path = save(packed(rng, "HCOMPRESS_1"))
        become(f"os.kill(os.getpid(), signal.{name})")
        with pytest.raises(ReadError) as caught:
            open_image(path)
        said = str(caught.value)
        assert "the HCOMPRESS_1 data of HDU 1 are damaged" in said
        assert f"{name} at rows 0 to 16: first the tile of rows 0 to 15" in said
        assert "fetch the file again" in said
        # Once for the band, once for the tile that is to be named.
        ended = [child.returncode for child in children]
        assert ended == [-getattr(signal, name)] * 2

    def test_of_one_band_leaves_the_others(self, rng, save, become, children):
        path = save(packed(rng, "PLIO_1", (60, 50), tile_shape=(20, 50)))
        truth = fits.getdata(path, 1)
        become("""
            if order["rows"] == [20, 40]:
                os.abort()
            return real(packed, order)
        """)
        with open_container(path) as container:
            record = scan_fits(container).records[1]
            rows = rows_of(container, record)
            np.testing.assert_array_equal(rows((), slice(0, 20), WHOLE), truth[:20])
            with pytest.raises(ReadError, match="at rows 20 to 40"):
                rows((), slice(20, 40), WHOLE)
            np.testing.assert_array_equal(rows((), slice(40, 60), WHOLE), truth[40:])
        assert len(children) == 2

    def test_many_times_is_enough(self, rng, save, become, children):
        path = save(packed(rng, "PLIO_1"))
        become("os.abort()")
        with open_container(path) as container:
            record = scan_fits(container).records[1]
            rows = rows_of(container, record)
            for _ in range(5):
                with pytest.raises(ReadError, match="SIGABRT"):
                    rows((), slice(0, 10), WHOLE)
            with pytest.raises(ReadError, match="ended 5 processes"):
                rows((), slice(0, 10), WHOLE)
        assert len(children) == 5

    def test_comes_to_a_child_that_works_without_end(
        self, rng, save, become, monkeypatch
    ):
        path = save(packed(rng, "PLIO_1"))
        monkeypatch.setattr(wall, "_SECONDS", 0)
        become("while True: pass")
        with pytest.raises(ReadError, match="took more than 1 s of work for rows 0"):
            open_image(path)

    def test_comes_to_a_child_that_sleeps(
        self, rng, save, become, monkeypatch, children
    ):
        path = save(packed(rng, "PLIO_1"))
        monkeypatch.setattr(wall, "_PATIENCE", 0)
        monkeypatch.setattr(wall, "_PATIENCE_A_SECOND", 0)
        become("time.sleep(10000)")
        with pytest.raises(ReadError, match="took more than 0 s for rows 0"):
            open_image(path)
        assert children[0].returncode == -signal.SIGKILL

    @pytest.mark.parametrize(
        "lie",
        ["os.write(answers, b'x' * 9)", "os.write(answers, b'P' + bytes(8))",
         "os.write(answers, b'P' + b'\\xff' * 8)", "os._exit(3)"],
    )  # fmt: skip
    def test_comes_to_a_child_that_lies(self, rng, save, become, lie):
        path = save(packed(rng, "PLIO_1"))
        # The duplicate of standard output is the lowest number that was free.
        become(f"answers = 3\n{lie}\ntime.sleep(10000)")
        with pytest.raises(ReadError, match="ended their decoder"):
            open_image(path)

    def test_comes_with_ctrl_c_in_the_parent(self, rng, save, become, children):
        path = save(packed(rng, "PLIO_1"))
        become("os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(10000)")
        with pytest.raises(KeyboardInterrupt):
            open_image(path)
        assert children[0].returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of memory elsewhere")
def test_a_decoder_that_takes_all_memory_is_an_error(rng, save, become):
    path = save(packed(rng, "PLIO_1"))
    become("np.ones(2**28)")
    with pytest.raises(ReadError, match="need more memory than their number"):
        open_image(path)


def test_the_child_ends_when_nobody_can_order_any_more():
    pipe = subprocess.PIPE
    with subprocess.Popen(processes._COMMAND, stdin=pipe, stdout=pipe) as child:
        assert child.stdout.read(1) == b"R"
        # As the system does when the parent dies.
        child.stdin.close()
        assert child.wait(timeout=300) == 0


@pytest.mark.parametrize(
    "command", [["/no/such/python"], [sys.executable, "-c", ""], [None]]
)
def test_a_child_that_cannot_be_started_is_told(rng, save, monkeypatch, command):
    monkeypatch.setattr(processes, "_COMMAND", command)
    with pytest.raises(ReadError, match="cannot be started"):
        open_image(save(packed(rng, "PLIO_1")))


def test_a_file_that_shrinks_meanwhile_is_told(rng, save, tmp_path):
    path = save(packed(rng, "PLIO_1", (200, 300), tile_shape=(1, 300)))
    with open_container(path) as container:
        record = scan_fits(container).records[1]
        os.truncate(path, record.data + 1)
        rows = rows_of(container, record)
        ny, nx = record.shape
        with pytest.raises(ReadError, match="while it was read"):
            rows((), slice(ny - 1, ny), slice(0, nx))
