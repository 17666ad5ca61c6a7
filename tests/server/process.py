"""A server in a process of its own, and how to wait for what it does."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

PATIENCE_S = 60.0

# Finds the app as the command line does, without needing it: `load_app` and the names
# that a worker is told.
DRIVER = """
import importlib, json, os, sys

class Info:
    def __init__(self, app_import_path=None):
        self.app_import_path = app_import_path

    def load_app(self):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(self.app_import_path).app

if __name__ == "__main__":
    from hipflask.server import run, serve

    command, options = sys.argv[1], json.loads(sys.argv[2])
    if "bind" in options:
        options["bind"] = tuple(options["bind"])
    {"run": run, "serve": serve}[command](Info("app"), **options)
"""

APP = """
import os, threading, time
from werkzeug.serving import is_running_from_reloader

def text(start_response, body, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode()]

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/pid":
        return text(start_response, str(os.getpid()))
    if path == "/child":
        return text(start_response, str(is_running_from_reloader()))
    if path == "/scheme":
        return text(start_response, environ["wsgi.url_scheme"])
    if path == "/environ":
        return text(start_response, "\\n".join(environ))
    if path == "/hold":
        open("entered", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        return text(start_response, "finished")
    if path == "/boom":
        raise ValueError("boom")
    if path == "/status":
        return text(start_response, "", "1000 Odd")
    if path == "/lazy":
        return lazy(start_response)
    if path == "/write":
        start_response("200 OK", [])(b"written, ")
        return [b"returned"]
    if path == "/cut":
        start_response("200 OK", [("Content-Length", "100")])
        return cut()
    if path == "/endless":
        return endless(start_response)
    if path == "/silent":
        return iter([b"no start_response"])
    return text(start_response, "one")

def lazy(start_response):
    try:
        start_response("202 Accepted", [("X-Lazy", "yes")])
        yield b"a"
        yield b"b"
    finally:
        open("closed", "w").close()

def endless(start_response):
    start_response("200 OK", [])
    try:
        while True:
            yield b"x" * 1000
            time.sleep(0.01)
    finally:
        open("closed", "w").close()

def cut():
    yield b"begin"
    raise ValueError("midway")
"""


def until(condition, what="it"):
    """Return the first true answer of `condition`; fail when there is none for long.

    A connection that breaks counts as not yet: while a server is replaced it may.
    """
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := condition():
                return answer
        pause.wait(0.02)
    pytest.fail(f"waited in vain for {what}")


def is_running(pid):
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


class Server:
    """A server process in `folder`; what it says goes to files there."""

    def __init__(self, folder, arguments, environ=None):
        self.folder = folder
        self.output, self.errors = folder / "stdout.txt", folder / "stderr.txt"
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "WERKZEUG_", "HIPFLASK_"))
        }
        # An edit within the second and of the same length would leave a stale .pyc.
        variables.update({"PYTHONDONTWRITEBYTECODE": "1", **(environ or {})})
        with self.output.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=variables,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def said(self):
        return self.errors.read_text()

    def url(self):
        def found():
            if address := re.search(r"https?://[^\s,]+", self.said):
                return address
            assert self.process.poll() is None, self.said

        return urllib.parse.urlsplit(until(found, "an address")[0])

    @property
    def port(self):
        return self.url().port

    def get(self, path="/", headers=None, timeout=PATIENCE_S):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def body(self, path="/"):
        return self.get(path)[1]

    def worker_pid(self):
        return int(self.body("/pid"))

    def refuses(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionError:
            return True
        return False

    def wait(self):
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end; it said: {self.said}")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()

    def clean_up(self):
        # The process leads a group of its own, so this ends what it started and no more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)


def edit(folder, before, after):
    path = folder / "app.py"
    source = path.read_text()
    assert before in source
    path.write_text(source.replace(before, after))


@contextlib.contextmanager
def held(server):
    """Begin a request that the app holds; gives its connection, with the app inside it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/hold")
        until((server.folder / "entered").exists, "the request to arrive")
        yield connection
