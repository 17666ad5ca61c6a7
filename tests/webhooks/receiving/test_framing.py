"""However the body is framed, it is stored whole or not at all."""

from __future__ import annotations

import gzip
import json

import pytest

from hipflask.webhooks import Delivery

from .serving import head_of, status_of
from .test_receiving import fresh, signed

CAP = 1000  # of /small
# 0: closed without an answer. 411: our server under WSGI takes no chunks.
REFUSED = {0, 400, 401, 408, 411, 413}


def fields_of(delivery):
    return [f"{n.decode()}: {v.decode()}" for n, v in delivery.headers]


def chunks(body, size=100):
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def sized(size):
    """A signed delivery with a body of that many bytes."""
    body = fresh()
    return signed(body[:-1] + b"," + b'"pad":"' + b"x" * (size - len(body) - 9) + b'"}')


def stored(server, delivery):
    return [row for row in server.rows() if row.body == delivery.body]


@pytest.mark.parametrize("size", [CAP, CAP + 1, CAP * 3])
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_the_cap_counts_whatever_the_framing(everywhere, how, size):
    delivery = sized(size)
    assert len(delivery.body) == size
    if how == "length":
        head = head_of("/small", *fields_of(delivery), f"Content-Length: {size}")
        answer = everywhere.talk(head, delivery.body)
    else:
        head = head_of("/small", *fields_of(delivery), "Transfer-Encoding: chunked")
        answer = everywhere.talk(head, chunks(delivery.body), b"0\r\n\r\n")
    # Under WSGI our server asks for a length.
    may = 411 if everywhere.kind == "wsgi" and how == "chunked" else 202 if size <= CAP else 413
    # It does so without reading on, and the client may learn of it by a reset.
    assert status_of(answer) in ({0, 411} if may == 411 else {may}), answer
    assert len(stored(everywhere, delivery)) == (may == 202)


def test_more_than_the_cap_is_refused_before_it_is_sent(everywhere):
    delivery = sized(CAP * 3)
    head = head_of("/small", *fields_of(delivery), "Content-Length: 3000")
    assert status_of(everywhere.talk(head, delivery.body[:10])) == 413


@pytest.mark.parametrize("sent", [0, 1, 500, 799])
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_body_that_is_cut_is_never_stored(everywhere, how, sent):
    delivery = sized(800)
    if how == "length":
        head = head_of("/small", *fields_of(delivery), "Content-Length: 800")
        answer = everywhere.talk(head, delivery.body[:sent], half_close=True)
    else:
        head = head_of("/small", *fields_of(delivery), "Transfer-Encoding: chunked")
        answer = everywhere.talk(head, chunks(delivery.body[:sent]), half_close=True)
    assert status_of(answer) in REFUSED
    # Also where the signature is for what came: the end was not told.
    part = signed(delivery.body[:sent] or b"-")
    head = head_of("/small", *fields_of(part), "Transfer-Encoding: chunked")
    assert status_of(everywhere.talk(head, chunks(part.body), half_close=True)) in REFUSED - {401}
    assert not stored(everywhere, delivery) and not stored(everywhere, part)


@pytest.mark.parametrize("length", ["799", "801", "-1", "+800", "8 0", "0x320", "8e2", "9" * 30])
def test_a_length_that_lies(everywhere, length):
    delivery = sized(800)
    head = head_of("/small", *fields_of(delivery), f"Content-Length: {length}")
    answer = everywhere.talk(head, delivery.body, half_close=True)
    assert status_of(answer) in REFUSED
    assert not stored(everywhere, delivery)


def test_two_lengths_and_a_length_beside_chunks(everywhere):
    delivery = sized(800)
    for framing in (
        ("Content-Length: 800", "Content-Length: 10"),
        ("Content-Length: 10", "Transfer-Encoding: chunked"),
    ):
        head = head_of("/small", *fields_of(delivery), *framing)
        answer = everywhere.talk(head, delivery.body, half_close=True)
        assert status_of(answer) in REFUSED
    assert not stored(everywhere, delivery)


def test_a_gzip_bomb_is_not_looked_into(everywhere):
    bomb = gzip.compress(b"0" * 1_000_000)
    assert len(bomb) > CAP
    small = gzip.compress(b"0" * 10_000)
    for path, body in (("/github", bomb), ("/small", small)):
        delivery = signed(body, **{"Content-Encoding": "gzip"})
        assert everywhere.deliver(path, delivery)[0] == 415
        coded = Delivery(
            {n.decode(): v.decode() for n, v in delivery.headers}
            | {"Content-Encoding": "identity"},
            body,
        )
        # Called what it is, its bytes are stored as they came.
        assert everywhere.deliver(path, coded)[0] == 202
        assert stored(everywhere, coded)


def test_a_large_body_from_github(door):
    delivery = sized(3 * 1024 * 1024)
    assert door.deliver("/github", delivery)[0] == 202
    assert stored(door, delivery)
    assert json.loads(delivery.body)["n"]


def test_a_slow_sender_does_not_hold_up_the_others(door):
    if door.kind == "wsgi":
        pytest.skip("under WSGI the server reads, and a thread waits")
    slow = sized(800)
    head = head_of("/small", *fields_of(slow), "Content-Length: 800")
    import socket

    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as connection:
        connection.sendall(head + slow.body[:1])
        for _ in range(50):
            assert door.deliver("/small", sized(900))[0] == 202
            connection.sendall(slow.body[:1])
        # A byte now and then is not enough: it is cut.
        got = connection.recv(65536)
    assert status_of(got) in (0, 408)
    assert not stored(door, slow)
