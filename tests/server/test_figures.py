"""`serve` with figures: real workers that are killed and renewed, and one right answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from .process import PATIENCE_S, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")
parser = pytest.importorskip("prometheus_client.parser")

APP = """
import os, time
from hipflask import Flask
from hipflask.ops import metrics, probes

app = Flask(__name__)
orders = metrics.counter("orders_total", "Orders.", ["kind"])
age = metrics.gauge("oldest_seconds", "Of the store.", across="max")
age.ask(lambda: 7)

@app.get("/pid")
def pid():
    orders.add(1, "pid")
    return str(os.getpid())

@app.route("/items/<int:number>", methods=["GET", "POST"])
async def item(number):
    return {"number": number}

@app.get("/block")
async def block():
    open("entered", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "blocked"

@probes.ready_check(app, "switch")
def switched_on():
    return not os.path.exists("off")
"""
DURATION = "http_server_request_duration_seconds_count"


@pytest.fixture
def counted(folder, served):
    def counted(**options):
        (folder / "app.py").write_text(APP)
        options = {"ops_bind": "127.0.0.1:0", "metrics": "/metrics", **options}
        server = served(run_dir=str(folder / "run"), **options)

        def ready():
            assert server.process.poll() is None, server.said
            return "; Ctrl-C stops" in server.said

        until(ready, "the workers")
        found = dict(re.findall(r"(figures|serving).*? on http://127\.0\.0\.1:(\d+)", server.said))
        server.ops, server.app = int(found["figures"]), int(found["serving"])
        server.ask = lambda path, port=server.ops, **fields: ask(port, path, fields)
        return server

    return counted


def ask(port, path, fields=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, headers=fields or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def read(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(figures, name):
    return sum(value for key, value in figures.items() if key[0] == name)


def pids(server):
    status = json.loads(server.ask("/status")[1])
    return [row["pid"] for row in status["workers"] if row["state"] == "serving"]


def stands_still(pid):
    """Whether each thread of a process is stopped: a signal takes them one by one."""
    states = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(state.read_text().rpartition(")")[2].split()[0] == "T" for state in states)


def test_one_answer_whichever_worker_is_asked(counted):
    server = counted(workers=2)
    asked = 0
    seen = set()

    def both():
        nonlocal asked
        asked += 1
        seen.add(server.ask("/pid", server.app)[1])
        return len(seen) == 2

    until(both, "an answer of each worker")
    ask(server.app, "/items/7")
    ask(server.app, "/items/8", method="POST")
    ask(server.app, "/nowhere/1")
    ask(server.app, "/nowhere/2", method="BREW")

    def all_ended():  # a request is counted when its answer is on its way
        return total(read(server.ask("/metrics")[1]), DURATION) == asked + 4

    until(all_ended, "the requests to be counted")
    for port in (server.ops, *[server.app] * 8):
        status, text = server.ask("/metrics", port)
        assert status == 200
        figures = read(text)
        assert figures["orders_total", ("kind", "pid")] == asked
        assert figures["oldest_seconds",] == 7
        by_route = {
            dict(key[1:])["route"]: value for key, value in figures.items() if key[0] == DURATION
        }
        assert by_route == {"/pid": asked, "/items/<int:number>": 1, "_UNMATCHED": 1}
        assert {tuple(value for _, value in key[1:]) for key in figures if key[0] == DURATION} == {
            ("GET", "/pid", "200"),
            ("GET", "/items/<int:number>", "200"),
            ("POST", "/items/<int:number>", "200"),
            ("GET", "_UNMATCHED", "404"),
            ("_OTHER", "_UNMATCHED", "404"),
        }
        assert figures["hipflask_pool_size", ("worker", "1")] == 4
        assert figures["hipflask_workers", ("state", "serving")] == 2


def test_counters_never_go_backwards_when_workers_are_killed_and_renewed(counted):
    server = counted(workers=2)
    stopped = threading.Event()
    answered = []

    def load():
        while not stopped.is_set():
            try:
                if ask(server.app, "/pid")[0] == 200:
                    answered.append(1)
            except (OSError, http.client.HTTPException):
                continue  # of a worker that was killed

    last = {}

    def look():
        figures = read(server.ask("/metrics")[1])
        for key, value in figures.items():
            if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
                # What was once told stays, and grows.
                assert value >= last.get(key, 0) - 1e-9, key
        gone = {key for key in last if key not in figures and key[0] == "orders_total"}
        assert not gone
        last.update(figures)
        return figures

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(4):
            before = set(pids(server))
            if turn % 2:
                server.process.send_signal(signal.SIGHUP)
                leave = before
            else:
                leave = {min(before)}
                os.kill(min(before), signal.SIGKILL)

            def replaced():
                look()
                now = set(pids(server))
                return len(now) == 2 and not now & leave

            until(replaced, f"the workers of turn {turn} to be replaced")
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    # Each answer that a client had was counted, those of the killed among them.
    figures = until(
        lambda: (found := look())["orders_total", ("kind", "pid")] >= len(answered) and found,
        "all answers to be counted",
    )
    assert len(answered) > 20
    assert figures["hipflask_worker_restarts_total", ("reason", "died")] == 2
    assert figures["hipflask_worker_restarts_total", ("reason", "renewed")] == 4
    folder = next((server.folder / "run").iterdir())
    until(lambda: len(list(folder.glob("*.cells"))) == 2, "the files of the dead to be removed")
    assert server.stop() == 0
    assert list((server.folder / "run").iterdir()) == []


def test_probes_of_the_service(counted):
    server = counted(workers=1)
    assert server.ask("/livez") == (200, '{"status":"ok"}\n')
    assert server.ask("/readyz") == (200, '{"status":"ok"}\n')
    (server.folder / "off").touch()
    assert server.ask("/readyz") == (503, '{"status": "failing", "checks": ["switch"]}\n')
    (server.folder / "off").unlink()
    assert server.ask("/nothing")[0] == 404
    assert "/metrics" in server.ask("/")[1]


def test_a_blocked_loop_is_told_and_figures_are_there(counted):
    server = counted(workers=1)
    thread = threading.Thread(target=ask, args=(server.app, "/block"))
    thread.start()
    try:
        until((server.folder / "entered").exists, "the view to block the loop")
        assert server.ask("/livez") == (503, '{"status":"stuck"}\n')
        assert server.ask("/readyz")[0] == 503
        figures = read(server.ask("/metrics")[1])
        assert figures["hipflask_requests_in_work",] == 1
        assert figures["http_server_active_requests", ("route", "/block")] == 1
    finally:
        (server.folder / "go").touch()
        thread.join()
    until(lambda: server.ask("/livez")[0] == 200, "the loop to go round again")


def test_who_may_see_the_figures(counted):
    server = counted(workers=1, metrics_token="open sesame")
    for port in (server.ops, server.app):
        refused = 401 if port == server.ops else 404
        assert server.ask("/metrics", port)[0] == refused
        assert ask(port, "/metrics", {"Authorization": "Bearer wrong"})[0] == refused
        assert ask(port, "/metrics", {"Authorization": "Bearer open sesame"})[0] == 200
    assert server.ask("/livez")[0] == 200
    assert ask(server.ops, "/livez", {"Host": "evil.example"})[0] == 421
    assert ask(server.ops, "/livez", {"Host": "[::1]"})[0] == 200


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_without_a_token_for_this_machine_and_not_through_a_proxy(counted, interface):
    server = counted(workers=1, interface=interface)
    assert server.ask("/items/7", server.app)[0] == 200
    figures = read(server.ask("/metrics", server.app)[1])
    labels = (("method", "GET"), ("route", "/items/<int:number>"), ("status", "200"))
    assert figures[DURATION, *labels] == 1
    assert ask(server.app, "/metrics", {"X-Forwarded-For": "192.0.2.1"})[0] == 404
    assert ask(server.app, "/metrics", {"Forwarded": "for=192.0.2.1"})[0] == 404
    assert ask(server.app, "/metrics", {"Host": "shop.example"})[0] == 404
    if interface != "wsgi":  # where Granian leaves out the name, too
        assert ask(server.app, "/metrics", {"X-Forwarded-For": b"\xff, 192.0.2.1"})[0] == 404
        assert ask(server.app, "/metrics", {"Host": b"\xff"})[0] == 404


def test_a_client_that_says_too_slowly_what_it_wants_is_sent_away(counted):
    server = counted(workers=1)
    slow = [socket.create_connection(("127.0.0.1", server.ops)) for _ in range(16)]
    try:
        for sock in slow:
            sock.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")

        def has_turn():
            for sock in slow:
                with contextlib.suppress(OSError):
                    sock.sendall(b"x")
            return server.ask("/livez")[0] == 200

        until(has_turn, "others to come to their turn")
    finally:
        for sock in slow:
            sock.close()


def test_a_worker_that_stands_still_holds_nobody_up(counted):
    server = counted(workers=2)
    until(lambda: len(pids(server)) == 2, "both workers to serve")  # said of the first one
    stopped = pids(server)[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        until(lambda: stands_still(stopped), "the worker to stand still")
        for _ in range(12):  # more than it is asked before it is left alone
            figures = read(server.ask("/metrics")[1])
            up = {
                key[1][1]: value for key, value in figures.items() if key[0] == "hipflask_worker_up"
            }
            assert sorted(up.values()) == [0, 1]
        assert server.ask("/readyz")[0] == 200
    finally:
        os.kill(stopped, signal.SIGCONT)

    def all_up():
        return total(read(server.ask("/metrics")[1]), "hipflask_worker_up") == 2

    until(all_up, "the worker to answer again")


def test_a_callable_that_is_no_app_of_ours_is_counted_without_routes(folder, served):
    server = served(run_dir=str(folder / "run"), ops_bind="127.0.0.1:0")
    until(lambda: "; Ctrl-C stops" in server.said, "the workers")
    ports = dict(re.findall(r"(figures|serving).*? on http://127\.0\.0\.1:(\d+)", server.said))
    assert ask(int(ports["serving"]), "/")[0] == 200
    labels = (("method", "GET"), ("route", "_UNMATCHED"), ("status", "200"))

    def counted_once():
        return read(ask(int(ports["figures"]), "/metrics")[1]).get((DURATION, *labels)) == 1

    until(counted_once, "the request to be counted")


def test_strangers_on_the_ops_port_do_no_harm(counted):
    server = counted(workers=1)
    said = len(server.said)
    for words in (
        b"",
        b"\r\n\r\n",
        b"GET",
        b"\xff\x00" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.ops), timeout=PATIENCE_S) as client:
            client.sendall(words)
    silent = [socket.create_connection(("127.0.0.1", server.ops)) for _ in range(20)]
    for each in silent:
        each.close()
    assert until(lambda: server.ask("/livez")[0] == 200, "an answer")
    assert len(server.said) == said


def test_a_run_dir_that_others_may_write_is_refused(folder, served):
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    server = served(run_dir=str(shared), ops_bind="127.0.0.1:0")
    assert server.wait() == 2
    assert "where others may write" in server.said
    assert Path(shared).exists()


def test_check_tells_where_the_figures_are(folder, served):
    (folder / "app.py").write_text(APP)
    server = served(check=True, metrics="/metrics", ops_bind="127.0.0.1:9090")
    assert server.wait() == 0
    said = server.output.read_text()
    assert "figures     /metrics for this machine\n" in said
    assert "figures     and probes on 127.0.0.1:9090\n" in said


def test_a_process_that_works_on_webhooks_has_figures_too(folder, launch):
    (folder / "app.py").write_text(
        "from hipflask import Flask\nfrom hipflask.webhooks import Hooks\n"
        "app = Flask(__name__)\napp.config['SECRET'] = 'only for this test'\n"
        "hooks = Hooks(app, inbox='sqlite:///hooks.db', workers=0)\n"
        "@hooks.receive('/orders', scheme='hookdeck', secrets='SECRET')\n"
        "def taken(event): ...\n"
    )
    server = launch("-m", "hipflask", "worker", "--ops-bind", "127.0.0.1:0")
    figures = read(ask(server.port, "/metrics")[1])
    name = "hipflask_webhooks_rows"
    labels = (("lane", "orders"), ("queue", "inbox"), ("state", "dead"))
    assert figures[name, *labels] == 0
    assert ask(server.port, "/readyz") == (200, '{"status":"ok"}\n')
    (lane, *_) = json.loads(ask(server.port, "/status")[1])["workers"] or [None]
    assert lane is None
    assert server.stop() == 0


@pytest.mark.parametrize(
    "typed, environ, table, path",
    [
        (["--metrics"], {}, "", "/metrics"),
        (["--metrics", "/m"], {}, "metrics = true", "/m"),
        ([], {"HIPFLASK_SERVE_METRICS": "/env"}, "", "/env"),
        ([], {}, "metrics = true", "/metrics"),
        ([], {}, 'metrics = "/table"', "/table"),
        ([], {}, "metrics = false", None),
        (["--metrics", "off"], {}, "metrics = true", None),
    ],
)
def test_the_path_comes_from_where_all_options_come_from(
    folder, launch, typed, environ, table, path
):
    (folder / "app.py").write_text(APP)
    (folder / "pyproject.toml").write_text(f"[tool.hipflask.serve]\n{table}\n")
    command = ["-m", "hipflask", "--app", "app", "serve", "--check", *typed]
    server = launch(*command, environ=environ)
    assert server.wait() == 0, server.said
    found = re.findall(r"^figures +(\S+) for this machine$", server.output.read_text(), re.M)
    assert found == ([path] if path else [])
