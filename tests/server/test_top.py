"""`hipflask top` and a real service, in a real terminal."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Any

import pytest
from click.testing import CliRunner

from hipflask.cli.top import top_command
from hipflask.server import rundir

from .process import DRIVER, Server, until

COLOUR = re.compile(r"\x1b\[\d*m")


class Serving:
    """A real service, for `top` to look at."""

    def __init__(self, folder: Any) -> None:
        (folder / "driver.py").write_text(DRIVER)
        (folder / "app.py").write_text(
            "from hipflask import Flask\napp = Flask('shop')\n"
            "@app.get('/items/<int:number>')\ndef item(number): return str(number)\n"
        )
        self.root = folder / "run"
        options = {"bind": ["127.0.0.1:0"], "workers": 2, "ops_bind": "127.0.0.1:0"}
        options |= {"run_dir": str(self.root), "drain_wait_s": 0}
        self.server = Server(folder, ["driver.py", "serve", json.dumps(options)])
        until(lambda: "; Ctrl-C stops" in self.server.said, "the workers")
        found = dict(
            re.findall(r"(figures|serving).*? on (http://127\.0\.0\.1:\d+)", self.server.said)
        )
        self.ops, self.url = found["figures"], found["serving"]


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    if sys.platform == "win32":
        pytest.skip("signals and unix sockets")
    found = Serving(tmp_path_factory.mktemp("serving"))
    yield found
    found.server.clean_up()


@pytest.mark.parametrize("by", ["url", "folder", "socket", "found"])
def test_a_service_is_found(serving, by, monkeypatch) -> None:
    monkeypatch.setattr(rundir, "root", lambda: serving.root)
    (own,) = serving.root.iterdir()
    place = {"url": [serving.ops], "folder": [str(serving.root)], "socket": [str(own / "ops.sock")]}
    until = time.monotonic() + 20
    states = []
    while states != ["serving", "serving"] and time.monotonic() < until:
        run = CliRunner().invoke(top_command, [*place.get(by, []), "--json", "--interval", "0.1"])
        assert run.exit_code == 0, run.output
        states = [worker["state"] for worker in json.loads(run.output)["workers"]]
    assert states == ["serving", "serving"]


@pytest.mark.skipif(shutil.which("script") is None, reason="util-linux gives a terminal")
def test_in_a_terminal_it_draws_and_leaves_the_terminal_as_it_was(serving) -> None:
    stopped = threading.Event()

    def load() -> None:
        while not stopped.is_set():
            urllib.request.urlopen(f"{serving.url}/items/7").close()

    thread = threading.Thread(target=load)
    thread.start()
    command = (
        f"stty cols 100 rows 20; {sys.executable} -m hipflask top {serving.ops} --interval 0.2"
    )
    process = subprocess.Popen(
        ["script", "-qec", command, "/dev/null"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdin and process.stdout
        seen = b""
        deadline = time.monotonic() + 20
        while seen.count(b"\x1b[H") < 4 and time.monotonic() < deadline:
            seen += process.stdout.read1(65536)
        process.stdin.write(b"q")
        process.stdin.flush()
        seen += process.stdout.read()
        assert process.wait(20) == 0
    finally:
        stopped.set()
        thread.join()
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    text = seen.decode()
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    assert "\x1b[2J" not in text  # cleared first, it would flicker
    frame = COLOUR.sub("", text.split("\x1b[H")[-1])
    assert "/items/<int:number>" in frame
    assert len(frame.splitlines()) <= 21
