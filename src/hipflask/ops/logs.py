"""Structured logs: one line a request, and every record of `logging` in the same form.

    from hipflask.ops.logs import structured_logs

    structured_logs(app)

Under `hipflask serve` that is on by itself. Lines are JSON, or text where a person reads them;
both are written by `lines.py`, which lets no secret and no control character through.
"""

from __future__ import annotations

import logging
import sys
from json.encoder import encode_basestring_ascii as _ascii
from time import time
from typing import Any

from ..config import DEFAULTS
from ..scaffold import SetupError
from .identifiers import FIELD, trusting
from .lines import MILLISECONDS, Clock, Handler, JSONLines, Stream, TextLines, name_requests
from .observing import Observation, Observer, Observing, current, observe
from .printing import printable
from .redacting import Redactor

FORMS = ("json", "text", "auto", "off")
# Of a path and a method, whose length is the client's choice.
_LONGEST_PATH = 1024
_LONGEST_METHOD = 32

# A route in a line of JSON, and what stands for its paths: None where the path may be shown.
_Said = tuple[str, str | None]
_ROUTES_KEPT = 10_000

# Words of such a line that come again and again.
_KIND = '","logger":"hipflask.access","message":"'
_INFO = f'info{_KIND}request","request_id":"'
_PATH = ',"path":'
_METHODS = {method: f'"{method}"' for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")}
_NUMBERS = tuple(map(str, range(1000)))
_THOUSANDTHS = tuple(f".{number:03d}" for number in range(1000))

access = logging.getLogger("hipflask.access")


def structured_logs(
    app: Any, form: str | None = None, *, to: Any = "stdout", query: bool = False
) -> None:
    """Log `app`'s requests, a line each, and what it and its libraries log, in one form.

    `form` is "json", "text", or "auto" for text at a terminal and JSON elsewhere; the setting
    `LOGS`, or "auto", unless given. `to` is a stream, or "stdout" or "stderr". `query` is
    whether the line has the query string, without its secrets. Handlers of the root logger that
    write to the terminal are replaced, others stay. Call it when the application is configured;
    a second call changes nothing. Raises SetupError for a setting that cannot work.
    """
    stream = Stream(to)
    log_records(app, form, stream)
    log_requests(app, form, stream, query=query)


def form_of(chosen: str | None, config: Any, stream: Stream) -> str:
    """ "json" or "text"; raises SetupError for a setting that is none."""
    chosen = chosen or config.get("LOGS") or "auto"
    if chosen not in FORMS:
        raise SetupError(f"LOGS={chosen!r} is none of 'json', 'text', 'auto' and 'off'.")
    if chosen in ("auto", "off"):
        return "text" if stream.is_terminal() else "json"
    return str(chosen)


def log_requests(app: Any, form: str | None, stream: Stream, *, query: bool = False) -> None:
    """Write a line for each request of `app`, which may be an `Observing` by itself."""
    observing = app if isinstance(app, Observing) else app._observing
    if observing and any(isinstance(one, RequestLines) for one in observing.observers):
        return
    config = _config(app)
    is_json = form_of(form, config, stream) == "json"
    lines = RequestLines(stream, is_json, redactor_of(config), config, shows_query=query)
    if isinstance(app, Observing):
        app.add(lines)
        return
    observe(app, lines)
    app._observing.name = trusting(config.get("REQUEST_ID_FROM") or ())
    if config.get("REQUEST_ID_RESPONSE"):
        app.after_request(tell_id)


def _config(app: Any) -> Any:
    return app.config if hasattr(app, "_observing") else {}


def redactor_of(config: Any) -> Redactor:
    """What knows the names of secrets, those of the setting `LOG_REDACT` among them."""
    names = config.get("LOG_REDACT") or ()
    return Redactor([names] if isinstance(names, str) else names)


def log_records(app: Any, form: str | None, stream: Stream, *, keeps_own: bool = False) -> None:
    """Have the records of `logging` written in that form.

    With `keeps_own` only where the application has not configured `logging` itself.
    """
    root = logging.getLogger()
    # Another framework's application has its own ways.
    logger = app.logger if hasattr(app, "_observing") else None
    default: Any = None
    if logger is not None:
        from ..logging import default_handler  # loaded by the logger

        default = default_handler
    name_requests()
    if any(type(known) is Handler for known in root.handlers):
        return
    if keeps_own and (root.handlers or (logger and set(logger.handlers) - {default})):
        return
    config = _config(app)
    handler = Handler(stream)
    redactor = redactor_of(config)
    is_json = form_of(form, config, stream) == "json"
    handler.setFormatter(JSONLines(redactor) if is_json else TextLines(redactor))
    for known in list(root.handlers):
        if type(known) is logging.StreamHandler and known.stream in (sys.stdout, sys.stderr):
            root.removeHandler(known)
    root.addHandler(handler)
    if logger is not None:
        logger.removeHandler(default)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def tell_id(response: Any) -> Any:
    """Put the request's id into its response."""
    seen = current()
    if seen is not None:
        response.headers[FIELD] = seen.request_id
    return response


def _id_field(ctx: Any) -> tuple[tuple[str, str], ...]:
    seen = ctx.seen
    return () if seen is None else ((FIELD, seen._request_id or seen.request_id),)


tell_id.is_quick = True  # type: ignore[attr-defined]  # it never waits: no thread is taken for it
tell_id.adds = _id_field  # type: ignore[attr-defined]  # for an answer that nobody goes through


class RequestLines(Observer):
    """One line for each request, at its end."""

    def __init__(
        self,
        stream: Stream,
        is_json: bool,
        redactor: Redactor,
        config: Any,
        *,
        shows_query: bool = False,
    ) -> None:
        self._stream = stream
        self._redactor = redactor
        self._shows_query = shows_query
        self._clock = Clock()
        self._line = self._json if is_json else self._text
        most = config.get("LOG_SAMPLE_ABOVE", DEFAULTS["LOG_SAMPLE_ABOVE"])
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise SetupError(f"LOG_SAMPLE_ABOVE={most!r} is no number of lines, such as 1000.")
        # 2xx answers a second that get a line; the next line says how many did not.
        self._most: int = sys.maxsize if most is None else most
        # The second of the last line, and how it is written.
        self._second = 0, ""
        self._count = 0
        self._skipped = 0
        # What is said of routes, and of requests without one.
        self._known: dict[Any, _Said] = {}
        # Who gave this logger a handler wants its records; nobody else pays for them.
        self._has_logger = bool(access.handlers)
        if self._has_logger:
            access.propagate = False
            if access.level == logging.NOTSET:
                access.setLevel(logging.INFO)

    def end(self, seen: Observation, token: Any) -> None:
        """Write the line, unless so many went well in this second that this one is left out."""
        now = time()
        second, text = self._second
        since = now - second
        if not 0.0 <= since < 1.0:
            second = int(now)
            since = now - second
            text = self._clock.at(second)
            self._second = second, text
            self._count = 0
        if seen.error is None and 200 <= seen.status < 300:
            self._count += 1
            if self._count > self._most:
                self._skipped += 1
                return
        write_line = self._line
        line = write_line(seen, text + MILLISECONDS[int(since * 1000)])
        if self._has_logger:
            access.log(self._level(seen), line[:-1])
        else:
            self._stream.write(line)

    def closed(self, seen: Observation) -> None:
        """Write the line of a WebSocket, none of which is left out."""
        self.end(seen, None)

    def _level(self, seen: Observation) -> int:
        return logging.ERROR if _has_failed(seen) else logging.INFO

    def _said(self, seen: Observation) -> _Said:
        """What is said of the request's route."""
        ctx = seen.ctx
        route = None if ctx is None else ctx.route
        said = self._known.get(route)
        if said is None:
            rule = None if route is None else route.rule
            said = _of_rule(rule, self._redactor)
            if len(self._known) >= _ROUTES_KEPT:
                self._known.clear()  # of plans that are no more
            self._known[route] = said
        return said

    def _path(self, seen: Observation) -> str:
        """The path, or the route where a variable of it is a secret."""
        ctx = seen.ctx
        if ctx is not None and ctx.arguments and (masked := self._said(seen)[1]) is not None:
            return masked
        path: str = seen.head.path
        return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "..."

    def _json(self, seen: Observation, when: str) -> str:
        """The line as a JSON object, written as text; with its end.

        It is what a request pays most for, so what comes again is kept in words: by `json` it
        takes 30,000 instructions, and takes 8,000.
        """
        method, path, address = seen.head.line_of_log()
        ctx = seen.ctx
        # As `_said`, for a route that is known.
        route, masked = self._known.get(None if ctx is None else ctx.route) or self._said(seen)
        if masked is not None and ctx.arguments:
            path = masked
        elif len(path) > _LONGEST_PATH:
            path = path[:_LONGEST_PATH] + "..."
        status, size = seen.status, seen.size
        user = None if getattr(ctx, "_identity", None) is None else seen.user
        trace_id, span_id, _, _, _ = seen._trace or seen.trace
        # As `seen.is_unusual`, without asking.
        is_unusual = (
            seen.error is not None
            or seen.is_gone
            or seen.refusal is not None
            or seen.websocket is not None
        )
        level = _INFO
        if is_unusual or status >= 500:
            kind = "request" if seen.websocket is None else "websocket"
            level = f'{"error" if _has_failed(seen) else "info"}{_KIND}{kind}","request_id":"'
        microseconds = int(seen.duration_s * 1e6 + 0.5)
        line = (
            f'{{"time":"{when}","level":"{level}{seen._request_id or seen.request_id}'
            f'","trace_id":"{trace_id}","span_id":"{span_id}'
            f'","method":{_METHODS.get(method) or _ascii(method[:_LONGEST_METHOD])}{route}'
            f'{_ascii(path)},"status":{_NUMBERS[status] if 0 <= status < 1000 else status}'
            f',"duration_ms":{microseconds // 1000}{_THOUSANDTHS[microseconds % 1000]}'
            f',"bytes":{_NUMBERS[size] if size < 1000 else size}'
            f',"client":{"null" if not address else _ascii(address)}'
            f',"user":{"null" if user is None else _ascii(user)}'
        )
        if self._shows_query and (query := self._query(seen)):
            line += f',"query":{_ascii(query)}'
        if is_unusual or self._skipped:
            for name, value in self._rest(seen):
                line += f',"{name}":{value if value.__class__ is int else _ascii(str(value))}'
        line += "}\n"
        # The one control character that JSON lets stand.
        return line.replace("\x7f", "\\u007f") if "\x7f" in line else line

    def _text(self, seen: Observation, when: str) -> str:
        head, route, user = seen.head, seen.route, seen.user
        client, query = head.client, self._query(seen)
        target = f"{self._path(seen)}?{query}" if query else self._path(seen)
        line = (
            f"{when} {printable(client[0]) if client else '-'}"
            f' "{printable(f"{seen.method[:_LONGEST_METHOD]} {target}")} HTTP/{head.http_version}"'
            f" {seen.status} {seen.duration_s * 1000:.1f}ms"
        )
        if user is not None:
            line += f" user={printable(user)}"
        if route is not None and "<" in route:
            line += f" route={printable(route)}"
        for name, value in self._rest(seen):
            line += f" {name}={printable(str(value))}"
        return f"{line} [{seen.request_id}]\n"

    def _query(self, seen: Observation) -> str:
        """The query string without its secrets, where it is shown at all."""
        if not self._shows_query or not (query := seen.head.query_string):
            return ""
        return self._redactor.query(query[:_LONGEST_PATH].decode("latin-1"))

    def _rest(self, seen: Observation) -> list[tuple[str, Any]]:
        """What most requests have nothing of."""
        rest: list[tuple[str, Any]] = []
        if (websocket := seen.websocket) is not None:
            if websocket.accepted:
                rest.append(("code", websocket.close_code))
            rest += [("received", websocket.received), ("sent", websocket.sent)]
        if seen.error is not None:
            rest.append(("error", type(seen.error).__name__))
        if seen.is_gone:
            rest.append(("client_left", 1))
        if seen.refusal is not None:
            rest.append(("refused", seen.refusal))
        if self._skipped:
            rest.append(("left_out", self._skipped))
            self._skipped = 0
        return rest


def _of_rule(rule: Any, redactor: Redactor) -> _Said:
    if rule is None:
        return f',"route":null{_PATH}', None
    has_secret = any(map(redactor.is_secret, rule.arguments))
    return f',"route":{_ascii(rule.rule)}{_PATH}', rule.rule if has_secret else None


def _has_failed(seen: Observation) -> bool:
    # A connection has its 101 whatever comes later.
    return seen.status >= 500 or (seen.websocket is not None and seen.error is not None)
