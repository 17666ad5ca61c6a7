"""The app that is fired at: a view for each way a request can be read."""

from __future__ import annotations

import io
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hipflask
from hipflask import Flask, Response, abort, got_request_exception, request, session

# Far above any honest answer (well under 10 ms), so that a busy machine is no failure.
DEADLINE_S = 20.0
HERE = Path(__file__).parent
EVERY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build() -> Flask:
    """An app with small limits that reads everything a request can carry."""
    app = Flask(
        "fuzz_target", root_path=str(HERE), static_folder="corpus", static_url_path="/static"
    )
    app.config.update(
        SECRET_KEY="fuzz",
        MAX_CONTENT_LENGTH=200_000,
        MAX_FORM_MEMORY_SIZE=50_000,
        MAX_FORM_PARTS=100,
    )
    app.logger.disabled = True

    @app.route("/", methods=EVERY)
    def index() -> str:
        return "index"

    @app.route("/echo", methods=EVERY)
    @app.route("/echo/<path:rest>", methods=EVERY)
    def echo(rest: str = "") -> dict[str, Any]:
        r = request
        return {
            "rest": rest,
            "args": r.args.to_dict(flat=False),
            "number": r.args.get("n", type=int),
            # A part without a name has None for one, which no sorting puts beside text.
            "form": {str(name): found for name, found in r.form.to_dict(flat=False).items()},
            "files": [(f.filename, len(f.read()), f.mimetype) for f in r.files.values()],
            "values": len(r.values),
            "cookies": r.cookies.to_dict(flat=False),
            "urls": [r.url, r.base_url, r.root_url, r.full_path, r.host, r.host_url],
            "accept": [str(a) for a in (r.accept_mimetypes, r.accept_charsets, r.accept_encodings)],
            "best": [r.accept_mimetypes.best, r.accept_languages.best_match(["en", "de"])],
            "cache": [str(r.cache_control), str(r.if_match), str(r.if_none_match), r.if_range.etag],
            "dates": [str(r.if_modified_since), str(r.if_unmodified_since), str(r.date)],
            "type": [r.mimetype, r.mimetype_params, r.content_length, r.content_encoding],
            "range": str(r.range),
            "auth": r.authorization.type if r.authorization else None,
            "who": [r.remote_addr, r.access_route, r.user_agent.string, r.referrer, r.origin],
            "cors": [r.access_control_request_method, str(r.access_control_request_headers)],
            "headers": len(list(r.headers)),
            "pragma": str(r.pragma),
            "max_forwards": r.max_forwards,
        }

    @app.route("/json", methods=EVERY)
    def strict() -> Any:
        return {"json": request.json}

    @app.route("/json/force", methods=EVERY)
    def forced() -> Any:
        return {"json": request.get_json(force=True)}

    @app.route("/json/silent", methods=EVERY)
    def silent() -> Any:
        return {"json": request.get_json(silent=True)}

    @app.route("/data", methods=EVERY)
    def data() -> Response:
        return Response(request.get_data(), mimetype="application/octet-stream")

    @app.route("/stream", methods=EVERY)
    def stream() -> str:
        return str(len(request.stream.read()))

    @app.route("/missing", methods=EVERY)
    def missing() -> str:
        return request.form["absent"] + request.args["absent"]

    @app.route("/session", methods=EVERY)
    def sessions() -> Any:
        session["n"] = session.get("n", 0) if isinstance(session.get("n", 0), int) else 0
        return dict(session)

    @app.route("/file", methods=EVERY)
    def file() -> Response:
        return hipflask.send_file(
            io.BytesIO(b"0123456789" * 50), download_name="d.txt", etag="tag", last_modified=10**9
        )

    @app.route("/from/<path:name>")
    def sent_from(name: str) -> Response:
        return hipflask.send_from_directory("corpus", name)

    @app.route("/int/<int:n>")
    @app.route("/signed/<int(signed=True):n>")
    @app.route("/float/<float:n>")
    @app.route("/uuid/<uuid:n>")
    @app.route("/any/<any(a, b):n>")
    @app.route("/two/<int:n>-<m>")
    def typed(n: Any, m: str = "") -> str:
        return f"{n} {m}"

    @app.route("/branch/", methods=EVERY)
    def branch() -> str:
        return hipflask.url_for("echo", rest=request.args.get("q", "x"), _external=True)

    @app.route("/redirect", methods=EVERY)
    def redirect() -> Any:
        to = request.args.get("to", "/")
        try:
            # An app that lets a client choose any target has a hole of its own making.
            return hipflask.redirect(to if to.startswith("/") else "/")
        except ValueError:
            return "line breaks are refused", 400

    @app.route("/template", methods=EVERY)
    def template() -> str:
        return hipflask.render_template_string(
            "{{ request.url }} {{ request.args.q }} {{ request.cookies }} {{ given }}",
            given=request.args.to_dict(),
        )

    @app.route("/cookie", methods=EVERY)
    def cookie() -> Response:
        response = hipflask.make_response("cookie")
        response.set_cookie("echo", request.cookies.get("a", "")[:1000])
        return response

    @app.route("/abort/<int:code>")
    def aborted(code: int) -> Any:
        abort(code if 400 <= code < 452 and code not in NO_CLASS else 404)

    return app


NO_CLASS = {402, 407, 419, 420, 425, 427, 430, 432, *range(433, 451)} - {451}


class Hang(BaseException):
    """An answer did not come in time. No Exception, so that no handler under test eats it."""


@contextmanager
def watchdog(seconds: float, what: Callable[[], str]) -> Iterator[None]:
    """Raise `Hang` in the main thread when the block takes longer.

    Where there are no interval timers (Windows) it only measures afterwards.
    """
    started = time.monotonic()
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def ring(number: int, frame: Any) -> None:
        raise Hang(f"no answer after {seconds} s: {what()}")

    if timed:
        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    if time.monotonic() - started > seconds:
        raise Hang(f"answered after more than {seconds} s: {what()}")


class Gun:
    """Fires environs at one app, counts them, and keeps each kind of failure once.

    A failure is a status of 500 or more, an exception that leaves the app, or a header that no
    server may send. A hang is raised at once.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.fired = 0
        self.statuses: dict[int, int] = {}
        self.failures: dict[str, str] = {}
        self._raised: list[Exception] = []
        got_request_exception.connect(self._note, app)

    def _note(self, sender: Flask, exception: Exception, **rest: Any) -> None:
        self._raised.append(exception)

    def fire(self, environ: dict[str, Any]) -> None:
        """One request, answered and read to its end."""
        shown = {k: v for k, v in environ.items() if not k.startswith("wsgi.")}
        shown["body"] = environ["wsgi.input"].getvalue()[:200]
        started: list[tuple[str, list[tuple[str, str]]]] = []
        self._raised.clear()

        def start_response(line: str, headers: Any, exc_info: Any = None) -> Any:
            started.append((line, headers))
            return lambda chunk: None

        with watchdog(DEADLINE_S, lambda: repr(shown)):
            try:
                chunks = self.app(environ, start_response)
                for chunk in chunks:
                    assert type(chunk) is bytes
                close = getattr(chunks, "close", None)
                if close:
                    close()
            except Exception as error:
                self._raised.append(error)
                started[:] = [("599 raised", [])]
        self.fired += 1
        line, headers = started[-1]
        status = int(line[:3])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if not 200 <= status < 500:
            self.fail(f"{line} after {place_of(self._raised)}", shown)
        for name, value in headers:
            if UNSENDABLE.search(name + value):
                self.fail(f"unsendable header {name!r}", shown)

    def fail(self, kind: str, shown: dict[str, Any]) -> None:
        """Keep the first request that failed in this way."""
        self.failures.setdefault(kind, repr({k: v[:150] for k, v in shown.items()}))

    def check(self) -> None:
        """Fail with every kind of failure met so far; they are forgotten then."""
        found, self.failures = self.failures, {}
        assert not found, "\n".join(f"{kind}\n    {shown}" for kind, shown in found.items())


UNSENDABLE = re.compile("[\r\n\0\u0100-\U0010ffff]")


def place_of(raised: list[Exception]) -> str:
    """The last exception's type and where it came from, so that alike failures are one."""
    if not raised:
        return "no exception"
    found = traceback.extract_tb(raised[-1].__traceback__)[-3:]
    lines = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(found))
    return f"{type(raised[-1]).__name__} at {lines}"


def clean(value: bytes) -> bytes:
    """The value as a server would let it through."""
    return value.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ")


def environ_of(
    method: str = "GET",
    path: bytes = b"/",
    query: bytes = b"",
    headers: tuple[tuple[str, bytes], ...] = (),
    body: bytes = b"",
    length: str | None = None,
) -> dict[str, Any]:
    """A WSGI environ from raw bytes, decoded as servers do: latin-1. `path` is percent-decoded.

    Line breaks and NUL are taken out of query and headers: no server lets them through.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": clean(query).decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = length
    elif body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        environ[key] = clean(value).decode("latin-1")
    return environ
