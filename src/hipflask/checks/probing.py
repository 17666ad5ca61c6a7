"""Asking the application as a stranger, or as somebody, with its views taken out.

A view that a probe reaches is noted and answers an empty page: what stands before it, its typed
reader among them, runs as always. The one exception is asked for by name (`enters`), for GET.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import msgspec

from ..bridge import is_async
from .confining import Confined
from .facts import Route
from .gathering import tools_of
from .marks import EXAMPLE

#: What a placeholder in a path is filled with: values that nothing has.
_VALUES = {
    "int": "2147483646",
    "float": "2147483646.5",
    "uuid": "00000000-0000-4000-8000-00000000dead",
    "path": "no/such/thing",
}
_placeholder = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>")
#: A text that no log may repeat.
CANARY = "hf-canary-5c1d9a7e40b2"
#: Seconds that a request may take before it is left.
LONGEST_S = 15.0
_LONGEST_TROUBLE = 300


class Answer(msgspec.Struct, kw_only=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str
    #: Whether the route's view was reached.
    entered: bool
    #: Whether it tried for the network or a program on the way, and was kept from it.
    was_kept_off: bool


class Planned(msgspec.Struct, kw_only=True):
    """How a plan went: "" for what was not."""

    #: What the plan did, or tried to do, past `run.do`.
    effect: str = ""
    #: Why there is no plan.
    trouble: str = ""
    #: Whether that is so wherever it is planned.
    is_sure: bool = False


class Probe:
    """One application, asked in its own process."""

    def __init__(self, app: Any, confined: Confined) -> None:
        self._app = app
        self.confined = confined
        self._entered: set[str] = set()
        self._unanswered: list[str] = []
        self._views = dict(app.view_functions)
        self._are_out = False
        self._somebody = _Somebody()
        # An error is to be answered as visitors are answered.
        app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
        if app.identities:
            app.identities.insert(0, self._somebody)

    def ask(
        self,
        route: Route,
        *,
        body: bytes | None = None,
        accept: str = "application/json",
        as_somebody: bool = False,
        enters: bool = False,
        query: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request. `as_somebody` is somebody with the roles that the route asks for."""
        path = _placeholder.sub(
            lambda found: _VALUES.get(found[1] or "", "no-such-thing"), route.rule
        )
        self.confined.lately.clear()
        credentials = {"Authorization": f"Bearer {CANARY}"} if query else {}
        given = {
            "method": route.method,
            "data": body,
            "query_string": query,
            "headers": {"Accept": accept, **credentials},
            "content_type": "application/json" if body is not None else None,
        }
        self._take_views(not enters)
        self._somebody.roles = frozenset(route.roles) if as_somebody else None
        self._entered.clear()
        status, fields, text = self._sent(path, given)
        if not status and route.name not in self._unanswered:
            self._unanswered.append(route.name)
        return Answer(
            status=status,
            headers={name.lower(): value for name, value in fields},
            text=text,
            entered=route.endpoint in self._entered,
            was_kept_off=bool(self.confined.lately) or not status,
        )

    def unanswered(self) -> list[str]:
        """The routes that did not answer in time since this was asked last."""
        names, self._unanswered = self._unanswered, []
        return names

    def _sent(self, path: str, given: dict[str, Any]) -> tuple[int, list[tuple[str, str]], str]:
        """Status, fields and the text of the answer; 0 where none came in time."""
        got: list[Any] = []

        def send() -> None:
            response = self._app.test_client(use_cookies=False).open(path, **given)
            # What is streamed may never end.
            text = "" if response.is_streamed else response.get_data(as_text=True)[:20_000]
            got.append((response.status_code, list(response.headers), text))
            response.close()

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(LONGEST_S)
        return got[0] if got else (0, [], "")

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside, the application is as it was loaded: its views, and nobody who knows anybody."""
        self._take_views(False)
        is_known = self._somebody in self._app.identities
        if is_known:
            self._app.identities.remove(self._somebody)
        try:
            yield
        finally:
            if is_known:
                self._app.identities.insert(0, self._somebody)

    def plan(self, name: str) -> Planned:
        """Plan an action with its example."""
        planning: Any = import_module("hipflask.tools.actions.planning")
        from ..security import Identity  # loaded by whoever has a tool

        for tool in tools_of(self._app):
            for action in getattr(tool, "actions", {}).values():
                if f"{tool.name}/{action.name}" == name:
                    rows, parameters = getattr(action.function, EXAMPLE)
                    self.confined.lately.clear()
                    try:
                        planning.make_plan(action, parameters, rows, Identity("check"), {})
                    except planning.PlanError as error:
                        return self._judged(error, isinstance(error, planning.Leak))
                    return self._judged(None, False)
        return Planned()

    def _judged(self, error: Exception | None, is_leak: bool) -> Planned:
        tried = next(iter(self.confined.lately), "")
        if tried:
            return Planned(effect=tried)
        text = " ".join(str(error or "").split())[:_LONGEST_TROUBLE]
        if is_leak:
            return Planned(effect=text)
        # What the planner refuses by itself is so everywhere; what the action raised may be due to
        # a database that is not here, or to the example.
        return Planned(trouble=text, is_sure=error is not None and error.__cause__ is None)

    def _take_views(self, are_out: bool) -> None:
        """Put a stand-in into each view's place, or the views back; each time costs a sealing."""
        if are_out is not self._are_out:
            self._are_out = are_out
            for endpoint, view in self._views.items():
                made = self._stand_in(endpoint, view) if are_out else view
                self._app.view_functions[endpoint] = made

    def _stand_in(self, endpoint: str, view: Any) -> Any:
        if is_async(view):

            async def reached_async(*args: Any, **kwargs: Any) -> Any:
                self._entered.add(endpoint)
                return self._app.response_class("", mimetype="text/html")

            return functools.update_wrapper(reached_async, view)

        def reached(*args: Any, **kwargs: Any) -> Any:
            self._entered.add(endpoint)
            return self._app.response_class("", mimetype="text/html")

        return functools.update_wrapper(reached, view)


class _Somebody:
    """A provider that knows whoever asks, while it has roles to give."""

    name = "hipflask-check"
    is_quick = True

    def __init__(self) -> None:
        self.roles: frozenset[str] | None = None

    def identify(self, request: Any, /) -> Any:
        """Somebody with the roles, or nobody."""
        from ..security import Identity  # loaded by whoever declares a stance

        return None if self.roles is None else Identity("hipflask-check", roles=self.roles)

    def challenge(self, error: str = "", description: str = "") -> str:
        """None."""
        return ""

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """As of a token."""
        return self.name, {"type": "http", "scheme": "bearer"}


@contextmanager
def listening(logger: logging.Logger) -> Iterator[list[tuple[str, str]]]:
    """Inside, what is logged, as the logger's name and the text; `logger` is the application's."""
    heard: list[tuple[str, str]] = []
    inner, level = logging.getLogRecordFactory(), logger.level

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = inner(*args, **kwargs)
        try:
            heard.append((record.name, record.getMessage()))
        except Exception as error:
            heard.append((record.name, f"a record that cannot be made a text: {error}"))
        return record

    logging.setLogRecordFactory(make)
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # as `serve` does
    try:
        yield heard
    finally:
        logging.setLogRecordFactory(inner)
        logger.setLevel(level)
