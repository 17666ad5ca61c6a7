"""Ctrl-C at any moment of a start: the command ends with exit code 0, and no process complains."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from .process import Server, is_running, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

# Before `main` it is Python that imports, and that says what interrupted it.
START = """
if __name__ == "__main__":
    import signal, sys
    # Who starts the tests in the background may have it ignored, and children would have too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from hipflask.cli import main
    try:
        open("begun", "w").close()
        main("hipflask")
    except KeyboardInterrupt as stopped:
        entered = stopped.__traceback__.tb_next
        if entered is not None and entered.tb_frame.f_code is main.__code__:
            raise
        sys.exit("Aborted!")
"""
APP = """
import os, time
from hipflask import Flask
app = Flask(__name__)
open("importing", "w").close()
while os.path.exists("wait"):
    time.sleep(0.01)
@app.get("/")
def index():
    return "one"
"""
COMMANDS = {
    "serve": ("serve", "--bind", "127.0.0.1:0", "--workers", "2"),
    "run": ("run", "--port", "0", "--no-reload"),
    "run with reload": ("--debug", "run", "--port", "0"),
}


@pytest.fixture
def start(tmp_path):
    started = []

    def start(command, name="one"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "start.py").write_text(START)
        (folder / "app.py").write_text(APP)
        (folder / "wait").touch()
        server = Server(folder, ("start.py", "--app", "app", *COMMANDS[command]))
        started.append(server)
        return server

    yield start
    for server in started:
        server.clean_up()


def children(server):
    text = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(word) for word in text.split()]


def interrupt(server):
    os.killpg(server.pid, signal.SIGINT)


def ends_quietly(server):
    assert server.wait() == 0, server.said
    # "Aborted!" would be Click's, of a command that had not begun.
    assert not [word for word in ("Traceback", "Aborted", "hipflask:") if word in server.said]


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_the_app_is_imported(start, command):
    server = start(command)
    until((server.folder / "importing").exists, "the import of the app")
    interrupt(server)
    ends_quietly(server)


@pytest.mark.parametrize("command", ["serve", "run with reload"])
def test_ctrl_c_while_python_starts_in_the_process_that_serves(start, command):
    server = start(command)
    found = until(lambda: children(server), "a process of its own")
    interrupt(server)
    ends_quietly(server)
    until(lambda: not any(map(is_running, found)), "their end")


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_once_it_serves(start, command):
    server = start(command)
    (server.folder / "wait").unlink()
    assert server.body() == "one"
    interrupt(server)
    assert server.wait() == 0
    assert "Traceback" not in server.said


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_at_several_moments_leaves_no_traceback(start, command):
    delays = [0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
    servers = [start(command, f"after {delay}") for delay in delays]
    timers = []
    for server, delay in zip(servers, delays, strict=True):
        (server.folder / "wait").unlink()
        until((server.folder / "begun").exists, "its start")
        timers.append(threading.Timer(delay, interrupt, (server,)))
        timers[-1].start()
    for timer in timers:
        timer.join()
    for server in servers:
        # 1 is Click's, for an interrupt before it came to the command.
        assert server.wait() == 0 or server.said.strip() == "Aborted!"
        assert "Traceback" not in server.said
