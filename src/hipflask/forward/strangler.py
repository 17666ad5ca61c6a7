"""A route that two sides can answer, the old one and the new one: `strangle`."""

from __future__ import annotations

import hmac
import os
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from werkzeug.exceptions import HTTPException

from ..ctx import after_this_request
from ..globals import current_app, request
from ..ops import metrics
from ..scaffold import SetupError
from .client import Client
from .clock import Clock
from .compare import Compare, Seen
from .destination import Destination
from .exchange import NoUpgrade
from .proxy import METHODS, Proxy, add_route
from .request import SAFE
from .rollout import REFRESH_S, Limits, Rollout, Settings
from .shadow import Shadow
from .shared import MemoryShared, Shared
from .sides import SHADOW_HEADER, DestinationSide, Done, Side, ViewSide

#: Says which side is to answer, with the secret: "new s3cret".
OVERRIDE_HEADER = "Hipflask-Side"
#: Where an application keeps its stranglers, by name.
EXTENSION = "hipflask.forward"

By = str | Callable[[Any], str | None]
Answerer = Destination | Callable[..., Any]

_requests = metrics.counter(
    "forward_requests_total", "Answers of a rollout's sides.", ["route", "side", "ended"]
)


class Strangler:
    """The route's decision: which side answers, and whether the other one is asked as well.

    `rollout` has its settings and counts.
    """

    def __init__(
        self,
        rollout: Rollout,
        *,
        old: Answerer,
        new: Answerer,
        dry_run: Answerer | None = None,
        by: By | None = None,
        override: str | None = None,
        compare: Compare | None = None,
        most: int = 8,
        **proxied: Any,
    ) -> None:
        if not 1 <= most <= 256:
            raise SetupError(f"most={most!r} is to be 1 to 256 shadows at a time.")
        self.rollout = rollout
        self.shadow = Shadow(rollout, compare or Compare(), most)
        self._override = override
        self._key_of = _key_function(by)
        # Neither is for a client to say to the services.
        proxied["drop"] = (OVERRIDE_HEADER.lower(), SHADOW_HEADER.lower())
        self.sides: dict[str, Side] = {
            "old": self._side(old, proxied),
            "new": self._side(new, proxied),
        }
        self._dry_run = None if dry_run is None else self._side(dry_run, proxied)
        self._random = random.random

    def _side(self, given: Any, proxied: dict[str, Any]) -> Side:
        if isinstance(given, Destination):
            return DestinationSide(Proxy(given, **proxied))
        if callable(given):
            return ViewSide(given, self.shadow.threads)
        raise SetupError(f"A side is a Destination or a view, and {given!r} is neither.")

    async def answer(self, values: dict[str, Any]) -> Any:
        """The response to the current request."""
        settings = self.rollout.settings
        if settings is None:
            # The first request of this process: a look at the record, which may take a file.
            settings = await _in_thread(self.rollout.refresh)
        side = self._asked_for()
        is_asked_for = side is not None
        if side is None:
            side = self.rollout.side_of(settings, self._key_of(_current()))
        when_done = None
        if side == "old" and settings.shadow and self._random() * 100 < settings.shadow:
            when_done = self._shadowing()
        begun = time.monotonic()
        try:
            cut = partial(self.rollout.cut, side)
            response = await self.sides[side].answer(values, when_done, cut)
        except BaseException as error:
            if when_done is not None:
                when_done(None, None)
            if isinstance(error, HTTPException):
                self._count(side, begun, _is_failure(error))
            elif isinstance(error, Exception):  # else the client has left: nobody's error
                after_this_request(self._counting(side, begun))
            raise
        self._count(side, begun, response.status_code >= 500)
        if is_asked_for:
            response.headers[OVERRIDE_HEADER] = side
        return response

    def _counting(self, side: str, begun: float) -> Callable[[Any], Any]:
        """Counts what the application's error handlers have made of an exception."""

        def count(response: Any) -> Any:
            self._count(side, begun, response.status_code >= 500)
            return response

        return count

    def _count(self, side: str, begun: float, is_error: bool) -> None:
        self.rollout.answered(side, time.monotonic() - begun, is_error)
        _requests.add(1, self.rollout.name, side, "error" if is_error else "ok")

    def _asked_for(self) -> str | None:
        """The side that a tester asks for; None without the secret."""
        if self._override is None:
            return None
        given = request.headers.get(OVERRIDE_HEADER)
        if given is None:
            return None
        secret = current_app.config.get(self._override) or os.environ.get(self._override)
        side, _, shown = given.strip().partition(" ")
        if not secret or side not in self.sides:
            return None
        is_known = hmac.compare_digest(shown.strip().encode(), str(secret).encode())
        return side if is_known else None

    def _shadowing(self) -> Done | None:
        """What starts the shadow when the answer has gone; None where there is to be none."""
        is_safe = request.method in SAFE
        candidate = self.sides["new"] if is_safe else self._dry_run
        if candidate is None:
            self.rollout.skipped("unsafe")
            return None
        if not self.shadow.take():
            return None
        shadow, is_over = self.shadow, False
        try:
            new = candidate.again("new")
            # An unsafe request a second time would be done twice.
            again = self.sides["old"].again("old") if is_safe else None
        except BaseException:
            shadow.skip("failed")
            raise
        told = f"{request.method} {request.path}"

        def done(body: bytes | None, control: Seen | None) -> None:
            nonlocal is_over
            if is_over:
                return
            is_over = True
            if body is None or control is None:
                shadow.skip("long or cut")
            elif control.status >= 500:
                shadow.skip("old failed")
            else:
                shadow.start(told, body, control, new, again)

        return done


def strangle(
    app: Any,
    rule: str,
    *,
    old: Answerer,
    new: Answerer,
    canary: float = 0.0,
    shadow: float = 0.0,
    by: By | None = None,
    name: str | None = None,
    dry_run: Answerer | None = None,
    override: str | None = None,
    limits: Limits | None = None,
    compare: Compare | None = None,
    most: int = 8,
    shared: Any = None,
    strip: str = "",
    methods: Iterable[str] = METHODS,
    tries: int = 2,
    max_body: int | None = None,
    client: Client | None = None,
    clock: Clock | None = None,
    refresh_s: float | None = REFRESH_S,
    **options: Any,
) -> Strangler:
    """Answer `rule` of an app or blueprint by the old side, and little by little by the new one.

    `old` and `new` are destinations or views. `canary` percent of clients get the new side,
    always the same ones: `by` is the header whose value tells them apart, "cookie:NAME", or a
    function of the request; the client's address if left out. Who has no such value gets the old
    side. `shadow` percent of the requests that the old side answered are asked of the new side
    as well, and compared as `compare` says, `most` at a time; those that change something only of
    `dry_run`. The percentages hold until `hipflask forward set` or `Rollout.set` sets others,
    which does so in all processes that share the record `shared`: a `Database` or a `Shared`,
    the database that HIPFLASK_DATABASE_URL names if left out, else this process's memory. `limits`
    say when the canary is taken back by itself. `override` names the config key or environment
    variable of a secret with which testers choose a side. `name` is the rollout's in reports,
    made of the rule if left out. For the rest see `proxy`.

        strangle(app, "/orders/<path:rest>", old=legacy, new=orders, canary=5, shadow=10,
                 by="x-account")
    """
    own = name or _name_of(rule)
    if refresh_s is not None and refresh_s <= 0:
        raise SetupError(f"refresh_s={refresh_s!r} is to be above 0.")
    rollout = Rollout(
        own,
        canary=canary,
        shadow=shadow,
        limits=limits,
        shared=lambda: _shared_of(app, shared),
        clock=clock,
        refresh_s=refresh_s,
    )
    made = Strangler(
        rollout,
        old=old,
        new=new,
        dry_run=dry_run,
        by=by,
        override=override,
        compare=compare,
        most=most,
        strip=strip,
        tries=tries,
        max_body=max_body,
        client=client,
    )

    async def strangled(**values: Any) -> Any:
        return await made.answer(values)

    endpoint = options.pop("endpoint", None) or f"strangle_{own}".replace(".", "_")
    add_route(app, rule, endpoint, strangled, methods, options)
    _remember(app, own, made, rule)
    return made


def stranglers_of(app: Any) -> dict[str, Strangler]:
    """The application's stranglers, by name."""
    found: dict[str, Strangler] = app.extensions.setdefault(EXTENSION, {})
    return found


def _remember(app: Any, name: str, made: Strangler, rule: str) -> None:
    def keep(application: Any) -> None:
        known = stranglers_of(application)
        if name in known and known[name] is not made:
            raise SetupError(
                f"Two rollouts are named {name!r}; the second one is at {rule!r}. Their counts"
                " would be added up: give one of them another name=."
            )
        known[name] = made
        # So that no request waits for the record to be opened; one that cannot be is told of.
        application.before_serving(made.rollout.refresh)

    if hasattr(app, "record"):  # a blueprint
        app.record(lambda state: keep(state.app))
    else:
        keep(app)


def _shared_of(app: Any, given: Any) -> Shared:
    if given is not None:
        found: Shared = getattr(given, "shared", given)
        return found
    config = getattr(app, "config", {})
    url = config.get("HIPFLASK_DATABASE_URL") or os.environ.get("HIPFLASK_DATABASE_URL")
    if url:
        from ..database import open_database  # only where settings are to be shared

        # A relative path counts from the same folder for a server and for a command.
        database: Any = open_database(url, instance_path=getattr(app, "instance_path", None))
        return _shared_of(app, database)
    return MemoryShared()


def _is_failure(error: HTTPException) -> bool:
    """Whether it speaks against the side that raised it; a WebSocket is refused by us."""
    status: int = error.code or getattr(error.response, "status_code", None) or 500
    return status >= 500 and not isinstance(error, NoUpgrade)


def _key_function(by: By | None) -> Callable[[Any], str | None]:
    if by is None:
        return lambda current: current.remote_addr
    if callable(by):
        return by
    kind, mark, rest = by.partition(":")
    if mark and kind != "cookie":
        raise SetupError(
            f"by={by!r} is neither a header's name nor 'cookie:NAME'. For anything else give a"
            " function of the request."
        )
    if mark:
        return lambda current: current.cookies.get(rest)
    return lambda current: current.headers.get(by)


def _current() -> Any:
    return request._get_current_object()  # type: ignore[attr-defined]  # the proxy's


async def _in_thread(call: Callable[[], Settings]) -> Settings:
    if _current()._exchange is None:
        return call()
    from ..bridge import in_pool

    found: Settings = await in_pool(call)
    return found


def _name_of(rule: str) -> str:
    words = [part for part in rule.split("/") if part and not part.startswith("<")]
    return "-".join(words)[:64] or "root"
