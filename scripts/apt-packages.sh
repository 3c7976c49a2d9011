#!/usr/bin/env bash
# Install the Debian packages that `make demo` or `make test` needs and the machine
# lacks. Says what and why; does nothing where all is there.
set -euo pipefail

packages=()

need() { # need PACKAGE WHY
    echo "Missing: $1 ($2)"
    packages+=("$1")
}

python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null; then
    need python3 "runs everything"
    need python3-venv "keeps what is installed inside this folder"
elif ! "$python" -c "import venv, ensurepip" 2>/dev/null; then
    need python3-venv "keeps what is installed inside this folder"
fi

want() { # want PACKAGE WHY: for libraries, which only dpkg can tell
    dpkg -s "$1" >/dev/null 2>&1 || need "$1" "$2"
}

if [ "${1:-demo}" = test ]; then
    if ! command -v source-extractor >/dev/null; then
        need source-extractor "one test checks the recipe for it in docs/source-extractor.md"
    fi
    if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
        need chromium "the tests of the notebook widget drive it in real pages"
    fi
    # Elsewhere the window system brings its own.
    if command -v dpkg >/dev/null; then
        want xvfb "a screen for the tests of the napari plugin, where there is none"
        want libgl1 "napari draws with OpenGL"
        want libegl1 "Qt opens OpenGL through it"
        want libopengl0 "Qt is linked to it"
        want libgl1-mesa-dri "OpenGL without a graphics card"
        want libdbus-1-3 "Qt is linked to it"
        want libfontconfig1 "Qt finds its fonts with it"
        want libxkbcommon-x11-0 "keyboard of a Qt window"
        want libxcb-cursor0 "Qt's windows on X, as all that follow"
        want libxcb-icccm4 "without it Qt ends, and blames libxcb-cursor0"
        want libxcb-image0 "the same"
        want libxcb-keysyms1 "the same"
        want libxcb-randr0 "the same"
        want libxcb-render-util0 "the same"
        want libxcb-shape0 "the same"
        want libxcb-xkb1 "the same"
    fi
fi

[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: please install these yourself." >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Run as root: apt-get install ${packages[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

echo "Installing with apt-get: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
