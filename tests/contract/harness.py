"""Drive one app through a door, and hold two answers against each other.

A door turns a `Call` into whatever an interface hands to an app and its answer into an `Answer`.
The suite takes the door's name from the fixture `door`, so another interface joins by one entry
in `DOORS`.
"""

from __future__ import annotations

import email.utils
import fnmatch
import importlib.metadata
import io
import re
import tomllib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote_to_bytes

from hipflask.doors import ring

HERE = Path(__file__).parent
CLOCK_TOLERANCE_S = 3


@dataclass(frozen=True)
class Call:
    """One request. `path` is percent-encoded, header values are latin-1 text."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    host: str = "localhost"
    scheme: str = "http"
    root: str = ""

    @property
    def content_type(self) -> str:
        """The Content-Type sent, in lower case."""
        return next((v.lower() for k, v in self.headers if k.lower() == "content-type"), "")

    @property
    def length(self) -> str:
        """The Content-Length sent where it is not the body's, else nothing."""
        declared = next((v for k, v in self.headers if k.lower() == "content-length"), None)
        return "" if declared is None or declared == str(len(self.body)) else declared or "none"

    @property
    def coding(self) -> str:
        """The Transfer-Encoding sent, beside the Content-Length that every body has here."""
        return next((v for k, v in self.headers if k.lower() == "transfer-encoding"), "")


@dataclass
class Answer:
    """What came back, or the exception that left the app."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    error: BaseException | None = None
    faults: list[str] = field(default_factory=list)
    reported: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


def environ_of(call: Call) -> dict[str, Any]:
    """The WSGI environ for a call, as a server on port 80 or 443 would build it."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": call.root,
        "PATH_INFO": unquote_to_bytes(call.path).decode("latin-1"),
        "QUERY_STRING": call.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "443" if call.scheme == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": call.host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": call.scheme,
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if call.body:
        environ["CONTENT_LENGTH"] = str(len(call.body))
    for name, value in call.headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key == "HTTP_COOKIE" and key in environ:
            value = f"{environ[key]}; {value}"
        environ[key] = value
    return environ


def ring_wsgi(app: Any, call: Call) -> Answer:
    """Call the app as PEP 3333 says, noting each breach of it in `faults`."""
    environ = environ_of(call)
    answer = Answer()
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if started and exc_info is None:
            answer.faults.append("start_response called twice")
        started.append((status, list(headers)))
        return written.append

    try:
        chunks = app(environ, start_response)
        try:
            for chunk in chunks:
                if not isinstance(chunk, bytes):
                    answer.faults.append(f"chunk of type {type(chunk).__name__}")
                written.append(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except Exception as error:
        answer.error = error
    answer.reported = bool(environ["wsgi.errors"].getvalue())
    if started:
        answer.status, answer.headers = started[-1]
        for name, value in answer.headers:
            if type(name) is not str or type(value) is not str:
                answer.faults.append(f"header {name!r} is no native string")
            elif re.search(r"[\r\n\0]", name + value):
                answer.faults.append(f"line break in header {name!r}")
    elif answer.error is None:
        answer.faults.append("start_response never called")
    answer.body = b"".join(written)
    return answer


def ring_async(door: str) -> Callable[[Any, Call], Answer]:
    """A way to ring the front-end for an async server, the same request as under WSGI."""

    def ring_door(app: Any, call: Call) -> Answer:
        answer = Answer()
        written: list[bytes] = []
        try:
            pieces, answer.status, headers = ring(app, door, environ_of(call))
            answer.headers = list(headers)
            with closing(pieces):
                written.extend(pieces)
        except Exception as error:
            answer.error = error
        answer.body = b"".join(written)
        return answer

    return ring_door


DOORS: dict[str, Callable[[Any, Call], Answer]] = {
    "wsgi": ring_wsgi,
    "asgi": ring_async("asgi"),
    "rsgi": ring_async("rsgi"),
}


class Jar:
    """The cookies one side has set so far: enough of a browser for a session."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def apply(self, call: Call) -> Call:
        if not self.values:
            return call
        text = "; ".join(f"{k}={v}" for k, v in self.values.items())
        return Call(**{**vars(call), "headers": (("Cookie", text), *call.headers)})

    def keep(self, answer: Answer) -> None:
        for name, value in answer.headers:
            if name.lower() != "set-cookie":
                continue
            pair, *rest = value.split("; ")
            key, _, content = pair.partition("=")
            if any(part.lower() == "max-age=0" for part in rest):
                self.values.pop(key, None)
            else:
                self.values[key] = content


@dataclass
class Side:
    """An app built from one of the two modules, with its hook log and its cookies."""

    name: str
    app: Any
    log: list[Any]
    ring: Callable[[Any, Call], Answer]
    door: str = "wsgi"
    jar: Jar = field(default_factory=Jar)

    def send(self, call: Call) -> Answer:
        self.log.clear()
        answer = self.ring(self.app, self.jar.apply(call))
        self.jar.keep(answer)
        return answer


def open_side(
    fl: ModuleType, builder: Callable[[ModuleType, list[Any]], Any], door: str = "wsgi"
) -> Side:
    """Build the app on `fl` (the module flask or hipflask) and stand it behind a door."""
    log: list[Any] = []
    if fl.__name__ == "flask":
        door = "wsgi"
    return Side(fl.__name__, builder(fl, log), log, DOORS[door], door)


def split_cookie(text: str, session_name: str) -> tuple[tuple[str, ...], float | None]:
    """A Set-Cookie value in comparable form, and when it expires (seconds since the epoch).

    The session's timestamp and signature depend on the clock, so of it only the payload stays.
    """
    pair, *rest = text.split("; ")
    name, _, value = pair.partition("=")
    expires = None
    kept = []
    for part in rest:
        if part.startswith("Expires="):
            expires = email.utils.parsedate_to_datetime(part[8:]).timestamp()
        else:
            kept.append(part)
    if name == session_name and value.count(".") >= 2:
        value = value.rsplit(".", 2)[0]
    return (f"{name}={value}", *kept), expires


def comparable(side: Side, answer: Answer) -> tuple[dict[str, Any], list[tuple[str, float]]]:
    """The facts that must be equal on both sides, and the moments that may differ a little."""
    session_name = side.app.config["SESSION_COOKIE_NAME"]
    headers: list[Any] = []
    moments: list[tuple[str, float]] = []
    for name, value in answer.headers:
        if name == "Date":
            continue
        if name == "Set-Cookie":
            parts, expires = split_cookie(value, session_name)
            headers.append((name, *parts))
            if expires is not None:
                moments.append((parts[0], expires))
        elif name == "Allow":
            # A set on both sides: its order is the hash seed's.
            headers.append((name, tuple(sorted(value.split(", ")))))
        elif name == "Expires":
            moments.append((name, email.utils.parsedate_to_datetime(value).timestamp()))
        else:
            headers.append((name, value))
    facts = {
        "status": answer.status,
        "headers": sorted(headers),
        "body": answer.body,
        "error": type(answer.error).__name__ if answer.error is not None else None,
        "faults": answer.faults,
        "reported": answer.reported,
        "hooks": list(side.log),
    }
    return facts, sorted(moments)


def session_cookie(side: Side, answer: Answer) -> str | None:
    """The session cookie's raw value, if this answer sets one that is not a deletion."""
    prefix = side.app.config["SESSION_COOKIE_NAME"] + "="
    for name, value in answer.headers:
        if name == "Set-Cookie" and value.startswith(prefix):
            return value[len(prefix) :].split(";", 1)[0] or None
    return None


def read_session(app: Any, cookie: str) -> Any:
    """What a session cookie says, verified with the app's own keys."""
    serializer = app.session_interface.get_signing_serializer(app)
    return None if serializer is None else serializer.loads(cookie)


@dataclass(frozen=True)
class Difference:
    """One meant difference: for which calls and outcomes, and which facts may then differ."""

    app: str
    doors: tuple[str, ...]
    reason: str
    facts: frozenset[str]
    method: str
    texts: tuple[tuple[str, re.Pattern[str]], ...]
    theirs: str
    ours: str

    def covers(self, app: str, door: str, call: Call, theirs: str, ours: str) -> bool:
        """Whether this entry excuses a call that was answered with these two outcomes."""
        return (
            fnmatch.fnmatchcase(app, self.app)
            and door in self.doors
            and self.method in ("*", call.method)
            and all(p.search(getattr(call, name)) for name, p in self.texts)
            and theirs.startswith(self.theirs)
            and ours.startswith(self.ours)
        )


def outcome(facts: dict[str, Any]) -> str:
    """How a call ended in one word: its status, or 500 for an error that left the app."""
    return "500" if facts["error"] else str(facts["status"])


def load_differences() -> list[Difference]:
    """The entries of differences.toml."""
    rows = tomllib.loads((HERE / "differences.toml").read_text()).get("difference", [])
    present = numbers(importlib.metadata.version("werkzeug"))
    return [
        Difference(
            app=row["app"],
            doors=tuple(row.get("doors", DOORS)),
            reason=row["reason"],
            facts=frozenset(row["facts"]),
            method=row.get("method", "*"),
            texts=tuple(
                (name, re.compile(row[name], re.DOTALL))
                for name in ("path", "query", "host", "content_type", "root", "length", "coding")
                if name in row
            ),
            theirs=row.get("theirs", ""),
            ours=row.get("ours", ""),
        )
        for row in rows
        if numbers(row.get("since_werkzeug", "0")) <= present
    ]


def numbers(version: str) -> list[int]:
    """A version's numbers, to compare by."""
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def hold_together(
    name: str,
    theirs: Side,
    ours: Side,
    calls: Iterable[Call],
    differences: Iterable[Difference] = (),
) -> None:
    """Send the calls to both sides in order, each with its own cookies; fail on a difference.

    Ends after a call that was answered with another status on purpose: from there on the two
    sides remember different things.
    """
    for call in calls:
        if ours.door != "wsgi":
            # ASGI and RSGI know methods in upper case only.
            call = replace(call, method=call.method.upper())
        answers = theirs.send(call), ours.send(call)
        compare(name, theirs, ours, call, answers, differences)
        if answers[0].status[:3] != answers[1].status[:3]:
            return


def compare(
    name: str,
    theirs: Side,
    ours: Side,
    call: Call,
    answers: tuple[Answer, Answer],
    differences: Iterable[Difference] = (),
) -> None:
    """Fail when the two answers to one call differ in anything not listed as meant."""
    expected, expected_moments = comparable(theirs, answers[0])
    got, got_moments = comparable(ours, answers[1])
    excused: set[str] = set()
    for entry in differences:
        if entry.covers(name, ours.door, call, outcome(expected), outcome(got)):
            excused |= entry.facts
    wrong = [k for k in expected if expected[k] != got[k] and k not in excused]
    if wrong:
        raise AssertionError(explain(name, call, wrong, expected, got, answers))
    if "headers" in excused:
        return
    assert [k for k, _ in expected_moments] == [k for k, _ in got_moments], call
    for (key, a), (_, b) in zip(expected_moments, got_moments, strict=True):
        assert abs(a - b) <= CLOCK_TOLERANCE_S, f"{name}: {call}: {key} expires {a} != {b}"
    cookies = session_cookie(theirs, answers[0]), session_cookie(ours, answers[1])
    assert (cookies[0] is None) == (cookies[1] is None), f"{name}: {call}"
    if cookies[0] is not None and cookies[1] is not None:
        readings = [read_session(side.app, c) for side in (theirs, ours) for c in cookies]
        assert all(r == readings[0] for r in readings), f"{name}: {call}: sessions {readings}"


def explain(
    name: str,
    call: Call,
    wrong: list[str],
    expected: dict[str, Any],
    got: dict[str, Any],
    answers: tuple[Answer, Answer],
) -> str:
    """A report that can be pasted into a bug: the call and both sides of each fact."""
    lines = [f"app {name!r} differs in {', '.join(wrong)} for {call}"]
    for key in wrong:
        lines += [f"  {key} flask   : {expected[key]!r}", f"  {key} hipflask: {got[key]!r}"]
    lines += [f"  raised: {a.error!r}" for a in answers if a.error is not None]
    return "\n".join(lines)
