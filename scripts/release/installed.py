"""Uses hipflask as installed: its command, a served hello, the alias; and lists its parts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]
PATIENCE_S = 60
HELLO = """\
from hipflask import Flask, render_template_string

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name):
    return render_template_string("Hello, {{ name }}!", name=name)


@app.get("/add")
def add(a: int, b: int) -> list[int]:
    return [a, b, a + b]
"""


class ReleaseError(Exception):
    """What was installed does not work; the message says what was asked, and what came."""


def clean_environ() -> dict[str, str]:
    """Return the environment of somebody who has no checkout of ours."""
    ours = ("PYTHON", "FLASK_", "HIPFLASK_", "VIRTUAL_ENV", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(words: list[str], folder: Path) -> str:
    """Run a command and return what it prints; ReleaseError if it fails."""
    done = subprocess.run(
        words, cwd=folder, env=clean_environ(), capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def check_use(scripts: Path, version: str, folder: Path) -> list[str]:
    """Use the installed package from `folder`; return a line for each thing done."""
    python, command = str(scripts / "python"), str(scripts / "hipflask")
    told = run([command, "--version"], folder).splitlines()
    if f"hipflask {version} (" not in "\n".join(told) or "RSGI" not in told[-1]:
        raise ReleaseError(f"hipflask --version prints {told}")
    where = run([python, "-c", "import hipflask; print(hipflask.__file__)"], folder)
    if "site-packages" not in where:
        raise ReleaseError(f"hipflask is imported from {where}")
    flask = run(
        [command, "as-flask", "python", "-c", "import flask; print(flask.Flask.__module__)"],
        folder,
    )
    if flask.strip() != "hipflask.app":
        raise ReleaseError(f"as-flask answers `import flask` with {flask!r}")
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    with serving(command, folder) as url:
        wanted = {
            "/hello/Ada": "Hello, Ada!",
            "/add?a=2&b=3": "[2,3,5]",
            "/readyz": "",
            "/openapi.json": '"/add"',
            "/docs?plain": "/add",
        }
        for path, part in wanted.items():
            with urllib.request.urlopen(url + path, timeout=PATIENCE_S) as answer:
                body = answer.read().decode()
            if part not in body:
                raise ReleaseError(f"GET {path} answers {body[:200]!r}")
    return [*told, f"served and called: {', '.join(wanted)}; stopped by TERM with 0"]


@contextlib.contextmanager
def serving(command: str, folder: Path) -> Iterator[str]:
    """`hipflask serve` on a free port, stopped by TERM; ReleaseError unless it then ends with 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    bind = f"127.0.0.1:{port}"
    log = folder / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [command, "--app", "hello", "serve", "--bind", bind, "--drain-wait", "0"],
            cwd=folder,
            env=clean_environ(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise ReleaseError(f"hipflask serve does not answer:\n{log.read_text()}")
            time.sleep(0.05)
        yield f"http://{bind}"
        process.send_signal(signal.SIGTERM)
        if code := process.wait(PATIENCE_S):
            raise ReleaseError(f"hipflask serve ended with {code}:\n{log.read_text()}")
    finally:
        process.kill()


def list_parts(python: Path, folder: Path) -> dict[str, str]:
    """Return names and versions of what is installed beside `python`, but pip's own."""
    listed = json.loads(run([str(python), "-m", "pip", "list", "--format=json"], folder))
    return {
        _name(each["name"]): each["version"]
        for each in listed
        if each["name"] not in ("pip", "setuptools", "wheel")
    }


def only_parts(document: Document, version: str, parts: dict[str, str]) -> Document:
    """Return a CycloneDX document with our version, and without pip and what else is not ours.

    The version is the tag's, which pyproject.toml does not say.
    """
    document["metadata"]["component"]["version"] = version
    kept = [each for each in document["components"] if _name(each["name"]) in parts]
    gone = {each["bom-ref"] for each in document["components"] if each not in kept}
    document["components"] = kept
    document["dependencies"] = [
        each for each in document["dependencies"] if each["ref"] not in gone
    ]
    return document


def check_parts(document: Document, parts: dict[str, str]) -> list[str]:
    """Return what a CycloneDX document lacks of `parts`; each has a licence there, too."""
    listed = [document["metadata"]["component"], *document["components"]]
    told = {_name(each["name"]): each for each in listed}
    faults = []
    for name, version in parts.items():
        if told.get(name, {}).get("version") != version:
            faults.append(f"the list of parts lacks {name} {version}")
        elif not told[name].get("licenses"):
            faults.append(f"the list of parts tells no licence of {name}")
    return faults + [f"the list of parts has {name}" for name in told if name not in parts]


def _name(written: str) -> str:
    return written.lower().replace("_", "-")
