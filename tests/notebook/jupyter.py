"""A Jupyter server and a browser for the tests: one of each, thrown away afterwards."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

LONG = 40_000  # milliseconds: a busy machine is no failure
TOKEN = "bgrem-tests"  # noqa: S105 - of a server that lives for seconds


def chromium():
    """Return where a Chromium is, None without one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


def notebook(*cells):
    """Return a notebook of code cells as text."""
    made = [
        {
            "cell_type": "code", "id": f"c{k}", "metadata": {}, "outputs": [],
            "execution_count": None, "source": source,
        }
        for k, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {
        "cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip
    return json.dumps(whole)


def environment(folder):
    """Return variables that keep all of Jupyter inside a folder."""
    names = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "spaces",
        "MPLCONFIGDIR": "mpl",
    }  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    # What starts a browser here must not start one there.
    env.pop("DISPLAY", None)
    for name, place in names.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        env[name] = str(folder / place)
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    text = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (quiet / "notification.jupyterlab-settings").write_text(json.dumps(text))
    return env


@contextlib.contextmanager
def served(folder, *arguments):
    """Start a Jupyter application in a folder; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "server.log").open("w")
    words = [word.replace("{port}", str(port)) for word in arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder, env=environment(folder / "jupyter"), stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process, folder / "server.log")
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
        log.close()


def _await(url, process, log):
    end = time.monotonic() + LONG / 1000
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the server did not answer:\n{Path(log).read_text()[-3000:]}")


LAB = (
    "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}", "--ServerApp.port_retries=0",
    f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True",
    "--ServerApp.shutdown_no_activity_timeout=300", "--allow-root",
)  # fmt: skip
NOTEBOOK = (
    "notebook",
    *LAB[1:6],
    "--JupyterNotebookApp.expose_app_in_browser=True",
    *LAB[7:],
)
