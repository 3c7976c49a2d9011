"""Stop early, and in one line, where Python is too old for napari-bgrem."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the reason for this file
    found = ".".join(str(part) for part in sys.version_info[:3])
    sys.exit(
        "Python 3.11 or newer is needed, this is %s. "  # noqa: UP031 - for old ones
        "Name another one with: make PYTHON=python3.12" % found
    )
