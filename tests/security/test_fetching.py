"""Fetching from services that were named: bounded in time and size, and not from everywhere."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hipflask.security import fetching
from hipflask.security.fetching import FetchFailed, check_url, fetch, fetch_json

from .provider import running

LOCAL = ["127.0.0.1"]


class Raw:
    """A server that reads a request and answers with the bytes it was given."""

    def __init__(self, answer, *, pause_s=0.0):
        self._answer = answer
        self._pause_s = pause_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.server_port = self._socket.getsockname()[1]
        self.asked = []
        self._stopped = threading.Event()

    def serve_forever(self, poll_s):
        self._socket.settimeout(poll_s)
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                self.asked.append(connection.recv(65536))
                if not self._pause_s:
                    connection.sendall(self._answer)
                    return
                for number in range(len(self._answer)):
                    connection.sendall(self._answer[number : number + 1])
                    if self._stopped.wait(self._pause_s):
                        return
            except OSError:
                pass

    def shutdown(self):
        self._stopped.set()

    def server_close(self):
        self._socket.close()


def ask(answer, *, pause_s=0.0, **options):
    with running(Raw(answer, pause_s=pause_s)) as server:
        url = f"http://127.0.0.1:{server.server_port}/x?a=b"
        return fetch(url, private=LOCAL, **{"timeout_s": 30.0, **options}), server


def test_what_is_sent_and_read():
    (status, body), server = ask(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok")
    assert (status, body) == (201, b"ok")
    head = server.asked[0].decode()
    assert head.startswith("GET /x?a=b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.server_port}\r\n" in head
    (status, body), server = ask(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        data=b"a=1", headers={"Content-Type": "text/plain"},
    )  # fmt: skip
    assert (status, body) == (200, b"ok") and server.asked[0].startswith(b"POST /x?a=b ")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b" " * 300_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300_000,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_answers_that_are_none(answer):
    with pytest.raises(FetchFailed):
        ask(answer)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_one_deadline_for_all_of_it(head):
    """A byte now and then begins no time-out anew."""
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="no answer in"):
        ask(head + b"A" * 1000, pause_s=0.05, timeout_s=0.5)
    # 50 s at that pace; how late the cut comes is up to the machine.
    assert time.monotonic() - began < 25


@pytest.mark.parametrize("how", ["never", "refused"])
def test_a_host_that_does_not_answer(how):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        if how == "never":
            closed.listen()
        port = closed.getsockname()[1]
        with pytest.raises(FetchFailed):
            fetch(f"http://127.0.0.1:{port}/", private=LOCAL, timeout_s=0.3)


def test_a_certificate_that_nobody_vouches_for():
    ssl = pytest.importorskip("ssl")
    from werkzeug.serving import generate_adhoc_ssl_context

    listening = socket.create_server(("127.0.0.1", 0))
    context = generate_adhoc_ssl_context()

    def serve():
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)
        except (OSError, ssl.SSLError):
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening, pytest.raises(FetchFailed, match=r"(?i)certificate"):
        fetch(f"https://127.0.0.1:{listening.getsockname()[1]}/", private=LOCAL, timeout_s=30.0)
    thread.join(30)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_internet(address, monkeypatch):
    tried = []
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]
    found = [*public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(fetching, "_look_up", lambda *given: found)
    monkeypatch.setattr(socket, "create_connection", lambda *given, **more: tried.append(given))
    with pytest.raises(FetchFailed, match="not public"):
        fetch("https://id.example.org/x")
    assert tried == []


def test_the_connection_goes_to_an_address_that_was_judged(monkeypatch):
    """Looked up once: a second answer of the name's server counts for nothing."""
    looked, tried = [], []

    def look_up(host, port, ends_at):
        looked.append(host)
        address = "93.184.215.14" if len(looked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(where, timeout):
        tried.append(where)
        raise OSError("unreachable")

    monkeypatch.setattr(fetching, "_look_up", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchFailed, match="unreachable"):
        fetch("https://id.example.org/x")
    assert (looked, tried) == (["id.example.org"], [("93.184.215.14", 443)])


def test_a_name_that_is_none():
    with pytest.raises(FetchFailed, match="not found"):
        fetch("https://does-not-exist.invalid/", timeout_s=30.0)


def test_a_look_up_that_takes_too_long(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: ended.wait(30) and [])
    with pytest.raises(FetchFailed, match="in time"):
        fetch("https://id.example.org/", timeout_s=0.1)
    ended.set()


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/x", "//x/y", "http://id.example.org/", "ftp://x/", "file:///etc/passwd",
        "https://", "https:///x", "https://u:p@x/", "https://x/#y", "https://x/ y", "https://x/é",
        "https://x:99999/", "https://x:y/", "https://x/\r\nA: b", "https://[::1", "HTTP://10.0.0.1/",
    ],
)  # fmt: skip
def test_urls_that_are_not_asked(url):
    with pytest.raises(ValueError):
        check_url(url)
    with pytest.raises(FetchFailed):
        fetch(url)


def test_what_is_no_json():
    for answer in (b"x", b"", b"[" * 100_000, b"\xff"):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
        with running(Raw(head + answer)) as server, pytest.raises(FetchFailed, match="no JSON"):
            fetch_json(f"http://127.0.0.1:{server.server_port}/", private=LOCAL, timeout_s=30.0)
