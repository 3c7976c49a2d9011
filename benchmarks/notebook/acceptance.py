"""Acceptance figures of the notebook widget, in real pages of headless Chromium.

Click, strength, pan, a large frame, cancel, reload, what is sent and what is saved, in
JupyterLab; clicks and requests in Notebook and Voila, too. Writes results.json, and
results.md with the targets beside the figures. Times on a shared machine scatter: the
load is noted.

    python benchmarks/notebook/acceptance.py [--large 10560] [--note "two busy cores"]
    python benchmarks/notebook/acceptance.py --toy --out toy    # small frames
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from opened import KERNEL, LONG, browsing, opened

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from large_frame import make_frame
from targets import TARGETS, table

import bgrem_core
from bgrem_core import samples

HERE = Path(__file__).parent
CLICKS, KEYS, MOVES = 9, 8, 90
DOOR = "import time, bgrem_notebook, bgrem_notebook.widget, bgrem_core.methods"


def say(name, value, measured):
    measured[name] = round(float(value), 5)
    print(f"{name:28s} {measured[name]:g} (target {TARGETS[name].most:g})", flush=True)


# In the kernel alone.


def imports(measured):
    code = "import sys, time; t = time.perf_counter(); import bgrem_notebook.viewer;"
    code += " print(time.perf_counter() - t, 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    runs = [subprocess.check_output(command, text=True).split() for _ in range(5)]
    say("import", np.median([float(seconds) for seconds, _ in runs]), measured)
    say("torch_imported", sum(word == "True" for _, word in runs), measured)


def sky(measured):
    """Read between the points of the grid as the page does."""
    from bgrem_notebook.sky_grid import sky_grid

    frames = {
        "sky_tan": bgrem_core.open_image(samples.path("cfhtls_g")),
        "sky_tpv": bgrem_core.open_image(samples.path("decam_r")),
    }
    cases = {name: (image.wcs, image.shape) for name, image in frames.items()}
    cases["sky_sip"] = distorted(), (2048, 2048)
    rng = np.random.default_rng(1)
    for name, (wcs, (ny, nx)) in cases.items():
        grid = sky_grid(wcs, (ny, nx))
        x, y = rng.uniform(0, nx - 1, 4000), rng.uniform(0, ny - 1, 4000)
        vectors = between(grid, x / (nx - 1), y / (ny - 1))
        ra = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
        dec = np.degrees(np.arcsin(vectors[:, 2] / np.linalg.norm(vectors, axis=1)))
        true = SkyCoord(*wcs.all_pix2world(x, y, 0), unit="deg")
        away = SkyCoord(ra, dec, unit="deg").separation(true).arcsec
        say(name, away.max(), measured)


def between(grid, u_, v):
    n, m = grid.shape[:2]
    i, j = v * (n - 1), u_ * (m - 1)
    i0 = np.minimum(i.astype(int), n - 2)
    j0 = np.minimum(j.astype(int), m - 2)
    di, dj = (i - i0)[:, None], (j - j0)[:, None]
    low = grid[i0, j0] * (1 - dj) + grid[i0, j0 + 1] * dj
    high = grid[i0 + 1, j0] * (1 - dj) + grid[i0 + 1, j0 + 1] * dj
    return low * (1 - di) + high * di


def distorted():
    """Return a WCS with distortions of some pixels, as those of small telescopes."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["CRPIX1"], header["CRPIX2"] = 1024.0, 1024.0
    header["CRVAL1"], header["CRVAL2"] = 150.0, 60.0
    header["CD1_1"], header["CD1_2"] = -2.0 / 3600, 0.1 / 3600
    header["CD2_1"], header["CD2_2"] = 0.1 / 3600, 2.0 / 3600
    header["A_ORDER"], header["B_ORDER"] = 3, 3
    for key, value in (
        ("A_2_0", 3e-6),
        ("A_1_2", 2e-9),
        ("B_0_2", -2e-6),
        ("B_2_1", 1e-9),
    ):
        header[key] = value
    return WCS(header)


def large_in_kernel(path, measured):
    """Time the call and the first tiles, in a fresh process as in a fresh kernel."""
    code = f"""
{DOOR}
from bgrem_notebook.desk import Desk
from bgrem_notebook.hearing import hear
said = []
start = time.perf_counter()
desk = Desk(lambda message, buffers: said.append((message, buffers)))
desk.open({str(path)!r})
hear(desk, {{"type": "hello"}})
scene = next(m for m, _ in said if m["type"] == "scene")
level = min(scene["levels"] - 1, 5)
n = -(-scene["ny"] // (scene["tile"] << level))
rev = scene["planes"]["image"]
tiles = [["image", rev, level, i, j] for i in range(n) for j in range(n)]
hear(desk, {{"type": "want", "tiles": tiles}})
assert len(said[-1][1]) == len(tiles)
print(time.perf_counter() - start, flush=True)
desk.close()
import os
os._exit(0)
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    say("large_first_tiles", float(said), measured)


# In pages.


def numbers_at(place):
    """Return the milliseconds from a click until its numbers stand there."""
    return place.page.evaluate("window.said - window.clicked")


WATCH = """() => {
  window.clicked = window.said = 0;
  document.addEventListener('pointerup', () => {
    window.clicked = performance.now(); window.said = 0;
  }, true);
  const tab = document.querySelector('[data-tab=source]');
  new MutationObserver(() => {
    if (!window.said && tab.innerText.startsWith('Position')) {
      window.said = performance.now();
    }
  }).observe(tab, { childList: true, subtree: true });
}"""


def clicks(place, host, positions, measured):
    """Zoom to odd scales; click, and compare the pixel that left the page."""
    page = place.page
    page.evaluate(WATCH)
    place.click(*positions[0])
    page.wait_for_function("window.said > 0", timeout=LONG)
    # A click on a ring would choose its row in place of a position.
    page.keyboard.press("m")
    errors, times = [], []
    for k, (x, y) in enumerate(positions):
        page.mouse.move(*middle(place))
        before = place.root.get_attribute("data-view")
        page.mouse.wheel(0, -160 if k % 2 else 130)
        place.wait(f"d.view !== '{before}' && d.ready === '1'")
        cx, cy, _ = place.view()
        # In sight, and as far from the middle as that allows.
        x, y = cx + 0.3 * (x - cx), cy + 0.3 * (y - cy)
        n = len(place.sent)
        place.click(x, y, panel=k % 3)
        page.wait_for_function("window.said > window.clicked", timeout=LONG)
        times.append(numbers_at(place))
        for _ in range(50):
            if len(place.sent) > n:
                break
            page.wait_for_timeout(20)
        got = json.loads(place.sent[-1])
        errors.append(np.hypot(got["x"] - x, got["y"] - y))
    say(f"click_error.{host}", max(errors), measured)
    say(f"click_to_label.{host}", np.median(times), measured)


def keys(place, n=KEYS):
    """Return the median of the time from a key on the slider to the redraw, ms."""
    page, times = place.page, []
    slider = page.get_by_role("slider", name="Strength")
    slider.focus()
    page.keyboard.press("Home")
    page.evaluate("""() => {
      document.querySelector('input[aria-label=Strength]').addEventListener(
        'input', () => { window.pressed = performance.now(); }, true);
    }""")
    for _ in range(n):
        page.evaluate("window.pressed = 0")
        page.keyboard.press("PageUp")
        page.wait_for_function(
            "window.pressed && Number(document.querySelector('[data-ready]').dataset"
            ".drawnAt) > window.pressed",
            timeout=LONG,
        )
        times.append(
            page.evaluate(
                "Number(document.querySelector('[data-ready]').dataset.drawnAt)"
                " - window.pressed"
            )
        )
    return float(np.median(times))


def middle(place):
    box = place.page.locator("canvas[data-panel]").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def pan(place, moves=MOVES):
    """Drag the image about; return how long each frame took to draw."""
    page = place.page
    x, y = middle(place)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("window.frames_.length = 0")
    for k in range(moves):
        angle = 6 * np.pi * k / moves
        page.mouse.move(x + 80 * np.sin(angle), y + 60 * np.cos(angle) - 60)
    page.mouse.up()
    place.wait("d.ready === '1'")
    return [ms for _, ms in page.evaluate("window.frames_")]


def sky_text(place, image):
    """Return the largest distance of what the page writes from astropy, arcsec."""
    page, away = place.page, []
    ny, nx = image.shape
    for x, y in np.random.default_rng(2).uniform(0.1, 0.9, (12, 2)) * (nx, ny):
        page.mouse.move(*place.at(x, y))
        page.wait_for_function(
            "(x) => Math.abs(Number(document.querySelector('[data-read=x]').innerText)"
            " - x) < 0.06",
            arg=float(x),
            timeout=LONG,
        )
        said = page.locator("[data-read=sky]").inner_text()
        there = SkyCoord(said, unit=(u.hourangle, u.deg))
        true = SkyCoord(*image.wcs.all_pix2world(x, y, 0), unit="deg")
        away.append(there.separation(true).arcsec)
    return max(away)


def small(browser, folder, measured, complaints):
    """All that a sample shows: in Lab, Notebook and Voila."""
    image = bgrem_core.open_image(samples.path("decam_r"))
    found = bgrem_core.find_sources(bgrem_core.clean(image))
    spots = np.column_stack([found["x"].value, found["y"].value])[:CLICKS]
    for host in ("lab", "notebook", "voila"):
        cells = (
            f"%load_ext bgrem_notebook\n{DOOR}",
            "w = %bgrem decam_r.fits.fz\nw",
        )
        (folder / host).mkdir()
        shutil.copy(samples.path("decam_r"), folder / host)
        with opened(browser, host, folder, *cells) as place:
            place.run()
            if host == "lab":
                say("sky_text", sky_text(place, image), measured)
            clicks(place, host, spots, measured)
            if host == "lab":
                again(place, measured)
            complaints["strangers"] += place.strangers
            complaints["errors"] += place.errors


def again(place, measured):
    """Save and load the page again; then save it with its sources."""
    page = place.page
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    start = time.perf_counter()
    page.reload()
    place.wait("d.ready === '1'")
    place.says("per pixel")
    say("reload", time.perf_counter() - start, measured)


def saved(browser, folder, measured):
    """Store a notebook with a widget that has a result and its sources."""
    (folder / "lab").mkdir()
    shutil.copy(samples.path("decam_r"), folder / "lab" / "frame.fits.fz")
    cells = ("%load_ext bgrem_notebook\nw = %bgrem frame.fits.fz --find\nw",)
    with opened(browser, "lab", folder, *cells) as place:
        page = place.page
        page.wait_for_function(f"{KERNEL}.status === 'idle'", timeout=LONG)
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        path = folder / "lab" / "one.ipynb"
        for _ in range(100):
            if "image/png" in path.read_text():
                break
            page.wait_for_timeout(100)
        text = path.read_text()
    state = json.loads(text)["metadata"].get("widgets", {})
    say("notebook_size", len(text) / 1000, measured)
    say("notebook_state", len(json.dumps(state)) / 1000 if state else 0, measured)


def medium(browser, folder, size, measured):
    """A frame of a usual size: strength, pan, what is sent, cancel."""
    (folder / "lab").mkdir(exist_ok=True)
    make_frame(folder / "lab" / "medium.fits", size)
    cells = (DOOR, "w = bgrem_notebook.view('medium.fits', tile=512)\nw")
    with opened(browser, "lab", folder, *cells) as place:
        image = afresh(place)
        cancel(place, measured)
        place.press("Run")
        place.wait("d.busy === 'run'")
        place.ask("w.wait()")
        place.wait("d.busy === '' && d.ready === '1' && d.waiting === '0'")
        # Without what came while the run was at work.
        say("bytes_of_result", (afresh(place) - image) / size**2, measured)
        whole = place.received
        say("strength_to_redraw", keys(place), measured)
        # The slider's own echo is told in the same stream.
        say("bytes_of_strength", place.received - whole, measured)
        frames = pan(place)
        say("pan_p50", np.percentile(frames, 50), measured)
        say("pan_p95", np.percentile(frames, 95), measured)
        measured["pan_frames"] = len(frames)


def afresh(place):
    """Load the page again; return how many bytes come until it stands."""
    place.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    before = place.received
    place.page.reload()
    place.wait("d.ready === '1' && d.waiting === '0' && d.busy === ''")
    return place.received - before


OTHER = f"""() => {{
  window.atWork = false;
  window.other = {KERNEL}.requestExecute({{
    code: "print('at work', flush=True); time.sleep(6)", store_history: false,
  }});
  window.other.onIOPub = (m) => {{
    if (m.header.msg_type === 'stream') window.atWork = true;
  }};
}}"""


def cancel(place, measured):
    """Cancel a run: with an idle kernel, and with another cell at work."""
    place.ask(
        "ends = []\n"
        "def note(step):\n"
        "    if step.block is not None:\n"
        "        ends.append(time.perf_counter())\n"
        "w.viewer.desk.session.progressed.connect(note)"
    )
    # The first run loads the network; it is not the one that is cancelled.
    for name, other in (
        ("cancel_beyond_tile", False),
        ("cancel_beyond_tile_busy", True),
    ):
        took, tiles = [], []
        for _ in range(3):
            place.ask("ends.clear()")
            place.press("Run")
            place.says(" 3 of")
            if other:
                place.page.evaluate(OTHER)
                place.page.wait_for_function("window.atWork", timeout=LONG)
            took.append(place.since(lambda: place.press("Cancel"), "d.busy === ''"))
            if other:
                place.page.evaluate("window.other.done.then(() => 1)")
            gaps = place.ask("print(*[b - a for a, b in zip(ends, ends[1:])])")
            tiles += [1000 * float(gap) for gap in gaps.split()]
        tile = float(np.median(tiles))
        measured[f"{name}.whole"] = round(float(np.median(took)), 1)
        measured[f"{name}.tile"] = round(tile, 1)
        say(name, np.median(took) - tile, measured)


def large(browser, folder, path, measured):
    """A frame that is not held in memory: first picture, sharp tiles, strength."""
    call = "called = time.time()\nw = bgrem_notebook.view('large.fits')\nw"
    (folder / "lab").mkdir(exist_ok=True)
    os.link(path, folder / "lab" / "large.fits")
    with opened(browser, "lab", folder, DOOR, call) as place:
        page = place.page
        ready = page.evaluate("window.readyAt") / 1000
        say("large_first_picture", ready - float(place.ask("print(called)")), measured)
        place.wait("d.busy === ''")
        size = float(place.ask("print(w.image.shape[0])"))
        loaded = float(place.ask("print(time.time() - called)"))
        measured["large_loaded_s"] = round(loaded, 1)
        # At one screen pixel per pixel, somewhere that was not looked at.
        ways = []
        for share in (0.3, 0.6, 0.8):
            at = int(share * size)
            start = time.perf_counter()
            place.ask(f"w.viewer.view = [{at}, {at}, 1.0]")
            place.wait(f"d.view.startsWith('{at},') && d.ready === '1'")
            ways.append(time.perf_counter() - start)
        say("large_sharp", np.median(ways), measured)
        place.press("Preview")
        place.wait("d.busy === 'preview'")
        place.ask("w.wait()")
        place.wait("d.busy === '' && d.ready === '1'")
        say("strength_to_redraw_large", keys(place), measured)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", type=int, default=10560, help="side, pixels")
    parser.add_argument("--medium", type=int, default=2048, help="side, pixels")
    parser.add_argument("--toy", action="store_true", help="small frames")
    parser.add_argument(
        "--only", nargs="+", help="small, saved, medium, large; the rest stays stored"
    )
    parser.add_argument("--folder", type=Path, help="where frames are made")
    parser.add_argument("--note", default="", help="said with the results")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    if args.toy:
        args.large, args.medium = 4224, 1300
    load, start = [os.getloadavg()[0]], time.monotonic()
    stored = args.out / "results.json"
    measured: dict[str, float] = {}
    if args.only and stored.is_file():
        before = json.loads(stored.read_text())
        measured, load = before["measured"], before["about"]["load"] + load
    complaints: dict[str, list[str]] = {"strangers": [], "errors": []}
    imports(measured)
    sky(measured)
    with tempfile.TemporaryDirectory(dir=args.folder) as name, browsing() as browser:
        folder, path = Path(name), Path(name, "large.fits")
        make_frame(path, args.large)
        large_in_kernel(path, measured)
        parts = {
            "small": lambda at: small(browser, at, measured, complaints),
            "saved": lambda at: saved(browser, at, measured),
            "medium": lambda at: medium(browser, at, args.medium, measured),
            "large": lambda at: large(browser, at, path, measured),
        }
        for part in args.only or parts:
            (folder / part).mkdir()
            parts[part](folder / part)
            load.append(os.getloadavg()[0])
        version = browser.version
    for what, found in complaints.items() if "small" in (args.only or parts) else ():
        say(what, len(found), measured)
        print(*found[:5], sep="\n")
    about = {
        "note": args.note, "large": args.large, "medium": args.medium,
        "cores": os.cpu_count(), "load": [round(v, 1) for v in load],
        "chromium": version, "python": platform.python_version(),
        "machine": platform.machine(), "seconds": round(time.monotonic() - start),
    }  # fmt: skip
    args.out.mkdir(parents=True, exist_ok=True)
    result = {"about": about, "measured": measured}
    stored.write_text(json.dumps(result, indent=1) + "\n")

    def note():
        span = f"{min(about['load'])} to {max(about['load'])}"
        return (
            f"Made by `benchmarks/notebook/acceptance.py` in {about['seconds']} s. "
            f"Headless Chromium {version}, {about['cores']} cores, load {span}. "
            f"{args.note}".strip()
        )

    (args.out / "results.md").write_text(table(measured, note))
    print((args.out / "results.md").read_text())


if __name__ == "__main__":
    main()
