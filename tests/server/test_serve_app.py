"""`serve` with an application of ours: limits, probes, replacement of workers, stop, start-up."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest

from .process import PATIENCE_S, edit, is_running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")

APP = """
import asyncio, os, time
from hipflask import Flask
from hipflask.ops import metrics, probes

app = Flask(__name__)

def note(text):
    with open("notes", "a") as file:
        file.write(text + "\\n")

@app.get("/")
def plain():
    return "plain"

@app.get("/async")
async def later():
    await asyncio.sleep(0)
    return "async"

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/hold")
def hold():
    note("held")
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "held"

@app.get("/wait")
async def wait():
    try:
        note("waiting")
        while not os.path.exists("go"):
            await asyncio.sleep(0.01)
        return "waited"
    except asyncio.CancelledError:
        note("cancelled")
        raise

@app.get("/figures")
async def figures():
    found = {}
    for metric, samples in metrics.collect():
        for sample in samples:
            found[" ".join([sample.name, *(value for _, value in sample.labels)])] = sample.value
    return found

@app.teardown_request
async def torn_down(error):
    note("torn down")
"""


@pytest.fixture
def folder(folder):
    (folder / "app.py").write_text(APP)
    return folder


def notes(server):
    path = server.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


@contextlib.contextmanager
def asked(server, *paths):
    """Connections on which each of `paths` was asked for, without waiting for the answers."""
    with contextlib.ExitStack() as stack:
        connections = []
        for path in paths:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            stack.enter_context(contextlib.closing(connection))
            connection.request("GET", path)
            connections.append(connection)
        yield connections


def answer(connection):
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_plain_and_async_views_and_probes_answer_on_each_interface(served, interface):
    server = served(interface=interface)
    assert server.body("/") == "plain"
    assert server.body("/async") == "async"
    for path in ("/livez", "/readyz"):
        assert server.get(path)[:2] == (200, '{"status":"ok"}\n')
    assert server.get("/none")[0] == 404
    assert server.stop() == 0
    assert f"({interface})" in server.said


@pytest.mark.parametrize("interface", ["rsgi", "asgi"])
def test_past_the_pool_and_its_queue_503_says_when_to_come_back(served, interface):
    server = served(interface=interface, threads=1, queue=1)
    with asked(server, "/hold", "/hold") as held:
        until(lambda: '"hipflask_pool_pending":2.0' in server.body("/figures"), "a full queue")
        status, _, headers = server.get("/")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert server.body("/async") == "async"
        assert server.get("/livez")[0] == server.get("/readyz")[0] == 200
        assert '"hipflask_requests_shed_total pool":1.0' in server.body("/figures")
        (server.folder / "go").touch()
        assert [answer(one) for one in held] == [(200, "held")] * 2
    assert server.body("/") == "plain"


@pytest.mark.parametrize("interface", ["rsgi", "asgi"])
def test_past_the_requests_in_work_even_async_views_are_refused_but_no_probe(served, interface):
    server = served(interface=interface, max_requests_in_work=2)
    with asked(server, "/wait", "/wait") as waiting:
        until(lambda: notes(server).count("waiting") == 2, "both to be in work")
        status, _, headers = server.get("/async")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert server.get("/livez")[0] == 200
        (server.folder / "go").touch()
        assert [answer(one) for one in waiting] == [(200, "waited")] * 2
    assert server.body("/async") == "async"


@pytest.mark.parametrize("interface", ["rsgi", "asgi"])
def test_a_request_that_takes_too_long_is_504_and_torn_down_once(served, interface):
    server = served(interface=interface, request_timeout_s=0.3)
    assert server.get("/wait")[0] == 504
    until(lambda: "torn down" in notes(server), "the teardown")
    assert notes(server) == ["waiting", "cancelled", "torn down"]
    assert server.get("/hold")[0] == 504
    (server.folder / "go").touch()
    # The thread ends by itself; its answer goes nowhere.
    until(lambda: notes(server).count("torn down") == 2, "the thread to end")
    assert server.body("/wait") == "waited"


def test_probes_can_be_moved_and_switched_off_and_the_apps_own_route_wins(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write('\n@app.get("/livez")\ndef own():\n    return "own"\n')
    server = served(readyz="/is/ready")
    assert server.body("/livez") == "own"
    assert server.get("/is/ready")[0] == 200
    assert server.get("/readyz")[0] == 404
    other = served(livez="", readyz="")
    assert other.body("/livez") == "own"
    assert other.get("/readyz")[0] == 404


def test_readyz_asks_the_registered_checks_and_names_those_that_fail(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write(
            """
@probes.ready_check(app, "fine")
async def fine():
    return True

@probes.ready_check(app, "disk")
def disk():
    return not os.path.exists("full")
"""
        )
    server = served()
    assert server.get("/readyz")[0] == 200
    (folder / "full").touch()
    assert server.get("/readyz")[:2] == (503, '{"status": "failing", "checks": ["disk"]}\n')
    assert server.get("/livez")[0] == 200


# Stop


def test_sigterm_keeps_serving_then_refuses_and_lets_what_is_in_work_finish(served):
    server = served(drain_wait_s=1.5, graceful_timeout_s=PATIENCE_S)
    pid = server.worker_pid()
    with asked(server, "/hold") as (held,):
        until(lambda: "held" in notes(server), "the request to be in work")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.get("/readyz")[:2] == (503, '{"status":"draining"}\n'), "draining")
        status, body, headers = server.get("/")
        assert (status, body, headers["Connection"]) == (200, "plain", "close")
        assert server.get("/livez")[0] == 200
        until(server.refuses, "new connections to be refused")
        assert server.process.poll() is None
        (server.folder / "go").touch()
        assert answer(held) == (200, "held")
    assert server.wait() == 0
    assert not is_running(pid)


def test_an_async_request_that_outlasts_the_grace_time_is_cancelled_and_torn_down(served):
    server = served(graceful_timeout_s=0.2)
    with asked(server, "/wait"):
        until(lambda: "waiting" in notes(server), "the request to be in work")
        assert server.stop() == 0
    assert notes(server) == ["waiting", "cancelled", "torn down"]


def test_sigterm_to_the_whole_group_drains_as_well(served):
    server = served(drain_wait_s=1.0)
    assert server.body() == "plain"
    os.killpg(server.pid, signal.SIGTERM)
    until(lambda: server.get("/readyz")[0] == 503, "draining")
    assert server.body() == "plain"
    assert server.wait() == 0


def test_background_work_is_waited_for(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write(
            """
def work():
    note("begun")
    while not os.path.exists("go"):
        time.sleep(0.01)
    note("done")

@app.get("/begin")
def begin():
    app.background(work)
    return "begun"
"""
        )
    server = served(graceful_timeout_s=PATIENCE_S)
    assert server.body("/begin") == "begun"
    until(lambda: "begun" in notes(server), "the work to begin")
    server.process.send_signal(signal.SIGTERM)
    until(server.refuses, "new connections to be refused")
    (folder / "go").touch()
    assert server.wait() == 0
    assert notes(server)[-1] == "done"


# Replacement


class Load:
    """Keep-alive clients that ask all the time; a connection closed while idle is opened anew."""

    def __init__(self, server, clients=4):
        self.lost, self.answered, self.stale = [], 0, 0
        self._port = server.port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        connection = None
        while not self._stop.is_set():
            fresh = connection is None
            if fresh:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                if (response.status, response.read()) != (200, b"plain"):
                    self.lost.append(response.status)
                self.answered += 1
                if response.will_close:
                    connection.close()
                    connection = None
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                connection = None
                if fresh:
                    self.lost.append(repr(error))
                else:
                    self.stale += 1  # closed while idle: RFC 9112, 9.3.1 lets the client retry
        if connection is not None:
            connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def pids_of(server):
    return {server.worker_pid() for _ in range(20)}


def test_hangup_replaces_all_workers_with_the_new_code_and_loses_no_request(served, folder):
    server = served(workers=2)
    before = until(lambda: len(found := pids_of(server)) == 2 and found, "both workers")
    edit(folder, "time.sleep(0.01)", "time.sleep(0.02)")
    with Load(server) as load:
        until(lambda: load.answered > 200, "some load")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not any(map(is_running, before)), "the old workers to leave")
        seen = load.answered
        until(lambda: load.answered > seen + 200, "some more load")
    assert load.lost == []
    assert load.stale <= 8
    assert not before & pids_of(server)
    assert server.stop() == 0


def test_a_successor_that_cannot_start_leaves_the_old_workers_in_place(served, folder):
    server = served()
    pid = server.worker_pid()
    edit(folder, "import asyncio", "import no_such_module_here, asyncio")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "the workers that serve go on" in server.said, "the report")
    assert "No module named 'no_such_module_here'" in server.said
    assert server.worker_pid() == pid
    edit(folder, "no_such_module_here, ", "")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.worker_pid() != pid, "the successor")


def test_workers_are_replaced_after_so_many_requests_and_so_long(served):
    server = served(max_requests=50)
    first = server.worker_pid()
    with Load(server, 2) as load:
        until(lambda: not is_running(first), "the replacement")
    assert load.lost == []
    other = served(max_lifetime_s=0.5)
    first = other.worker_pid()
    until(lambda: other.worker_pid() != first, "the replacement")
    assert other.stop() == 0


def test_a_killed_worker_is_back_at_once_beside_another(served):
    server = served(workers=2)
    pids = until(lambda: len(found := pids_of(server)) == 2 and found, "both workers")
    os.kill(pids.pop(), signal.SIGKILL)
    until(lambda: len(pids_of(server) | pids) == 2, "its successor")
    assert server.stop() == 0


# Start-up and end of a worker


LIFE = """
@app.before_serving
def connect():
    note(f"connect to {app.name}")

@app.before_serving
async def warm_up():
    note("warm up")

@app.while_serving
async def pool():
    note("pool open")
    yield
    note("pool closed")

@app.after_serving
async def say_goodbye():
    from hipflask import current_app
    note(f"goodbye from {current_app.name}")
"""


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_what_surrounds_serving_runs_once_per_worker_in_order(served, folder, interface):
    with (folder / "app.py").open("a") as file:
        file.write(LIFE)
    server = served(interface=interface)
    assert server.body("/async") == "async"
    assert server.stop() == 0
    assert notes(server) == [
        "connect to app",
        "warm up",
        "pool open",
        "torn down",
        "goodbye from app",
        "pool closed",
    ]


def test_a_start_up_that_fails_is_one_line_and_exit_code_2(served, folder):
    with (folder / "app.py").open("a") as file:
        file.write(LIFE + '\n@app.before_serving\ndef fail():\n    raise OSError("no database")\n')
    server = served(workers=2)
    assert server.wait() == 2
    assert server.said.startswith("hipflask: cannot start the app app: fail (")
    assert server.said.endswith("failed: OSError: no database\n")
    assert server.said.count("\n") == 1


def check(launch, *arguments):
    server = launch("-m", "hipflask", "serve", "--check", *arguments)
    return server.wait(), server.output.read_text(), server.said


def test_check_prints_what_would_run_and_why(launch, folder):
    with (folder / "app.py").open("a") as file:
        file.write(
            "\nfrom werkzeug.middleware.proxy_fix import ProxyFix"
            "\napp.wsgi_app = ProxyFix(app.wsgi_app)\n"
        )
    (folder / "pyproject.toml").write_text("[tool.hipflask.serve]\nthreads = 6\n")
    code, said, errors = check(launch, "--workers", "2", "--max-requests", "100")
    assert (code, errors) == (0, "")
    lines = dict(re.split(r"\s{2,}|(?<=on) ", line, maxsplit=1) for line in said.splitlines())
    assert lines["listens on"] == "127.0.0.1:8000, HTTP, HTTP/1.1 and 2"
    assert lines["interface"].startswith("rsgi: ")
    assert lines["middleware"].startswith("wsgi_app is werkzeug.middleware.proxy_fix.ProxyFix;")
    assert lines["workers"] == "2, each 6 plain views at a time, 24 more wait, then 503"
    assert lines["replaced"] == "on SIGHUP, after 100 requests, without losing any"
    assert lines["views"] == "4 plain, 3 async"


def test_check_ends_as_serve_would(launch, folder):
    (folder / "app.py").write_text("import no_such_module_here\n")
    code, said, errors = check(launch)
    assert (code, said) == (2, "")
    assert "No module named 'no_such_module_here'" in errors
    assert errors.count("\n") == 1


def test_http_2_with_prior_knowledge_is_answered(served):
    h2 = pytest.importorskip("h2.connection")
    from h2.events import DataReceived, StreamEnded

    server = served(http="2")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        connection = h2.H2Connection()
        connection.initiate_connection()
        head = {":method": "GET", ":path": "/async", ":authority": "x", ":scheme": "http"}
        connection.send_headers(1, list(head.items()), end_stream=True)
        client.sendall(connection.data_to_send())
        body, ended = b"", False
        deadline = time.monotonic() + PATIENCE_S
        while not ended and time.monotonic() < deadline:
            for event in connection.receive_data(client.recv(65536)):
                if isinstance(event, DataReceived):
                    body += event.data
                ended = ended or isinstance(event, StreamEnded)
    assert body == b"async"
