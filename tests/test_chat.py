"""The chat: its rooms, its pages through the test client, and both once over its own server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.chat import create_app  # noqa: E402
from examples.chat.rooms import (  # noqa: E402
    BEHIND,
    KEPT,
    LONGEST_TEXT,
    MOST_ROOMS,
    Refused,
    Rooms,
)

PATIENCE_S = 20
MOST_SCRIPT_BYTES = 3000


@pytest.fixture
def client():
    return create_app({"TESTING": True}).test_client()


class Page(HTMLParser):
    """What a page is made of, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


# The rooms, without HTTP.


def test_what_is_said_is_heard_in_its_room_and_by_who_hears_all():
    rooms = Rooms()
    with rooms.listening("shed") as here, rooms.listening("attic") as there:
        with rooms.listening() as everywhere:
            message = rooms.say("shed", " Ada ", "hello\n you")
    assert (message.name, message.text) == ("Ada", "hello you")
    assert here.get_nowait() is message
    assert everywhere.get_nowait() is message
    assert there.empty()


def test_who_has_left_hears_nothing_more():
    rooms = Rooms()
    with rooms.listening("shed") as listener:
        assert rooms.listeners("shed") == 1
    rooms.say("shed", "Ada", "hello")
    assert listener.empty()
    assert rooms.listeners("shed") == 0


def test_who_falls_behind_is_told_so_and_dropped():
    rooms = Rooms()
    with rooms.listening("shed") as listener:
        for number in range(BEHIND + 5):
            rooms.say("shed", "Ada", str(number))
        heard = [listener.get_nowait() for _ in range(listener.qsize())]
    assert len(heard) == BEHIND + 1
    assert heard[-1] is None
    assert rooms.listeners("shed") == 0


def test_a_room_keeps_its_latest_messages():
    rooms = Rooms()
    for number in range(KEPT + 3):
        rooms.say("shed", "Ada", str(number))
    assert [one.text for one in rooms.history("shed")][0] == "3"
    assert len(rooms.history("shed")) == KEPT


def test_since_goes_on_after_a_number_over_all_rooms():
    rooms = Rooms()
    rooms.say("shed", "Ada", "1")
    rooms.say("attic", "Ada", "2")
    rooms.say("shed", "Ada", "3")
    assert [one.text for one in rooms.since(1)] == ["2", "3"]


@pytest.mark.parametrize(
    ("room", "name", "text"),
    [
        ("Shed", "Ada", "hello"),
        ("", "Ada", "hello"),
        ("shed", "", "hello"),
        ("shed", "Ada", "  "),
        ("shed", None, "hello"),
        ("shed", "Ada", ["hello"]),
        ("shed", "Ada", "x" * (LONGEST_TEXT + 1)),
        ("shed", "A" * 31, "hello"),
        ("shed", "Ada", "bell \x07"),
    ],
)
def test_what_cannot_be_said_is_refused(room, name, text):
    rooms = Rooms()
    with pytest.raises(Refused):
        rooms.say(room, name, text)
    assert not rooms.said


def test_there_is_a_most_of_rooms():
    rooms = Rooms()
    for number in range(MOST_ROOMS):
        rooms.say(f"room-{number}", "Ada", "hello")
    with pytest.raises(Refused):
        rooms.say("one-more", "Ada", "hello")
    rooms.say("room-0", "Ada", "hello again")


# The pages.


def test_the_form_speaks_without_javascript(client):
    answer = client.post("/rooms/shed", data={"name": "Ada", "text": "hello <b>"})
    assert (answer.status_code, answer.location) == (303, "/rooms/shed?name=Ada#say")
    text = client.get("/rooms/shed?name=Ada").text
    assert "hello &lt;b&gt;" in text
    assert 'value="Ada"' in text
    front = client.get("/").text
    assert "hello &lt;b&gt;" in front
    assert "/rooms/shed" in front


def test_a_bad_form_comes_back_filled_in_with_the_reason(client):
    answer = client.post("/rooms/shed", data={"name": "", "text": "hello"})
    assert answer.status_code == 422
    assert "Give a name." in answer.text
    assert 'value="hello"' in answer.text


def test_a_form_of_another_site_is_refused(client):
    answer = client.post(
        "/rooms/shed",
        data={"name": "Ada", "text": "hello"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403


def test_a_room_whose_name_is_none_is_not_found(client):
    assert client.get("/rooms/NOT_A_ROOM").status_code == 404


@pytest.mark.parametrize("path", ["/", "/rooms/shed"])
def test_pages_hold_nothing_inline_and_ask_no_other_host(client, path):
    answer = client.get(path)
    page = Page(answer.text)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert page.all("style") == []
    assert all(script.get("src") for script in page.all("script"))
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#"))


def test_every_field_has_a_label(client):
    page = Page(client.get("/rooms/shed").text)
    labels = {label["for"] for label in page.all("label")}
    assert {field["id"] for field in page.all("input")} == labels


def test_the_script_is_small_and_makes_no_markup_of_text(client):
    with client.get("/static/chat.js") as script:
        assert len(script.data) < MOST_SCRIPT_BYTES
        wrong = r"innerHTML|outerHTML|insertAdjacent|eval\(|document\.write"
        assert not re.search(wrong, script.text)


# The whole of it.


@pytest.fixture(scope="module")
def port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    words = ["-m", "hipflask", "serve", "--app", "examples.chat", "--bind", f"127.0.0.1:{free}"]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("FLASK_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", free), 1).close()
                break
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
        yield free
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0, printed
        assert "Traceback" not in printed
    finally:
        process.kill()
        process.communicate()


needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="stops the server by a signal")


@needs_posix
def test_two_clients_talk_and_the_feed_tells(port):
    connect = pytest.importorskip("websockets.sync.client").connect
    feed = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    url = f"ws://127.0.0.1:{port}/rooms/shed/socket"
    with connect(url) as ada, connect(url) as bob:
        ada.send(json.dumps({"name": "Ada", "text": "is anybody there?"}))
        first = json.loads(ada.recv(PATIENCE_S))
        assert (first["name"], first["text"]) == ("Ada", "is anybody there?")
        # So that the feed begins with what was said before it was asked for.
        feed.request("GET", "/feed", headers={"Last-Event-ID": str(first["number"] - 1)})
        stream = feed.getresponse()
        assert stream.getheader("Content-Type").startswith("text/event-stream")
        assert read_event(stream) == (str(first["number"]), first)
        assert json.loads(bob.recv(PATIENCE_S)) == first
        bob.send(json.dumps({"name": "Bob", "text": "I am"}))
        second = json.loads(ada.recv(PATIENCE_S))
        assert second["text"] == "I am"
        assert read_event(stream) == (str(second["number"]), second)
        bob.send(json.dumps({"name": "", "text": "I am"}))
        assert json.loads(bob.recv(PATIENCE_S)) == second
        assert json.loads(bob.recv(PATIENCE_S)) == {"refused": "Give a name."}
    feed.close()


@needs_posix
def test_a_page_of_another_site_opens_no_socket(port):
    client = pytest.importorskip("websockets.sync.client")
    exceptions = pytest.importorskip("websockets.exceptions")
    url = f"ws://127.0.0.1:{port}/rooms/shed/socket"
    with pytest.raises(exceptions.InvalidStatus) as caught:
        client.connect(url, origin="https://elsewhere.example")
    assert caught.value.response.status_code == 403


def read_event(stream) -> tuple[str | None, object]:
    """Return the id and the data of the next event that has data."""
    fields: dict[str, str] = {}
    while True:
        line = stream.readline().decode().rstrip("\n")
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            return fields.get("id"), json.loads(fields["data"])
        else:
            fields.clear()
