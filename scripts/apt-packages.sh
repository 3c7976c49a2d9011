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

if [ "${1:-demo}" = test ] && ! command -v source-extractor >/dev/null; then
    need source-extractor "one test checks the recipe for it in docs/source-extractor.md"
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
