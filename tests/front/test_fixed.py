"""Answers that are made once: the same on the wire, and never changed by who goes through them."""

from __future__ import annotations

import pytest

from hipflask import Flask, doors
from hipflask.responses import Fixed, Unsendable


def make(*, is_hooked):
    app = Flask("fixed", static_folder=None)
    app.testing = True
    taken = Fixed(b"taken\n", 202, "text/plain; charset=utf-8")
    nothing = Fixed(b"", 204, "text/plain")

    @app.route("/async", methods=["GET", "POST"])
    async def on_the_loop():
        return taken

    @app.get("/sync")
    def in_the_pool():
        return taken

    @app.get("/nothing")
    async def nothing_at_all():
        return nothing

    if is_hooked:

        @app.after_request
        def count(response):
            response.headers["X-Seen"] = response.headers.get("X-Seen", "") + "1"
            return response

    return app


@pytest.mark.parametrize("door", doors.DOORS)
@pytest.mark.parametrize("is_hooked", [False, True], ids=["bare", "hooked"])
def test_each_gets_the_same(door, is_hooked):
    client = make(is_hooked=is_hooked).test_client(door=door)
    for path in ("/async", "/sync") * 2:
        found = client.get(path)
        assert (found.status_code, found.data) == (202, b"taken\n")
        assert found.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert found.headers["Content-Length"] == "6"
        # One, always: the second answer has nothing of the first one.
        assert found.headers.get_all("X-Seen") == (["1"] if is_hooked else [])
        head = client.head(path)
        assert (head.status_code, head.data, head.headers["Content-Length"]) == (202, b"", "6")
    found = client.get("/nothing")
    assert (found.status_code, found.data) == (204, b"")


def test_what_cannot_be_sent_is_refused_at_setup():
    with pytest.raises(Unsendable):
        Fixed(b"", 1000, "text/plain")
    with pytest.raises((Unsendable, ValueError)):
        Fixed(b"", 202, "text/plain\r\nX: y")
