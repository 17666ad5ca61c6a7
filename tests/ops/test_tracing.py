"""W3C trace context: what is taken, what is passed on, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.ops.observing import Observer, observe
from hipflask.ops.tracing import (
    Trace,
    continued,
    current_trace,
    fields_to_send,
    parse_state,
    parse_trace,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (PARENT, "01"),
        (f" {PARENT}\t", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"cc-{TRACE}-{SPAN}-03-what-the-future-brings", "01"),
        (f"cc-{TRACE}-{SPAN}-02", "00"),
    ],
)
def test_a_traceparent_is_taken(text: str, flags: str) -> None:
    assert parse_trace(text) == Trace(TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}",
        f"{PARENT},{PARENT}",
        PARENT + " " * 5000,
        None,
    ],
)
def test_a_wrong_traceparent_is_none(text: str | None) -> None:
    assert parse_trace(text, "a=1") is None


def test_a_tracestate_is_passed_on_within_its_limits() -> None:
    assert parse_state("rojo=00f067aa, congo=t61rcWkgMzE,") == "rojo=00f067aa,congo=t61rcWkgMzE"
    assert parse_state("fw529a3039@dt=FfAK") == "fw529a3039@dt=FfAK"
    assert parse_state("a=1,a=2") == ""
    assert parse_state("A=1") == ""
    assert parse_state("a=1\nb=2") == ""
    assert parse_state(",".join(f"k{n}=1" for n in range(40))).count(",") == 31
    assert len(parse_state(",".join(f"k{n}={'v' * 100}" for n in range(9)))) <= 512


@given(st.text(), st.text())
def test_any_text_is_a_trace_or_none(parent: str, state: str) -> None:
    found = parse_trace(parent, state)
    assert found is None or parse_trace(found.fields()[0][1]) is not None
    assert parse_trace(PARENT, state) is not None


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
@pytest.mark.parametrize("observed", [False, True])
def test_a_request_hands_its_trace_on(door: str, observed: bool) -> None:
    app = Flask("traced", static_folder=None)
    if observed:
        observe(app, Observer())

    @app.get("/")
    def index() -> Any:
        return [list(pair) for pair in fields_to_send(())]

    client = app.test_client(door=door)
    sent = client.get("/", headers={"traceparent": PARENT, "tracestate": "a=1"}).get_json()
    trace = parse_trace(*(value for _, value in sent))
    assert trace is not None
    assert (trace.trace_id, trace.state, trace.flags) == (TRACE, "a=1", "01")
    # Observed, the request is a span of its own; else the caller's is handed on as it is.
    assert (trace.span_id == SPAN) is not observed
    begun = client.get("/").get_json()
    assert bool(begun) is observed


def test_a_call_keeps_a_trace_that_somebody_chose() -> None:
    with continued([(b"Traceparent", PARENT.encode())], "stripe"):
        own = [("traceparent", f"00-{'1' * 32}-{SPAN}-01")]
        assert fields_to_send(own) == ()
        again = fields_to_send([("TraceParent", PARENT)])
        assert again[0][1].startswith(f"00-{TRACE}-")
        assert again[0][1] != PARENT


def test_stored_work_goes_on_in_the_trace_of_its_delivery() -> None:
    assert current_trace() is None
    with continued([(b"Traceparent", PARENT.encode()), (b"tracestate", b"a=1")], "stripe"):
        trace = current_trace()
        assert trace is not None
        assert (trace.trace_id, trace.parent_id, trace.state) == (TRACE, SPAN, "a=1")
        with continued([], "github"):
            assert current_trace() is None
    assert current_trace() is None
