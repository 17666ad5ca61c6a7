"""A source: one sender's route, how it is checked, and the handlers of its events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any, Literal, TypeVar

from ..scaffold import SetupError
from .certificates import Fetch
from .configured import Names, check_names
from .handlers import Handler
from .identify import Where
from .places import calling_line
from .replies import ReplyHandler
from .scheme import Scheme
from .schemes import find_scheme

F = TypeVar("F", bound=Callable[..., Any])

WhenDead = Literal["park", "block", "skip"]
_is_source_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z").match
_parse_rate = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(s|m|h)\Z").match
_SECONDS = {"s": 1, "m": 60, "h": 3600}

#: The schedule of retries, see `forward`: 8 of them, over 41 hours.
RETRIES = "5s..24h"


@dataclass(kw_only=True, eq=False, repr=False)
class Source:
    """One sender's deliveries: made by `Hooks.source`, which tells what each option means."""

    name: str
    rule: str
    scheme: Scheme
    secrets: tuple[str, ...]
    key: Where | None = None
    id: Where | None = None
    type: Where | None = None
    url: str | None = None
    webhook_id: str | None = None
    fetch: Fetch | None = None
    tolerance_s: float | EllipsisType | None = ...
    max_body: int = 1024 * 1024
    accepts: tuple[str, ...] = ()
    ack: int = 202
    origins: Collection[str] = ()
    answer_s: float = 15.0
    when_dead: WhenDead = "park"
    concurrency: int | None = None
    rate_per_s: float | None = None
    retries: Any = RETRIES
    is_retired: bool = False
    #: "file:line" where it was declared.
    place: str = ""
    #: In the order they were declared; run in that order.
    handlers: list[Handler] = field(default_factory=list)
    answering: ReplyHandler | None = None

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"The source {self.name!r} ({self.place})"

    @property
    def rate_per_minute(self) -> int | None:
        """The rate that a sender is told, CloudEvents', in events a minute; None for any."""
        return None if self.rate_per_s is None else max(1, int(self.rate_per_s * 60))

    def on(
        self,
        *types: str,
        when: Callable[..., Any] | None = None,
        name: str | None = None,
        retries: Any = None,
    ) -> Callable[[F], F]:
        """Decorate a function that handles the events of these types; of all, without one.

        A type is the sender's own word, "push" or "invoice.paid", and stands for those below
        it: "invoice" for "invoice.paid". `when(event)` says whether an event is wanted; it may
        take what a handler takes, except `tx`. `retries` replaces the source's schedule.
        Raises SetupError for a function that takes what no handler is given.

            @github.on("push", when=is_main)
            async def pushed(event: Push, tx: Connection, delivery: Received): ...
        """
        given: tuple[Any, ...] = types
        for one in given:
            if not isinstance(one, str) or not one:
                raise SetupError(f"{self.where}: on({one!r}) names no type. Write @source.on().")

        def register(function: F) -> F:
            handler = Handler(
                function, source=self.name, name=name, types=types, when=when, retries=retries
            )
            for known in self.handlers:
                if known.name == handler.name:
                    raise SetupError(
                        f"{self.where} has two handlers {handler.name!r}: {known.place} and"
                        f" {handler.place}. The inbox tells them apart by name: give one name=."
                    )
            self.handlers.append(handler)
            return function

        return register

    def reply(self, *, deadline_s: float | None = None) -> Callable[[F], F]:
        """Decorate a function whose result answers the sender, once the event is stored.

        It takes what a handler takes, except `tx`, and returns what a view may return. It has
        `deadline_s` seconds (default: 80 % of what the sender waits); a late one and one that
        fails are logged, and the sender gets the plain acknowledgement. Also called for a
        repetition, whose first answer may have been lost: leave effects to handlers.

            @slack.reply(deadline_s=2.5)
            def answer(event): return {"text": "on it"}
        """

        def register(function: F) -> F:
            if self.answering is not None:
                raise SetupError(
                    f"{self.where} has two functions that reply: {self.answering.place} and"
                    f" {ReplyHandler(function, 1, self.name).place}. One answer is sent."
                )
            seconds = self.answer_s * 0.8 if deadline_s is None else deadline_s
            if not seconds > 0:
                raise SetupError(f"{self.where}: deadline_s={deadline_s!r}: give more than 0.")
            self.answering = ReplyHandler(function, seconds, self.name)
            return function

        return register

    def __repr__(self) -> str:
        return f"<Source {self.name!r} {self.scheme.name} {self.rule}>"


def make_source(
    rule: str,
    *,
    scheme: str | Scheme,
    secrets: Names = (),
    name: str | None = None,
    max_body: int | None = None,
    accepts: str | Sequence[str] = (),
    ack: int | None = None,
    answer_s: float | None = None,
    rate: str | None = None,
    retired: bool = False,
    when_dead: WhenDead = "park",
    **options: Any,
) -> Source:
    """A source from the options of `Hooks.source`; SetupError for what cannot work."""
    place = calling_line()
    found = find_scheme(scheme)
    chosen = name or _name_of(rule) or found.name
    where = f"The source {chosen!r} ({place})"
    if "<" in rule:
        raise SetupError(
            f"{where}: the rule {rule!r} has a variable. A source is one sender with its secrets:"
            " declare one for each, in a loop if need be."
        )
    if _is_source_name(chosen) is None:
        raise SetupError(f"{where}: a name has up to 64 of A-Z, a-z, 0-9, '_', '.' and '-'.")
    if when_dead not in ("park", "block", "skip"):
        raise SetupError(f"{where}: when_dead={when_dead!r} is none of park, block, skip.")
    if not secrets and options.get("fetch") is None:
        raise SetupError(
            f"{where} has nothing to check signatures with: name the setting that holds the"
            " secret, secrets='STRIPE_WHSEC'."
        )
    limit: Any = found.max_body if max_body is None else max_body
    if not isinstance(limit, int) or limit < 1:
        raise SetupError(f"{where}: max_body={max_body!r}: give a number of bytes, at least 1.")
    status = found.ack if ack is None else ack
    if not 200 <= status <= 299:
        raise SetupError(f"{where}: ack={ack!r}: only 2xx tells a sender that it is done.")
    waits = found.answer_s if answer_s is None else answer_s
    if not waits > 0:
        raise SetupError(f"{where}: answer_s={answer_s!r}: give more than 0 seconds.")
    concurrency = options.get("concurrency")
    if concurrency is not None and not concurrency >= 1:
        raise SetupError(f"{where}: concurrency={concurrency!r}: give 1 or more, or None.")
    return Source(
        name=chosen,
        rule=rule,
        scheme=found,
        secrets=check_names(secrets, where),
        max_body=limit,
        accepts=_media_types(accepts, where),
        ack=status,
        answer_s=waits,
        rate_per_s=None if rate is None else parse_rate(rate, where),
        is_retired=retired,
        when_dead=when_dead,
        place=place,
        **options,
    )


def parse_rate(text: object, where: str) -> float:
    """ "20/s", "600/m" or "5000/h" as events a second; SetupError for anything else."""
    match = _parse_rate(text) if isinstance(text, str) else None
    if match is None or float(match[1]) == 0:
        raise SetupError(f"{where}: rate={text!r}: write 20/s, 600/m or 5000/h.")
    return float(match[1]) / _SECONDS[match[2]]


def _name_of(rule: str) -> str:
    """The last part of a rule that is no variable: "/hooks/stripe" is "stripe"."""
    parts = [part for part in rule.split("/") if part and "<" not in part]
    return parts[-1] if parts else ""


def _media_types(accepts: str | Sequence[str], where: str) -> tuple[str, ...]:
    kinds = (accepts,) if isinstance(accepts, str) else tuple(accepts)
    for kind in kinds:
        if kind != "json" and not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+*-]+", kind):
            raise SetupError(
                f"{where}: accepts={kind!r} is no media type. Write 'json', or types like"
                " 'application/x-www-form-urlencoded'."
            )
    return kinds
