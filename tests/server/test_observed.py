"""What `serve` logs: each request once, refused ones too; a loop that is blocked; hostile input."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import threading
from collections import Counter

import pytest

from .process import held, until

OURS = """
import asyncio, os, time
from hipflask import Flask, request
import hipflask

app = Flask("app", static_folder=None)
app.config["LOG_SAMPLE_ABOVE"] = None

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/items/<int:n>")
async def item(n):
    return "item"

@app.get("/hold")
def hold():
    open("entered", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "finished"

@app.get("/for-ever")
async def for_ever():
    await asyncio.Event().wait()

@app.get("/blocks")
async def blocks():
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.1)  # this line blocks
    return "blocked"

@app.get("/boom")
def boom():
    raise ValueError("boom")

@app.route("/tell/<path:rest>", methods=["GET", "POST"])
def tell(rest):
    app.logger.warning("told %s %s %s", rest, dict(request.headers), request.full_path)
    response = hipflask.make_response("told")
    response.set_cookie("session", request.headers.get("X-Api-Key", "none"))
    app.logger.warning("answers %s", dict(response.headers))
    return response
"""
INTERFACES = ("rsgi", "asgi", "wsgi")
SECRET = "hunter2hunter2"


@pytest.fixture
def ours(folder, served):
    def start(environ=None, app_more="", **options):
        (folder / "app.py").write_text(OURS + app_more + "\n")
        return served(environ, **options)

    return start


def lines_of(server):
    found = []
    for line in server.output.read_text().split("\n"):
        if line:
            found.append(json.loads(line))
            assert line.isascii()
            assert line.isprintable()
    return found


def requests_of(server):
    return [line for line in lines_of(server) if line["logger"] == "hipflask.access"]


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_request_is_one_line_with_its_route(ours, interface):
    server = ours(interface=interface)
    server.get("/items/7?token=secret")
    server.get("/a%0ab%1b%5b31m")
    server.get("/boom")
    server.get("/livez")
    assert server.stop() == 0
    item, lost, boom = requests_of(server)
    assert (item["route"], item["path"], item["status"]) == ("/items/<int:n>", "/items/7", 200)
    assert (lost["route"], lost["path"], lost["status"]) == (None, "/a\nb\x1b[31m", 404)
    assert (boom["route"], boom["status"], boom["error"]) == ("/boom", 500, "ValueError")
    assert "secret" not in server.output.read_text()
    (error,) = (line for line in lines_of(server) if line["logger"] == "app")
    assert error["request_id"] == boom["request_id"]
    assert "Traceback" not in server.said


@pytest.mark.parametrize("interface", INTERFACES)
def test_another_frameworks_app_gets_its_lines_too(served, interface):
    server = served(interface=interface)
    server.get("/lazy")
    server.get("/boom")
    server.get("/status")
    assert server.stop() == 0
    found = [(line["path"], line["status"], line["route"]) for line in requests_of(server)]
    assert found == [("/lazy", 202, None), ("/boom", 500, None), ("/status", 500, None)]


def test_there_are_no_lines_without_an_access_log(ours):
    server = ours(access_log=False)
    server.get("/items/7")
    assert server.stop() == 0
    assert requests_of(server) == []


@pytest.mark.parametrize("interface", ["rsgi", "asgi"])
def test_what_the_gate_refuses_is_seen(ours, interface):
    server = ours(interface=interface, max_requests_in_work=1, request_timeout_s=4)
    with held(server) as connection:
        status, _, headers = server.get("/items/7")
        assert (status, headers["Retry-After"]) == (503, "1")
        (server.folder / "go").touch()
        assert connection.getresponse().status == 200
    assert until(lambda: server.get("/for-ever")[0] == 504, "a request that is late")
    until(lambda: len(requests_of(server)) >= 3, "its line")
    assert server.stop() == 0
    found = {(line["path"], line["status"], line.get("refused")) for line in requests_of(server)}
    assert found >= {
        ("/items/7", 503, "busy"), ("/hold", 200, None), ("/for-ever", 504, "late"),
    }  # fmt: skip


@pytest.mark.parametrize("interface", ["rsgi", "asgi"])
def test_a_client_that_leaves_is_seen(ours, interface):
    server = ours(interface=interface)
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"GET /for-ever HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.get("/items/7")
    connection.close()
    until(lambda: len(requests_of(server)) == 2, "the line of who left")
    line = next(line for line in requests_of(server) if line["path"] == "/for-ever")
    assert (line["status"], line["client_left"]) == (499, 1)


def test_a_blocked_loop_is_told_of_while_it_is(ours):
    server = ours()
    server.get("/items/7")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/blocks")

    def told():
        return [line for line in lines_of(server) if line["logger"] == "hipflask.loop"]

    found = until(told, "the report")
    # It came before the answer did: the view had not ended.
    assert not requests_of(server)[1:]
    connection.getresponse().read()
    connection.close()
    number = OURS.split("\n").index("        time.sleep(0.1)  # this line blocks") + 1
    assert (
        f"app.py:{number}" in found[0]["message"] or f"app.py:{number - 1}" in found[0]["message"]
    )
    assert "the view 'blocks'" in found[0]["message"]
    for _ in range(200):
        server.get("/items/7")
    assert len(told()) == 1
    assert server.stop() == 0


def hostile(number, chance):
    """A request with its secrets in twelve places, and its kind."""
    nasty = ("\r\n", "\x1b[31m", "\u2028", "\x85", "\x7f", "%0d%0a", "'\"\\", "\x00", "%e2%80%a8")
    piece = "".join(chance.choice(nasty) for _ in range(3))
    quoted = "".join(
        char if char.isalnum() or char in "%/" else "".join(f"%{b:02x}" for b in char.encode())
        for char in piece
    )
    value = piece.replace("\r", "").replace("\n", "").replace("\x00", "")
    # The server itself refuses most control characters in a field.
    raw = number % 10 == 0
    field = (value if raw else value.replace("\x1b", "").replace("\x7f", "")).encode("utf-8")
    length = 1_000_000 if number % 2000 == 0 else chance.choice((0, 10, 1000))
    path = chance.choice(("tell/", "items/", "nowhere/", "boom", "hold/"))
    body = b"x" * length
    head = (
        f"POST /{path}{quoted}?token={SECRET}1&a={quoted}&password={SECRET}2"
        f"&sig={SECRET}3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    ).encode() + b"".join(
        name + b": " + secret.encode() + b"\r\n"
        for name, secret in (
            (b"Authorization", f"Bearer {SECRET}4"),
            (b"Proxy-Authorization", f"Basic {SECRET}5"),
            (b"Cookie", f"session={SECRET}6; other={SECRET}7"),
            (b"X-Api-Key", f"{SECRET}8"),
            (b"Stripe-Signature", f"t=1,v1={SECRET}9"),
            (b"X-Hub-Signature-256", f"sha256={SECRET}10"),
            (b"X-CSRF-Token", f"{SECRET}11"),
            (b"X-Session-Token", f"{SECRET}12"),
        )
    )
    head += b"X-Nasty: " + field + b"\r\nUser-Agent: " + field + b"\r\n"
    head += b"X-Request-ID: forged {id}\r\n" if number % 3 else b"X-Request-ID: forged-id\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % length, body


@pytest.mark.parametrize("interface", INTERFACES)
def test_hostile_requests_lose_no_line_and_tell_no_secret(ours, interface):
    """Reliability's check 23. HIPFLASK_HOSTILE_LINES says how many; 10,000 in a recorded run."""
    most = int(os.environ.get("HIPFLASK_HOSTILE_LINES", "400"))
    server = ours(interface=interface)
    port = server.port
    chance = random.Random(23)
    answered, cut = [], []
    lock = threading.Lock()
    todo = [hostile(number, chance) for number in range(most)]

    def send():
        while True:
            with lock:
                if not todo:
                    return
                head, body = todo.pop()
            answer = b""
            with (
                contextlib.suppress(ConnectionError),
                socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
            ):
                connection.sendall(head + body)
                while piece := connection.recv(65536):
                    answer += piece
            status = re.match(rb"HTTP/1.1 (\d+)", answer)
            with lock:
                if status is None:
                    cut.append(head)
                elif int(status[1]) != 400:
                    # What the server refuses by itself has neither reached us nor a line.
                    answered.append(int(status[1]))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.stop() == 0
    found = requests_of(server)
    reached = [line for line in found if line["status"] != 400]
    assert Counter(answered) <= Counter(line["status"] for line in reached)
    assert len(reached) <= len(answered) + len(cut)
    assert len(answered) >= most // 2
    assert all(len(line["request_id"]) == 16 for line in found)
    text = server.output.read_text() + server.said
    assert SECRET not in text
    told = [line for line in lines_of(server) if line["logger"] == "app"]
    assert {line["level"] for line in told} <= {"warning", "error"}
    print(f"{interface}: {most} sent, {len(answered)} answered, {len(found)} lines, 0 secrets")


def test_a_setting_that_cannot_work_ends_the_start_with_a_line(ours, folder):
    server = ours(app_more='app.config["LOGS"] = "xml"')
    assert server.wait() == 2
    assert server.said == (
        "hipflask: cannot start the app app:"
        " LOGS='xml' is none of 'json', 'text', 'auto' and 'off'.\n"
    )


def test_logs_can_be_off_and_what_was_configured_is_left_alone(ours, folder):
    server = ours(app_more='app.config["LOGS"] = "off"')
    server.get("/boom")
    assert server.stop() == 0
    assert server.output.read_text() == ""
    assert "ERROR in app: Exception on /boom [GET]" in server.said
    own = "import logging\nlogging.basicConfig(format='MINE %(request_id)s %(message)s')"
    server = ours(app_more=own)
    server.get("/boom")
    assert server.stop() == 0
    (line,) = requests_of(server)
    assert f"MINE {line['request_id']} Exception on /boom [GET]" in server.said
