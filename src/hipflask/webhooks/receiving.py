"""The view that receives: from the head of a delivery to its acknowledgement.

One coroutine for all doors, in this order: shed, head, body, signature, question, identity,
disk, answer. What differs between sources is decided when they are prepared. Before the body is
read nothing is spent on it; before it is on disk nobody is told that it was received. From the
signature to the disk, deliveries that come together go together (`gathering.py`).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ..bridge import in_pool
from ..database import failpoints
from ..globals import _cv_current
from ..responses import Fixed
from ..scaffold import SetupError
from . import tallies
from .configured import read_secrets, read_text
from .delivery import Delivery
from .events import bare_type
from .fields import parse_headers
from .handshakes import Reply, cloudevents_options
from .heads import Find, body_of, fields_of, head_of, limits_of, query_of
from .identify import Identifier, Identity
from .inbox.rows import Arrival, Kind, Receipt
from .inbox.writer import Failed, Writer
from .received import Received
from .reception import Reception
from .sources import Source
from .verdict import Verdict
from .verifier import Verifier

_log = logging.getLogger("hipflask.webhooks")

# A larger body is checked in a thread: its hash would hold up the loop.
LARGEST_ON_LOOP = 256 * 1024
# Larger ones are judged by themselves: together they would hold it up as well.
LARGEST_TOGETHER = 32 * 1024
# Bodies above the size that is kept in memory (`front.exchange`), at a time.
MOST_LARGE = 2
# Of what a sender waits for, how much the disk may take.
SHARE_OF_PATIENCE = 0.6
# Lines about refusals, for each source and reason.
LOG_EVERY_S = 1.0
# The senders' clocks are looked at no more often.
SKEW_EVERY_S = 1.0
# What there is of a delivery when it is judged: method, query, fields, the same by name, body.
_Given = tuple[str, bytes, list[tuple[str, str]], dict[str, str], bytes]
_TEXT = "text/plain; charset=utf-8"
_RETRY = {"Retry-After": "1"}


class Receiver:
    """Receives for one source. `view` is the view of its route."""

    def __init__(self, source: Source, reception: Reception, prepare: Callable[[], None]) -> None:
        self.source = source
        self._reception = reception
        self._prepare_all = prepare
        self._verifier: Verifier | None = None
        self._identifier = Identifier(
            source.scheme, id=source.id, key=source.key, type=source.type, where=source.where
        )
        self._acknowledgement = Fixed(b"", source.ack, _TEXT)
        self._patience_s = source.answer_s * SHARE_OF_PATIENCE
        # What may wait for others, or is the application's own, is not for the loop.
        self._is_slow = source.scheme.check is not None or source.fetch is not None
        self._is_alone = False
        self._limits: dict[str, Any] = {}
        self._skew_next = 0.0
        self._log_next: dict[str, float] = {}
        self._logged: dict[str, int] = {}

    def prepare(self, config: Any) -> None:
        """Read the settings that the source names; SetupError for one that is missing."""
        source = self.source
        if self._verifier is not None or source.is_retired:
            return
        where = source.where
        self._limits = limits_of(config)
        # The application's own may ask for the request, and a reply is told what has arrived. Its
        # function is declared after the source, and so after this receiver was made.
        places = (source.id, source.key, source.type)
        self._is_alone = self._is_slow or source.answering is not None or any(map(callable, places))
        secrets = read_secrets(config, source.secrets, where)
        try:
            self._verifier = Verifier(
                source.scheme,
                secrets,
                url=read_text(config, source.url, where),
                webhook_id=read_text(config, source.webhook_id, where),
                fetch=source.fetch,
                tolerance_s=source.tolerance_s,
            )
        except SetupError as error:
            raise SetupError(f"{where}: {error}") from None
        tallies.declare(source.name, secrets)

    async def view(self) -> Any:
        """Answer one delivery."""
        source = self.source
        ctx: Any = _cv_current.get().request_ctx
        if source.is_retired:
            return self._refuse(410, "retired", "The source is retired.")
        if self._verifier is None:
            self._prepare_all()
        if ctx.method == "OPTIONS":
            return self._answer_options(ctx)
        reception = self._reception
        writer = reception.writer
        reason = reception.shed(writer)
        if reason:
            return self._refuse(503, reason, "Turned away before the body was read.", _RETRY)
        fields, single, find = head_of(ctx)
        announced = find("content-length")
        refusal = self._check_head(find, announced)
        if refusal is not None:
            return refusal
        failpoints.hit("P1")
        try:
            length = None if announced is None else int(announced)
            body = await body_of(ctx, length, source.max_body, self._limits)
        except RequestEntityTooLarge:
            return self._refuse(413, "too-large", f"More than {source.max_body} bytes.")
        except HTTPException as error:
            return self._refuse(error.code or 400, "cut", f"The body: {type(error).__name__}.")
        if not isinstance(body, bytes):
            # Of bodies that were kept in a file few are in memory at a time.
            async with _turns():
                body.seek(0)
                given = ctx.method, query_of(ctx), fields, single, body.read()
                return await self._take_alone(given, writer)
        given = ctx.method, query_of(ctx), fields, single, body
        if self._is_alone or len(body) > LARGEST_TOGETHER:
            return await self._take_alone(given, writer)
        outcome = await reception.gathering().join(writer, self._judge, given, self._patience_s)
        return self._answer(outcome)

    # For `guards.origins`: who sends is known by the signature, wherever it comes from.
    view.takes_any_origin = True  # type: ignore[attr-defined]

    async def _take_alone(self, given: _Given, writer: Writer) -> Any:
        """Judge a delivery apart from others, and answer it."""
        is_slow = self._is_slow or len(given[-1]) > LARGEST_ON_LOOP
        found = await in_pool(self._judge, given) if is_slow else self._judge(given)
        if not isinstance(found, Arrival):
            return self._answer(found)
        failpoints.hit("P2")
        outcome = await writer.put(found, self._patience_s)
        answer = self._answer(outcome)
        answering = self.source.answering
        if answering is None or outcome.__class__ is not Receipt or outcome.kind is Kind.CONFLICT:
            return answer
        replied = await answering.answer(_received(found, outcome))
        tallies.replied.add(1, self.source.name, "plain" if replied is None else "sent")
        return answer if replied is None else replied

    def _answer(self, outcome: Any) -> Any:
        """The answer to what became of a delivery."""
        if outcome.__class__ is not Receipt:
            return self._decline(outcome)
        failpoints.hit("P5")
        if outcome.kind is Kind.CONFLICT:
            detail = f"Event {outcome.seq} is kept, and not handled."
            self._tell("conflict", detail, "got a known id with other bytes, or the reverse")
        return self._acknowledgement

    def _decline(self, outcome: Any) -> Any:
        """The answer to a delivery of which nothing was stored."""
        if isinstance(outcome, Failed):
            return self._refuse(503, *outcome, _RETRY)
        if isinstance(outcome, _Refused):
            return self._refuse(*outcome)
        return tuple(outcome)

    def _judge(self, given: _Given) -> Arrival | _Refused | Reply:
        """The arrival that a delivery is, or why it is none, or the answer to its question.

        In any thread, and with no request at hand.
        """
        source, verifier = self.source, self._verifier
        method, query, fields, single, body = given
        delivery = Delivery.served(fields, single, body, method, query)
        assert verifier is not None  # prepared above
        now = time.time()
        verdict = verifier.verify(delivery, now=now)
        if not verdict:
            headers = _RETRY if verdict.status == 503 else None
            return _Refused(verdict.status, str(verdict.reason), verdict.detail, headers)
        if source.scheme.asks is not None and (reply := source.scheme.asks(delivery)) is not None:
            tallies.answered.add(1, source.name)
            return reply
        if "json" in source.accepts and not _is_json(delivery.body):
            return _Refused(400, "not-json", "The body is no JSON.")
        try:
            identity = self._identifier.identify(delivery, verdict)
        except Exception as error:  # of the application's own function
            detail = f"A function for the id, key or type raised {type(error).__name__}."
            return _Refused(503, "failed", detail, _RETRY)
        if identity.key is None and source.key is not None:
            tallies.unkeyed.add(1, source.name)
        if verdict.time_s is not None and now >= self._skew_next:
            self._skew_next = now + SKEW_EVERY_S
            tallies.skew.set(now - verdict.time_s, source.name)
        return _arrival(source, delivery, verdict, identity, now)

    def _check_head(self, find: Find, length: str | None) -> Any:
        """The refusal of a head that tells enough; None otherwise."""
        source = self.source
        coding = find("content-encoding")
        if coding and coding.strip().lower() != "identity":
            # RFC 9110, 15.5.16: what would be taken.
            headers = {"Accept-Encoding": "identity"}
            return self._refuse(415, "encoding", "The body is encoded.", headers)
        if source.accepts and not _accepts(source.accepts, find("content-type")):
            headers = {"Accept": ", ".join(map(_media_of, source.accepts))}
            return self._refuse(415, "type", "Not a type that the source takes.", headers)
        if length is not None and not _is_length(length):
            return self._refuse(400, "cut", "The Content-Length is no number.")
        if length and int(length) > source.max_body:
            return self._refuse(413, "too-large", f"More than {source.max_body} bytes.")
        return None

    def _answer_options(self, ctx: Any) -> Any:
        delivery = Delivery(fields_of(ctx), b"", method="OPTIONS")
        reply = cloudevents_options(
            delivery,
            origins=self.source.origins,
            rate_per_minute=self.source.rate_per_minute,
        )
        if reply is None:
            reply = Reply("", 204, {"Allow": "OPTIONS, POST"})
        elif reply.status == 200:
            tallies.answered.add(1, self.source.name)
        else:
            tallies.refused.add(1, self.source.name, "origin")
        return tuple(reply)

    def _refuse(
        self, status: int, reason: str, detail: str, headers: dict[str, str] | None = None
    ) -> Any:
        """The answer to a delivery that is refused: its status, and no word of why."""
        tallies.refused.add(1, self.source.name, reason)
        self._tell(reason, detail)
        return f"{status}\n", status, {"Content-Type": _TEXT, **(headers or {})}

    def _tell(self, reason: str, detail: str, what: str = "refused a delivery") -> None:
        """Log why, once a second for each reason, with how often that was since."""
        now = time.monotonic()
        if now < self._log_next.get(reason, 0.0):
            self._logged[reason] = self._logged.get(reason, 0) + 1
            return
        self._log_next[reason] = now + LOG_EVERY_S
        more = self._logged.pop(reason, 0)
        also = f" ({more} more of these before)" if more else ""
        _log.warning("source %r %s, %s: %s%s", self.source.name, what, reason, detail, also)


class _Refused(NamedTuple):
    """Why a delivery is refused: what `Receiver._refuse` takes."""

    status: int
    reason: str
    detail: str
    headers: dict[str, str] | None = None


def _arrival(
    source: Source, delivery: Delivery, verdict: Verdict, identity: Identity, now: float
) -> Arrival:
    return Arrival(
        source=source.name,
        event_id=identity.id,
        key=identity.key,
        event_type=identity.type,
        scheme=source.scheme.name,
        secret_no=verdict.secret_no or 0,
        is_id_signed=identity.is_id_signed,
        method=delivery.method,
        query=delivery.query.decode("latin-1"),
        headers=delivery.dump_headers(),
        body=delivery.body,
        digest=identity.digest,
        received_at=now,
    )


def _received(arrival: Arrival, receipt: Receipt) -> Received:
    """What a reply is told: the arrival as a handler would get it."""
    return Received(
        source=arrival.source,
        id=arrival.event_id,
        type=arrival.event_type,
        key=arrival.key,
        seq=receipt.seq,
        received_at=arrival.received_at,
        method=arrival.method,
        query=arrival.query.encode("latin-1"),
        fields=parse_headers(arrival.headers),
        body=arrival.body,
        scheme=arrival.scheme,
        secret_no=arrival.secret_no,
    )


def _turns() -> asyncio.Semaphore:
    """What lets MOST_LARGE through at a time, on the running loop."""
    loop = asyncio.get_running_loop()
    found = _semaphores.get(loop)
    if found is None:
        found = _semaphores[loop] = asyncio.Semaphore(MOST_LARGE)
    return found


_semaphores: WeakKeyDictionary[Any, asyncio.Semaphore] = WeakKeyDictionary()
_is_length = re.compile(r"[0-9]{1,18}\Z").match


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def _accepts(kinds: tuple[str, ...], given: str | None) -> bool:
    kind = bare_type((given or "").encode("latin-1", "replace")).decode("latin-1")
    for one in kinds:
        if kind == one or (one.endswith("/*") and kind.startswith(one[:-1])):
            return True
        if one == "json" and (kind == "application/json" or kind.endswith("+json")):
            return True
    return False


def _media_of(kind: str) -> str:
    return "application/json" if kind == "json" else kind
