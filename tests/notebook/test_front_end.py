"""The viewer in a real browser, against a kernel that is made up."""

import json
import math
from itertools import pairwise

import pytest

# All that is in view is drawn, and nothing more is on its way.
READY = '.bgrem[data-ready="1"][data-waiting="0"]'
WAIT = 20_000
# A frame draws what was asked for before it; the one after it has nothing left to draw.
FRAMES = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


class Page:
    """One page with a viewer, and what it said."""

    def __init__(self, page, address):
        self.page = page
        self.address = address
        self.said = []
        page.set_default_timeout(WAIT)
        page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))

    def open(self, **asked):
        query = "&".join(f"{k}={v}" for k, v in asked.items())
        self.page.goto(f"{self.address}?{query}")
        self.ready()
        return self

    def js(self, code, value=None):
        return self.page.evaluate(code, value)

    def until(self, code, value=None):
        self.page.wait_for_function(code, arg=value)

    def ready(self):
        self.page.wait_for_selector(READY)

    def settle(self):
        """Wait until what was asked for, by hand or by code, is drawn."""
        self.js(FRAMES)
        self.ready()

    def do(self, code, value=None):
        """Run something that changes what is drawn, and wait until it is."""
        # A frame that was still on its way would be taken for the one waited for.
        self.js(FRAMES)
        self.js("window.before = performance.now()")
        self.js(code, value)
        self.until(
            """() => {
              const { dataset } = document.querySelector('.bgrem');
              return dataset.ready === '1' && dataset.waiting === '0'
                && Number(dataset.drawnAt) > window.before;
            }"""
        )

    def sent(self, kind):
        return self.js("(kind) => fake.of(kind)", kind)

    def fine(self):
        """Give the tiles of the full level that were asked for."""
        wants = self.sent("want")
        return [tile for want in wants for tile in want["tiles"] if tile[2] == 0]

    def wait_for(self, kind, number=1):
        self.until("([kind, n]) => fake.of(kind).length >= n", [kind, number])
        return self.sent(kind)[-1]

    def view(self):
        text = self.page.get_attribute(".bgrem", "data-view")
        return [float(part) for part in text.split(",")]

    def set_view(self, x, y, scale):
        self.do("(view) => fake.set('view', view)", [x, y, scale])

    def place(self, x, y, panel="original"):
        """Give where a data pixel is on the screen."""
        box = self.page.locator(f"canvas[data-panel={panel}]").bounding_box()
        cx, cy, scale = self.view()
        return (
            box["x"] + box["width"] / 2 + (x - cx) * scale,
            box["y"] + box["height"] / 2 - (y - cy) * scale,
        )

    def click(self, x, y, panel="original"):
        self.page.mouse.click(*self.place(x, y, panel))

    def colour(self, panel, x, y):
        """Read a data pixel's colour back from a canvas."""
        return self.js(
            """([panel, x, y]) => {
              const canvas = document.querySelector(`canvas[data-pixels=${panel}]`);
              const box = canvas.getBoundingClientRect();
              const [cx, cy, s] = document.querySelector('.bgrem').dataset.view
                .split(',').map(Number);
              const k = canvas.width / box.width;
              const px = Math.floor((box.width / 2 + (x - cx) * s) * k);
              const py = Math.floor((box.height / 2 - (y - cy) * s) * k);
              // By way of a copy: the viewer's own canvas is never read back.
              const copy = new OffscreenCanvas(1, 1).getContext('2d');
              copy.drawImage(canvas, px, py, 1, 1, 0, 0, 1, 1);
              const [r, g, b] = copy.getImageData(0, 0, 1, 1).data;
              return [r, g, b];
            }""",
            [panel, x, y],
        )

    def read(self, name):
        return self.page.inner_text(f"[data-read={name}]")

    def focus(self):
        self.page.focus(".bg-stage")

    def key(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def viewer(chromium, viewer_address):
    context = chromium.new_context(viewport={"width": 1100, "height": 1000})
    made = Page(context.new_page(), viewer_address)
    yield made
    context.close()
    assert made.said == []


@pytest.fixture
def done(viewer):
    """Give a viewer with a result."""
    viewer.open()
    viewer.do("fake.finish()")
    return viewer


# The picture.


def test_the_first_view_shows_the_whole_image(viewer):
    viewer.open(nx=600, ny=400)
    x, y, scale = viewer.view()
    width = viewer.page.locator("canvas[data-panel=original]").bounding_box()["width"]
    assert (x, y) == (299.5, 199.5)
    assert scale == pytest.approx(width / 600)
    assert viewer.js("fake.state.view") == [x, y, scale]


def test_a_view_that_python_has_set_is_kept(viewer):
    viewer.open()
    viewer.set_view(100, 50, 4)
    assert viewer.view() == [100, 50, 4]
    viewer.do("fake.finish()")
    assert viewer.view() == [100, 50, 4]


@pytest.mark.parametrize("scale", [0.31, 1, 2.5, 13.7, 64])
def test_a_click_means_the_pixel_under_the_pointer(viewer, scale):
    viewer.open()
    viewer.set_view(300.25, 200.75, scale)
    for panel, (dx, dy) in {"original": (50, 31), "residual": (-80, 44)}.items():
        x, y = 300.25 + dx / scale, 200.75 + dy / scale
        before = len(viewer.sent("click"))
        viewer.click(x, y, panel)
        got = viewer.wait_for("click", before + 1)
        # A mouse stands on whole screen pixels at worst.
        assert abs(got["x"] - x) <= 0.51 / scale
        assert abs(got["y"] - y) <= 0.51 / scale


def test_the_wheel_keeps_the_pixel_under_the_pointer(viewer):
    viewer.open()
    viewer.set_view(300, 200, 1)
    viewer.click(340, 230)
    viewer.wait_for("click")
    at = viewer.place(340, 230)
    for _ in range(14):
        viewer.page.mouse.wheel(0, -120)
    viewer.until(
        "Number(document.querySelector('.bgrem').dataset.view.split(',')[2]) > 99"
    )
    viewer.page.mouse.click(*at)
    got = viewer.wait_for("click", 2)
    assert abs(got["x"] - 340) < 0.01
    assert abs(got["y"] - 230) < 0.01


def test_pixels_are_exact_when_they_are_large(done):
    done.js("fake.set('stretch', 'linear')")
    done.set_view(100, 80, 9)
    for x, y in [(100, 80), (91, 77), (112, 90)]:
        value = done.js("([x, y]) => fake.field.pixel('image', x, y)", [x, y])
        grey = 255 * min(1, max(0, (value - 985) / 235))
        for dx, dy in [(0, 0), (-0.4, -0.4), (0.4, 0.4)]:
            assert done.colour("original", x + dx, y + dy) == pytest.approx(
                [grey] * 3, abs=1
            )


def test_pixels_without_a_number_are_violet(done):
    done.set_view(420, 100, 8)
    assert done.colour("original", 420, 100) == [110, 60, 130]
    assert done.colour("cleaned", 420, 100) == [110, 60, 130]


def test_strength_changes_cleaned_and_residual_at_once(done):
    done.js("fake.set('stretch', 'linear')")
    done.set_view(100, 80, 9)
    asked = len(done.fine())
    seen = {}
    for share in (50, 0, 100):
        done.do(
            """(share) => {
              const slider = document.querySelector('input[aria-label=Strength]');
              slider.value = share;
              slider.dispatchEvent(new Event('input', { bubbles: true }));
            }""",
            share,
        )
        seen[share] = done.colour("cleaned", 100, 80), done.colour("residual", 100, 80)
        values = done.js(
            "['image', 'noise', 'rest'].map((p) => fake.field.pixel(p, 100, 80))"
        )
        image, noise, rest = values
        cleaned = image - rest - share / 100 * noise
        grey = 255 * min(1, max(0, (cleaned + 1015 - 985) / 235))
        assert seen[share][0] == pytest.approx([grey] * 3, abs=1)
    assert len({str(pair[1]) for pair in seen.values()}) == 3
    assert len(done.fine()) == asked, "no new pixels were needed"
    done.until("fake.state.strength === 1 && fake.saves > 0")


def test_a_slider_may_count_what_is_left_in(done):
    done.do(
        """() => {
          fake.words = ['Original', 'Starless', 'Stars'];
          fake.slider = {
            label: 'Star amount', about: 'How much of the stars', of_left: true,
          };
          fake.finish();
        }"""
    )
    slider = done.page.locator("input[aria-label='Star amount']")
    assert slider.input_value() == "0"
    assert slider.get_attribute("title") == "How much of the stars"
    words = done.page.locator("figure.bg-panel .bg-word").all_inner_texts()
    assert words == ["Original", "Starless", "Stars"]
    slider.fill("30")
    done.until("fake.state.strength === 0.7")
    done.settle()
    notes = done.page.locator("figure.bg-panel .bg-note").all_inner_texts()
    assert notes == ["", "star amount 30 %", ""]
    done.page.keyboard.press("Home")
    done.until("fake.state.strength === 1 && fake.saves > 0")


def test_a_source_that_is_read_anew_does_not_come_to_the_front(done):
    page = done.page
    done.js("fake.on_click({ x: 1500, y: 1000 })")
    page.wait_for_selector("[data-tab=source] >> text=Flux in cleaned")
    page.get_by_role("tab", name="Checks").click()
    done.js(
        """() => {
          const { post } = fake;
          fake.post = (message) => post.call(fake, { ...message, again: true });
          fake.on_click({ x: 1500, y: 1000 });
          fake.post = post;
        }"""
    )
    done.settle()
    chosen = page.get_by_role("tab", name="Checks").get_attribute("aria-selected")
    assert chosen == "true"


def test_strength_tells_why_it_cannot_be_used(viewer):
    viewer.open()
    slider = viewer.page.locator("input[aria-label=Strength]")
    assert slider.is_disabled()
    assert "Run first" in slider.get_attribute("title")


def test_limits_by_hand_are_those_of_the_original(done):
    page = done.page
    page.select_option("select:has(option[value=zscale])", "hand")
    page.fill("input[aria-label='Lower limit']", "1000")
    page.fill("input[aria-label='Upper limit']", "1100")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    done.until("fake.state.limits_by === '1000 1100'")
    first = "document.querySelector('figure[data-name=cleaned] .bg-ticks').firstChild"
    done.until(first + ".textContent === '-15'")
    ticks = page.locator("figure[data-name=cleaned] .bg-ticks span").all_inner_texts()
    assert ticks[-1] == "85"
    page.fill("input[aria-label='Upper limit']", "nine")
    page.keyboard.press("Tab")
    assert (
        page.get_attribute("input[aria-label='Upper limit']", "aria-invalid") == "true"
    )
    assert done.js("fake.state.limits_by") == "1000 1100"


def test_contrast_is_dragged_and_reset(done):
    done.set_view(100, 80, 9)
    before = done.colour("original", 100, 80)
    x, y = done.place(110, 90)
    mouse = done.page.mouse
    mouse.move(x, y)
    mouse.down(button="right")
    mouse.move(x - 100, y, steps=3)
    mouse.move(x - 120, y)
    mouse.up(button="right")
    done.settle()
    assert done.colour("original", 100, 80) != before
    assert done.sent("click") == []
    assert done.view()[:2] == [100, 80]
    done.focus()
    done.key("r")
    done.settle()
    assert done.colour("original", 100, 80) == before


# What is asked of the kernel.


def test_only_tiles_in_view_are_asked_for(viewer):
    viewer.open(nx=3000, ny=2000)
    viewer.set_view(1500, 1000, 2)
    width, height = 343, 360
    for want in viewer.sent("want"):
        x0, y0, x1, y1 = want["view"]
        for plane, rev, level, i, j in want["tiles"]:
            side = 256 * 2**level
            assert (plane, rev) == ("image", 1)
            assert j * side < x1 + 0.5
            assert (j + 1) * side > x0 - 0.5
            assert i * side < y1 + 0.5
            assert (i + 1) * side > y0 - 0.5
    tiles = viewer.sent("want")[-1]["tiles"]
    fine = {(i, j) for _, _, level, i, j in tiles if level == 0}
    rows = range(int((1000 - height / 4) // 256), int((1000 + height / 4) // 256) + 1)
    cols = range(int((1500 - width / 4) // 256), int((1500 + width / 4) // 256) + 1)
    assert fine == {(i, j) for i in rows for j in cols}


def test_what_is_here_is_not_asked_for_again(done):
    done.set_view(100, 80, 2)
    asked = len(done.fine())
    done.set_view(104, 83, 2.2)
    done.set_view(100, 80, 2)
    assert len(done.fine()) == asked


def test_a_drag_asks_when_it_rests(viewer):
    viewer.open(nx=3000, ny=2000)
    viewer.set_view(700, 700, 1)
    asked = len(viewer.sent("want"))
    x, y = viewer.place(700, 700)
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    for k in range(30):
        viewer.page.mouse.move(x + 10 * k, y + 2 * k)
    viewer.page.mouse.up()
    viewer.until("document.querySelector('.bgrem').dataset.view.startsWith('410,758,')")
    viewer.ready()
    cx, cy, _ = viewer.view()
    assert (cx, cy) == (700 - 290, 700 + 58)
    assert len(viewer.sent("want")) - asked <= 4
    assert viewer.sent("click") == []


def test_stale_tiles_of_a_run_are_fetched_again_and_no_others(viewer):
    viewer.open(nx=700, ny=500)
    viewer.set_view(300, 250, 1)
    viewer.do("document.querySelector('.bg-primary').click()")
    assert viewer.page.get_attribute(".bgrem", "data-busy") == "run"
    empty = viewer.colour("cleaned", 290, 300)
    asked = len(viewer.sent("want"))
    viewer.do("fake.fill([270, 330, 270, 330])")
    wants = viewer.sent("want")[asked:]
    asked_for = [tile for want in wants for tile in want["tiles"]]
    assert {tuple(tile) for tile in asked_for if tile[2] == 0} == {
        ("live", 11, 0, 1, 1)
    }
    assert viewer.colour("cleaned", 290, 300) != empty
    assert viewer.colour("cleaned", 400, 400) == empty, "nothing has come there yet"


def test_an_old_picture_stays_until_the_new_one_is_there(done):
    done.set_view(100, 80, 9)
    before = done.colour("cleaned", 100, 80)
    done.js("fake.hold = true; fake.finish()")
    done.until("fake.held.length > 0")
    assert done.page.get_attribute(".bgrem", "data-ready") == "0"
    assert done.colour("cleaned", 100, 80) == before
    done.do("fake.release()")
    assert done.colour("cleaned", 100, 80) == before


def test_a_coarse_picture_stands_in_for_a_fine_one(viewer):
    viewer.open(nx=3000, ny=2000)
    viewer.js("fake.hold = true; fake.set('view', [1500, 1000, 3])")
    viewer.until("fake.held.length > 0")
    assert viewer.page.get_attribute(".bgrem", "data-ready") == "0"
    assert viewer.colour("original", 1490, 1010) != [20, 22, 28]
    viewer.do("fake.release()")


def test_pixels_may_come_as_text(viewer):
    viewer.open(base64=1)
    viewer.set_view(100, 80, 9)
    assert viewer.colour("original", 100, 80) != [20, 22, 28]
    assert viewer.js("fake.listeners") > 0


# Under the pointer.


def test_the_readout_tells_place_sky_and_values(done):
    done.set_view(100, 80, 9)
    done.page.mouse.move(*done.place(103, 77, "cleaned"))
    done.until("document.querySelector('[data-read=x]').textContent !== ''")
    assert float(done.read("x")) == pytest.approx(103, abs=0.1)
    assert float(done.read("y")) == pytest.approx(77, abs=0.1)
    want = done.js("fake.world(103, 77)")
    ra, dec = done.read("sky").split()
    hours = [float(part) for part in ra.split(":")]
    degrees = [float(part) for part in dec.split(":")]
    got_ra = 15 * (hours[0] + hours[1] / 60 + hours[2] / 3600)
    got_dec = -(abs(degrees[0]) + degrees[1] / 60 + degrees[2] / 3600)
    assert got_ra == pytest.approx(want["ra"], abs=0.1 / 3600)
    assert got_dec == pytest.approx(want["dec"], abs=0.1 / 3600)
    image, noise, rest = done.js(
        "['image', 'noise', 'rest'].map((p) => fake.field.pixel(p, 103, 77))"
    )
    assert float(done.read("original")) == pytest.approx(image, rel=1e-4)
    assert float(done.read("cleaned")) == pytest.approx(image - noise - rest, abs=2e-3)
    value, sigma = done.read("residual")[:-3].split(" (")
    assert float(value) == pytest.approx(noise + rest, rel=1e-3)
    assert float(sigma) == pytest.approx((noise + rest - 1015) / 12, abs=0.06)


def test_the_readout_does_not_jump(done):
    done.set_view(100, 80, 9)
    boxes = set()
    for x, y in [(103, 77), (90.2, 95), (111, 61.5)]:
        done.page.mouse.move(*done.place(x, y))
        done.until(
            """(x) => {
              const text = document.querySelector('[data-read=x]').textContent;
              return Math.abs(text - x) < 1;
            }""",
            x,
        )
        spots = [
            done.page.locator(f"[data-read={name}]").bounding_box()["x"]
            for name in ("x", "y", "sky", "original", "cleaned", "residual")
        ]
        boxes.add(tuple(spots))
    assert len(boxes) == 1


def test_outside_of_the_image_there_is_no_value(done):
    done.set_view(0, 0, 4)
    done.page.mouse.move(*done.place(-20, -10))
    done.until("document.querySelector('[data-read=x]').textContent === '-20.0'")
    assert done.read("original") == ""


# Comparing.


def test_wipe_shows_one_image_beside_the_other(done):
    done.js("fake.set('stretch', 'linear')")
    done.set_view(100, 80, 9)
    cleaned = done.colour("cleaned", 90, 80)
    original = done.colour("original", 90, 80)
    assert cleaned != original
    done.focus()
    done.key("w")
    done.until("document.querySelector('.bgrem').dataset.mode === 'wipe'")
    done.until("document.querySelector('.bgrem').dataset.shown === 'original cleaned'")
    done.settle()
    assert done.js("fake.state.mode") == "wipe"
    assert done.colour("original", 90, 80) == original
    box = done.page.locator("canvas[data-panel=original]").bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + 100
    mouse = done.page.mouse
    mouse.move(middle, height)
    mouse.down()
    mouse.move(middle - 200, height, steps=3)
    mouse.move(middle - 250, height, steps=2)
    mouse.up()
    done.settle()
    assert done.colour("original", 90, 80) == cleaned
    assert done.view()[:2] == [100, 80]


def test_blink_changes_by_itself_but_not_more_than_twice_a_second(done):
    done.js(
        """() => {
          window.turns = [];
          const root = document.querySelector('.bgrem');
          let last = root.dataset.shown;
          new MutationObserver(() => {
            if (root.dataset.shown === last) return;
            last = root.dataset.shown;
            turns.push([last, performance.now()]);
          }).observe(root, { attributes: true });
        }"""
    )
    done.page.click("button[data-mode=blink]")
    done.until("turns.length >= 3")
    turns = done.js("turns")
    assert [name for name, _ in turns[:3]] == ["cleaned", "original", "cleaned"]
    gaps = [b[1] - a[1] for a, b in pairwise(turns)]
    assert min(gaps) > 500
    assert not done.page.is_visible("canvas[data-panel=cleaned]")


def test_blink_stands_still_where_motion_is_not_wanted(done):
    done.page.emulate_media(reduced_motion="reduce")
    done.page.click("button[data-mode=blink]")
    done.until("document.querySelector('.bgrem').dataset.shown === 'original'")
    done.page.click("text=Swap")
    done.until("document.querySelector('.bgrem').dataset.shown === 'cleaned'")
    done.focus()
    done.key("x")
    done.until("document.querySelector('.bgrem').dataset.shown === 'original'")


# Keys.


def test_keys_act_here_and_nowhere_else(done):
    done.focus()
    shown = "document.querySelector('.bgrem').dataset.view.split(',')[2]"
    start = float(done.js(shown))
    for key in [
        "+",
        "ArrowLeft",
        "ArrowUp",
        "b",
        "b",
        "w",
        "w",
        "i",
        "Enter",
        "d",
        "x",
    ]:
        done.key(key)
    done.until("(start) => Number(" + shown + ") > 1.3 * start", start)
    done.until("fake.state.colours === 'grey inverted'")
    click = done.wait_for("click")
    assert [click["x"], click["y"]] == done.view()[:2]
    assert done.js("leaked") == []
    marked = "document.activeElement.getAttribute('data-lm-suppress-shortcuts')"
    assert done.js(marked) == "true"
    done.key("0")
    done.until("(start) => Math.abs(" + shown + " - start) < 1e-9", start)
    done.key("1")
    done.until(shown + " === '1'")


def test_keys_in_a_line_are_typed_and_do_not_leak(viewer):
    viewer.open()
    viewer.page.focus("[data-name=steps] input")
    viewer.key("1", "2", "b")
    assert viewer.page.input_value("[data-name=steps] input") == "12b"
    assert viewer.js("leaked") == []
    marked = "document.activeElement.getAttribute('data-lm-suppress-shortcuts')"
    assert viewer.js(marked) == "true"
    assert viewer.js("fake.state.mode") == "side by side"


def test_help_lists_the_keys_and_closes(viewer):
    viewer.open()
    viewer.focus()
    viewer.key("?")
    viewer.page.wait_for_selector("dialog[open] .bg-keys")
    assert "measure" in viewer.page.inner_text(".bg-keys")
    viewer.key("Escape")
    viewer.page.wait_for_selector("dialog", state="hidden")


def test_the_wheel_scrolls_the_notebook_until_the_viewer_is_used(viewer):
    viewer.open()
    before = viewer.view()
    viewer.page.mouse.move(*viewer.place(300, 200))
    viewer.page.mouse.wheel(0, -120)
    viewer.page.wait_for_selector(".bg-wheel[data-on='1']")
    assert viewer.view() == before


# The form.


def test_what_was_typed_is_sent_with_a_run(viewer):
    viewer.open()
    page = viewer.page
    page.fill("[data-name=steps] input", "8")
    page.select_option("[data-name=sky_scale] select", label="by hand…")
    page.fill("[data-name=sky_scale] input", "128")
    page.fill("[data-name=threshold] input", "4.5")
    page.check("[data-name=deep] input")
    page.click("summary")
    page.fill("[data-name=tile] input", "512")
    page.select_option("[data-name=filter] select", "no")
    page.click("text=Run")
    run = viewer.wait_for("run")
    assert run["settings"] == {
        "model": "optical", "sky_scale": "128", "steps": "8", "norm": "0.0",
        "normalizer": "mesh", "tile": "512", "device": "auto", "seed": "0",
    }  # fmt: skip
    assert run["find"] == {
        "threshold": "4.5", "deep": "yes", "filter": "no", "minarea": "3", "on": "auto"
    }  # fmt: skip


def test_what_cannot_be_right_is_not_sent(viewer):
    viewer.open()
    viewer.page.fill("[data-name=steps] input", "2.5")
    viewer.page.click("text=Run")
    assert (
        viewer.page.get_attribute("[data-name=steps] input", "aria-invalid") == "true"
    )
    assert viewer.js("document.activeElement.value") == "2.5"
    assert viewer.sent("run") == []


def test_what_was_typed_stays_when_the_kernel_says_something_else(viewer):
    viewer.open()
    viewer.page.fill("[data-name=steps] input", "8")
    viewer.do("fake.scene({ notices: ['no GAIN'] })")
    assert viewer.page.input_value("[data-name=steps] input") == "8"
    assert viewer.page.inner_text(".bg-notices") == "no GAIN"


def test_a_weights_file_may_be_named(viewer):
    viewer.open()
    viewer.page.select_option("[data-name=model] select", label="a file…")
    viewer.page.fill("[data-name=model] input", "/weights/mine.safetensors")
    viewer.page.click("text=Card")
    assert viewer.wait_for("model")["name"] == "/weights/mine.safetensors"
    viewer.page.wait_for_selector("dialog[open]")
    assert "<b>images in magnitudes</b>" in viewer.page.inner_text(".bg-card")


def test_a_run_shows_how_far_it_is_and_is_stopped(viewer):
    viewer.open()
    viewer.page.click("text=Run")
    viewer.page.wait_for_selector('.bgrem[data-busy="run"]')
    viewer.js("fake.advance()")
    viewer.page.wait_for_selector("text=Tile 1 of 6")
    assert viewer.js("document.querySelector('progress').value") == pytest.approx(1 / 6)
    assert viewer.page.is_disabled(".bg-primary")
    viewer.page.click("text=Cancel")
    viewer.wait_for("cancel")
    viewer.page.wait_for_selector('.bgrem[data-busy=""]')
    assert viewer.page.inner_text("[role=status]") == "Cancelled"
    assert not viewer.page.is_disabled(".bg-primary")


def test_progress_alone_says_that_something_is_at_work(viewer):
    viewer.open()
    viewer.js(
        "fake.post({ type: 'progress', busy: 'estimate', text: '', share: null })"
    )
    viewer.page.wait_for_selector('.bgrem[data-busy="estimate"]')
    assert viewer.page.is_disabled(".bg-primary")
    assert "Measuring" in viewer.page.inner_text(".bg-doing")


def test_a_preview_asks_for_what_is_visible(viewer):
    viewer.open()
    viewer.set_view(300, 200, 4)
    viewer.do("document.querySelector('.bg-run button').click()")
    y0, y1, x0, x1 = viewer.wait_for("preview")["block"]
    width = viewer.page.locator("canvas[data-panel=original]").bounding_box()["width"]
    assert x1 - x0 == pytest.approx(width / 4, abs=2)
    assert y1 - y0 == pytest.approx(360 / 4, abs=2)
    assert viewer.page.inner_text("figure[data-name=cleaned] .bg-note") == "preview"
    viewer.set_view(300, 200, 1)
    assert viewer.colour("cleaned", 300, 200) != [20, 22, 28]
    assert viewer.colour("cleaned", 300, 320) == [20, 22, 28], (
        "not violet: just not done"
    )


# What is told.


def test_sources_are_chosen_by_click_and_by_key(done):
    done.page.click("text=Find sources")
    done.wait_for("find")
    done.page.wait_for_selector(".bg-kinds >> text=sources")
    x, y = done.js("[fake.sources[3].x, fake.sources[3].y]")
    done.click(x, y)
    assert done.wait_for("select")["row"] == 3
    assert done.sent("click") == []
    done.page.wait_for_selector("[data-tab=source] >> text=Flux in cleaned")
    done.focus()
    done.key("n")
    assert done.wait_for("select", 2)["row"] == 4
    done.key("[")
    assert done.wait_for("select", 3)["row"] == 3


def test_missed_sources_are_no_rows(done):
    done.js("fake.on_find()")
    done.js(
        """fake._fire('msg:custom', { type: 'sources', n: 2, rows: 1 }, [
          Float32Array.of(100, 200), Float32Array.of(100, 200), Float32Array.of(5, 5),
          Uint8Array.of(1, 2)])"""
    )
    assert "1 missed" in done.page.inner_text(".bg-kinds")
    done.click(200, 200)
    done.wait_for("click")
    assert done.sent("select") == []


def test_a_position_is_gone_to(viewer):
    viewer.open()
    viewer.set_view(300, 200, 8)
    viewer.focus()
    viewer.key("g")
    viewer.page.keyboard.type("120, 77")
    viewer.key("Enter")
    assert viewer.wait_for("goto")["text"] == "120, 77"
    viewer.until("document.querySelector('.bgrem').dataset.view === '120,77,8'")


def test_an_error_is_told_and_closed(viewer):
    viewer.open()
    viewer.js("fake.on_goto({ text: 'nowhere' })")
    banner = viewer.page.locator("[role=alert]").first
    assert "Error: 'nowhere' is no position" in banner.inner_text()
    assert "use x, y or RA Dec" in banner.inner_text()
    banner.locator("text=Close").click()
    viewer.wait_for("close_banner")
    assert not banner.is_visible()


def test_a_file_that_exists_is_replaced_only_when_asked(done):
    done.js("fake.exists.add('/data/night-3/BGRem_frame-r.fits')")
    done.page.click("text=Save…")
    assert done.page.input_value(".bg-path") == "/data/night-3/BGRem_frame-r.fits"
    done.key("Enter")
    assert done.wait_for("save")["overwrite"] is False
    done.page.click("text=Replace")
    assert done.wait_for("save", 2)["overwrite"] is True
    done.page.wait_for_selector(".bg-saving", state="hidden")
    assert "Saved" in done.page.inner_text("[role=status]")


def test_another_name_may_be_typed_instead(done):
    done.js("fake.exists.add('/data/night-3/BGRem_frame-r.fits')")
    done.page.click("text=Save…")
    done.key("Enter")
    done.page.wait_for_selector("text=Replace it, or type another name")
    done.page.fill(".bg-path", "/data/other.fits")
    assert not done.page.is_visible("text=Replace >> visible=true")
    done.page.click(".bg-saving .bg-primary")
    got = done.wait_for("save", 2)
    assert (got["path"], got["overwrite"]) == ("/data/other.fits", False)


@pytest.mark.parametrize("name", ["blank_sky", "residual", "faint_flux"])
def test_a_check_is_one_button_and_answers_in_a_sentence(done, name):
    done.page.click("[role=tab]:has-text('Checks')")
    done.page.click(f"[data-check={name}]")
    assert done.wait_for("check")["name"] == name
    done.page.wait_for_selector(".bg-verdict >> text=keep 71 ± 7 %")
    assert done.page.locator(".bg-answer .bg-figure").count() >= 1


def test_a_check_of_an_old_result_is_gone_with_it(done):
    done.page.click("[role=tab]:has-text('Checks')")
    done.page.click("[data-check=residual]")
    done.page.wait_for_selector(".bg-verdict")
    done.do("fake.finish()")
    assert done.page.locator(".bg-verdict").count() == 0


def test_steps_are_looked_at_without_the_kernel(done):
    done.page.click("[role=tab]:has-text('Steps')")
    done.page.click("text=Record the steps")
    sent = done.wait_for("steps")
    assert [sent["x"], sent["y"]] == done.view()[:2]
    done.page.wait_for_selector("canvas[data-step=image]")
    number = done.js("fake.sent.length")
    images = set()
    for k in (0, 3, 6):
        done.page.locator("input[aria-label=Step]").fill(str(k))
        images.add(done.js("document.querySelector('[data-step=image]').toDataURL()"))
        assert f"Step {k} of 6" in done.page.inner_text(".bg-step")
    assert len(images) == 3
    assert done.js("fake.sent.length") == number


def test_the_run_as_python_is_shown(done):
    done.page.click("text=Copy as Python")
    done.page.wait_for_selector("dialog[open] pre")
    assert "bgrem_core.clean(image, steps=8)" in done.page.inner_text("dialog pre")


def test_planes_of_a_cube_are_chosen(viewer):
    viewer.open()
    viewer.do("fake.stack = { names: ['0', '1', '2'], index: 0 }; fake.scene()")
    viewer.page.select_option("select[aria-label='Plane of the cube']", "2")
    assert viewer.wait_for("plane")["index"] == 2
    viewer.until("document.querySelector('select[aria-label*=cube]').value === '2'")


def test_hostile_text_is_shown_as_text(viewer):
    viewer.open(hostile=1)
    viewer.do("fake.finish()")
    viewer.click(300, 200)
    viewer.page.wait_for_selector("[data-tab=source] >> text=<i>none</i>")
    title = viewer.page.inner_text(".bgrem h2")
    assert title == "<img src=x onerror=window.hacked=1><b>M2</b>"
    assert "<script>" in viewer.page.inner_text(".bg-notices")
    assert viewer.js("window.hacked") is None
    assert viewer.page.locator(".bgrem img, .bgrem script, .bgrem b").count() == 0


def test_a_scene_without_an_image_is_borne(viewer):
    viewer.open()
    viewer.js("fake.scene({ nx: 0, ny: 0, planes: {}, busy: 'loading', limits: {} })")
    viewer.page.wait_for_selector(".bg-stage", state="hidden")
    assert viewer.page.get_attribute(".bgrem", "data-busy") == "loading"
    viewer.do("fake.planes = { image: 2 }; fake.scene()")
    assert viewer.page.is_visible(".bg-stage")


# Two views, and the end.


def test_two_views_share_pixels_and_place(done):
    done.set_view(100, 80, 9)
    asked = len(done.fine())
    done.js("() => { window.closeSecond = openSecond(); }")
    done.page.wait_for_selector(f"#there {READY}")
    assert len(done.fine()) == asked
    assert len(done.sent("hello")) == 1
    done.set_view(120, 90, 7)
    done.until("document.querySelector('#there .bgrem').dataset.view === '120,90,7'")
    done.js("closeSecond()")
    done.set_view(130, 90, 7)
    assert done.page.locator(".bgrem").count() == 1


def test_hello_may_be_said_again(done):
    done.set_view(100, 80, 9)
    asked = len(done.fine())
    done.do("fake.on_hello()")
    assert done.view() == [100, 80, 9]
    assert len(done.fine()) == asked


def test_nothing_is_left_when_a_view_goes(chromium, viewer_address):
    context = chromium.new_context(viewport={"width": 1100, "height": 1000})
    context.add_init_script(
        """(() => {
          const held = window.held = new Map();
          const key = (t, type, f) => [t, type, f];
          const find = (t, type, f) => [...held.keys()]
            .find((k) => k[0] === t && k[1] === type && k[2] === f);
          const { addEventListener, removeEventListener } = EventTarget.prototype;
          EventTarget.prototype.addEventListener = function (type, f, ...rest) {
            if (!find(this, type, f)) held.set(key(this, type, f), 1);
            return addEventListener.call(this, type, f, ...rest);
          };
          EventTarget.prototype.removeEventListener = function (type, f, ...rest) {
            held.delete(find(this, type, f));
            return removeEventListener.call(this, type, f, ...rest);
          };
          window.observers = 0;
          for (const name of ['ResizeObserver', 'MutationObserver']) {
            const Old = window[name];
            window[name] = class extends Old {
              constructor(...given) {
                super(...given);
                this.ours = new Error().stack.includes('viewer.mjs');
                window.observers += this.ours;
              }
              disconnect() {
                super.disconnect();
                window.observers -= this.ours;
              }
            };
          }
          window.frames_ = new Set();
          const ask = window.requestAnimationFrame;
          const drop = window.cancelAnimationFrame;
          window.requestAnimationFrame = (f) => {
            const id = ask((t) => { window.frames_.delete(id); f(t); });
            window.frames_.add(id);
            return id;
          };
          window.cancelAnimationFrame = (id) => {
            window.frames_.delete(id);
            drop(id);
          };
        })()"""
    )
    viewer = Page(context.new_page(), viewer_address).open()
    viewer.do("fake.finish()")
    viewer.page.click("button[data-mode=blink]")
    # The harness listens to keys, and the browser's driver to what it drives.
    outside = viewer.js(
        """() => [...held.keys()].filter(([t]) => t === window || t === document)
          .map(([t, type]) => `${t.constructor.name} ${type}`)"""
    )
    viewer.js(
        "window.old = document.querySelector('.bgrem'); closeView(); closeModel();"
    )
    left = viewer.js(
        """() => [...held.keys()].map(([t, type]) => `${t.constructor.name} ${type}`)
          .filter((name) => !name.includes('__playwright'))"""
    )
    assert [name for name in left if name not in outside] == []
    assert viewer.js("observers") == 0
    assert viewer.js("frames_.size") == 0
    assert viewer.js("fake.listeners") == 0
    assert viewer.page.locator(".bgrem").count() == 0
    sent = viewer.js("fake.sent.length")
    viewer.js(
        """() => {
          const canvas = old.querySelector('canvas[data-panel]');
          for (const type of ['pointerdown', 'pointerup', 'wheel']) {
            canvas.dispatchEvent(new Event(type, { bubbles: true }));
          }
          old.querySelector('.bg-primary').click();
        }"""
    )
    assert viewer.js("fake.sent.length") == sent
    context.close()
    assert viewer.said == []


# How it looks and how fast it is.


def test_panels_stand_below_each_other_where_it_is_narrow(viewer):
    viewer.page.set_viewport_size({"width": 600, "height": 1000})
    viewer.open()
    boxes = [
        viewer.page.locator(f"canvas[data-panel={name}]").bounding_box()
        for name in ("original", "cleaned", "residual")
    ]
    assert boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]
    assert viewer.js("document.documentElement.scrollWidth") <= 600
    viewer.page.set_viewport_size({"width": 1200, "height": 1000})
    viewer.until("document.querySelector('.bgrem').dataset.narrow === '0'")
    viewer.ready()
    boxes = [
        viewer.page.locator(f"canvas[data-panel={name}]").bounding_box()
        for name in ("original", "residual")
    ]
    assert boxes[0]["y"] == boxes[1]["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_on_its_ground_in_both_themes(chromium, viewer_address, scheme):
    context = chromium.new_context(
        viewport={"width": 1100, "height": 1000}, color_scheme=scheme
    )
    viewer = Page(context.new_page(), viewer_address).open()
    assert viewer.page.get_attribute(".bgrem", "data-theme") == scheme
    ground = viewer.js(
        "getComputedStyle(document.querySelector('.bgrem')).backgroundColor"
    )
    for part in (".bgrem h2", ".bg-label", ".bg-quiet", ".bg-primary"):
        over = ground
        if part == ".bg-primary":
            over = viewer.js(
                "getComputedStyle(document.querySelector('.bg-primary')).backgroundColor"
            )
        ink = viewer.js(
            "(p) => getComputedStyle(document.querySelector(p)).color", part
        )
        assert _contrast(ink, over) >= 4.5, part
    context.close()


def test_all_controls_have_names(done):
    done.js("fake.on_find()")
    nameless = done.js(
        """() => ['button', 'input', 'select']
          .flatMap((tag) => [...document.querySelectorAll(`.bgrem ${tag}`)])
          .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim()
            || (node.labels && node.labels.length)))
          .map((node) => node.className || node.type)"""
    )
    assert nameless == []


def test_a_screen_with_fine_pixels_is_used(chromium, viewer_address):
    context = chromium.new_context(
        viewport={"width": 1100, "height": 1000}, device_scale_factor=2
    )
    viewer = Page(context.new_page(), viewer_address).open()
    sizes = viewer.js(
        """() => {
          const canvas = document.querySelector('canvas[data-pixels=original]');
          return [canvas.width, parseFloat(canvas.style.width)];
        }"""
    )
    assert sizes[0] == 2 * sizes[1]
    viewer.set_view(100, 80, 9)
    viewer.click(104, 83)
    got = viewer.wait_for("click")
    assert math.hypot(got["x"] - 104, got["y"] - 83) < 0.1
    assert viewer.said == []
    context.close()


def test_a_move_of_the_view_copies_pixels_and_paints_none(done):
    done.set_view(300, 200, 1)
    done.js(
        """() => {
          window.painted = 0;
          const put = CanvasRenderingContext2D.prototype.putImageData;
          CanvasRenderingContext2D.prototype.putImageData = function (...given) {
            window.painted += 1;
            return put.apply(this, given);
          };
        }"""
    )
    times = json.loads(
        done.js(
            """async () => {
              const times = [];
              for (let k = 0; k < 60; k += 1) {
                fake.set('view', [300 + k / 2, 200 + k / 4, 1]);
                await new Promise((go) => {
                  requestAnimationFrame(() => setTimeout(go, 0));
                });
                times.push(Number(document.querySelector('.bgrem').dataset.drawMs));
              }
              return JSON.stringify(times);
            }"""
        )
    )
    assert done.js("painted") == 0
    # Far above what it takes, for busy machines: without copies it would be more.
    assert sorted(times)[len(times) // 2] < 40


def _contrast(ink, ground):
    """Give the contrast of two colours as accessibility guides reckon it."""

    def light(colour):
        text = colour[colour.index("(") + 1 : -1]
        parts = [float(p) / 255 for p in text.replace(",", " ").split()[:3]]
        linear = [
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(ink), light(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)
