"""The dock without a mouse: everything by Tab, by one letter or by a key."""

import re

import numpy as np
import pytest
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QComboBox,
    QLineEdit,
    QScrollBar,
)

USED = (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit)


@pytest.fixture
def viewer(make_napari_viewer_proxy, tmp_path):
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path)
    )
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1500, 950)
    return viewer


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-bgrem", "Remove background")[1]


def letters(texts):
    return [found[1].upper() for t in texts if (found := re.search("&([^&])", t))]


def widgets(dock):
    """All that can be used, in the order in which it stands on the screen."""
    found = [
        widget
        for widget in dock.findChildren(USED)
        if widget.isVisible()
        and not isinstance(widget, QScrollBar)
        and not isinstance(widget.parent(), QComboBox)
    ]
    place = {w: w.mapTo(dock, w.rect().center()) for w in found}
    # What stands in one row has nearly one height.
    return sorted(found, key=lambda w: (round(place[w].y() / 12), place[w].x()))


def chain(dock):
    """All that Tab comes to, in its order."""
    found, widget = [], dock.nextInFocusChain()
    while widget is not dock:
        by_tab = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if by_tab and widget.isVisible() and dock.isAncestorOf(widget):
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found


@pytest.mark.parametrize("method", ["bgrem", "mesh"])
def test_tab_comes_to_all_there_is_from_top_to_bottom(viewer, dock, qtbot, method):
    viewer.add_image(np.random.default_rng(1).random((60, 60)))
    # Away and back, for then its form is built anew.
    for name in ("mesh", "bgrem", method):
        dock.choice.method.setCurrentIndex(dock.choice.method.findData(name))
    dock.choice.fold.expand(animate=False)
    entries = [*dock.choice.plain.entries.values(), *dock.choice.more.entries.values()]
    assert entries
    # Only then does the new form stand in its place.
    qtbot.waitUntil(lambda: all(entry.isVisible() for entry in entries))
    dock.grab()
    expected = widgets(dock)
    assert len(expected) > 15
    wanted = [w for w in chain(dock) if w in expected]
    assert [w for w in expected if w not in wanted] == []
    assert wanted == expected


def test_no_letter_stands_for_two_things(viewer, dock):
    dock.look.compare.setEnabled(True)
    buttons = [w for w in dock.findChildren(QAbstractButton) if "&" in w.text()]
    found = letters(w.text() for w in buttons)
    assert len(found) == len(set(found)), sorted(found)
    menus = letters(a.text() for a in viewer.window.main_menu.actions())
    assert {"F", "V", "H"} <= set(menus)
    assert set(found) & set(menus) == set()


def test_every_action_has_a_letter(dock):
    named = [
        dock.sample, dock.offer, dock.choice.card, dock.choice.noise.by_hand,
        dock.choice.noise.button, dock.bar.preview, dock.bar.run, dock.bar.cancel,
        dock.look.compare, dock.look.blink, dock.look.gradient, dock.find,
        dock.inspect, dock.save, dock.python,
    ]  # fmt: skip
    assert [w.text() for w in named if not letters([w.text()])] == []


def test_keys_of_the_viewer_do_what_the_buttons_do(viewer, dock, qtbot, monkeypatch):
    done = []
    for name in ("start", "preview", "cancel"):
        monkeypatch.setattr(dock.desk, name, lambda *_, name=name: done.append(name))
    for name in ("enter", "blink"):
        monkeypatch.setattr(
            dock.comparison, name, lambda *_, name=name: done.append(name)
        )
    keys = {str(key): action for key, action in viewer.keymap.items()}
    for letter in "PRCB":
        keys[f"Shift+{letter}"](viewer)
    assert done == ["preview", "start", "enter", "blink"]
