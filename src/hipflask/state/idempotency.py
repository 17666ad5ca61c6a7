"""`Idempotency-Key`: a POST or PATCH that is sent twice is done once, and answered twice alike.

After draft-ietf-httpapi-idempotency-key-header: the first answer is kept for the caller, the
route and the key, and sent again to whoever repeats that request. Kept is what the view
returned; what it raises is not, nor what it returns with a status of 500 or more, so that the
next request tries again. Hooks after the request run for each answer.

Between an effect that is elsewhere and the note that it was had, a crash can come: then the key
stays taken until its lease is over, and the request after that has the effect once more. With
`transaction` both are one COMMIT, and there is no between.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

from ..api.problems import Problem
from ..bridge import in_pool
from ..ctx import RequestContext
from ..database import Database, StoreUnavailable, failpoints
from ..database.expiring import Purger
from ..database.opened import database_of
from ..globals import _cv_request
from ..security.identity import providers_of
from .keys import Claim, Kept, Overtaken, Refusal, claim, give_back, keep
from .options import FIELD, METHODS, Idempotent

Call = Callable[[RequestContext], Any]
AsyncCall = Callable[[RequestContext], Awaitable[Any]]

_MOST_CHARACTERS = 255
# A structured field's string (RFC 9651, 3.3.3), as the draft has it, or the bare word that many
# clients send.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"').fullmatch
_BARE = re.compile(r"[A-Za-z0-9._~:/+=@-]+").fullmatch
_RETRY_S = 2

_purger = Purger("hipflask_idempotency")


def transaction() -> Connection:
    """The transaction in which the answer will be kept: what is written there is done once.

        @app.post("/orders", idempotent=True)
        def order(order: Order, tx: Annotated[Connection, Provide(transaction)]) -> Order:
            tx.execute(...)

    Committed with the answer; undone where the view raises, answers with 500 or more, or has
    taken longer than its lease. On SQLite it holds the one writer, so such a view calls nobody.
    Without a key in the request there is nothing to keep, and the transaction is the view's own.
    Raises RuntimeError in an async view, and outside of an idempotent route.
    """
    ctx = _cv_request.get(None)
    attempt: Attempt | None = getattr(ctx, "_attempt", None)
    if attempt is None:
        raise RuntimeError(
            "transaction() is for the plain views of routes with idempotent=..., whose answers"
            " are kept in that transaction. Make an async view plain, or begin a transaction"
            " of your own."
        )
    return attempt.connection()


class Attempt:
    """One run of a view, and what becomes of its answer."""

    def __init__(
        self, database: Callable[[], Database], options: Idempotent, taken: Claim | None
    ) -> None:
        self._database = database
        self._options = options
        self._taken = taken
        self._transaction: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The connection of the transaction, begun when first asked for."""
        if self._connection is None:
            self._transaction = self._database().begin("P23")
            self._connection = self._transaction.__enter__()
        return self._connection

    def finish(self, response: Any, logger: Any) -> None:
        """Keep the answer, or give the key back; whatever was written is committed, or undone."""
        if response.status_code >= 500:
            self.fail(_Undone())
            return
        failpoints.hit("P22")
        kept = _kept_of(response, self._options.max_bytes)
        if self._connection is not None:
            if self._taken is not None:
                keep(self._connection, self._taken, kept)
            self._leave(None)
        elif self._taken is not None:
            try:
                with self._database().begin("P23") as connection:
                    keep(connection, self._taken, kept)
            except (StoreUnavailable, Overtaken) as error:
                # The effect was had, so its answer is sent; who asks again is told to wait.
                logger.error("An answer could not be kept under its key: %s", error)
                return
        if self._taken is not None:
            _purger.wrote(self._database())

    def fail(self, error: BaseException) -> None:
        """Undo what was written, and have the next request with the key try again."""
        self._leave(error)
        if self._taken is not None:
            try:
                give_back(self._database(), self._taken)
            except StoreUnavailable:
                return  # the lease ends by itself

    def _leave(self, error: BaseException | None) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if error is None:
            transaction.__exit__(None, None, None)
        else:
            transaction.__exit__(type(error), error, error.__traceback__)


class _Undone(Exception):
    """Makes a transaction roll back where nothing was raised."""


def wrap(
    app: Any, rule: Any, options: Idempotent, call: Call, call_async: AsyncCall, is_sync: bool
) -> tuple[Call, AsyncCall]:
    """What a route runs in place of its view, to keep and repeat its answers."""
    guard = _Keeper(app, rule, options)

    def keeping(ctx: Any) -> Any:
        if ctx.request.method not in METHODS:
            return call(ctx)
        identify(ctx)
        attempt = guard.begin(ctx)
        if not isinstance(attempt, Attempt):
            return attempt
        ctx._attempt = attempt
        try:
            failpoints.hit("P21")
            response = ctx.plan.make(ctx, call(ctx))
            attempt.finish(response, app.logger)
        except BaseException:
            guard.failed(attempt, sys.exc_info()[1])
            raise
        finally:
            ctx._attempt = None
        return response

    def identify(ctx: RequestContext) -> None:
        if app.identities:
            providers_of(app).identify(ctx)

    if is_sync:
        # In one hop: a transaction stays on the thread that began it.
        async def keeping_in_pool(ctx: RequestContext) -> Any:
            return await in_pool(keeping, ctx)

        return keeping, keeping_in_pool

    async def keeping_async(ctx: RequestContext) -> Any:
        # Without a key there is nothing to keep, and no transaction: it is for plain views.
        is_kept = options.required or FIELD in ctx.request.headers
        if not is_kept or ctx.request.method not in METHODS:
            return await call_async(ctx)
        if app.identities:
            await providers_of(app).identify_async(ctx)
        attempt = await in_pool(guard.begin, ctx)
        if not isinstance(attempt, Attempt):
            return attempt
        try:
            failpoints.hit("P21")
            response = ctx.plan.make(ctx, await call_async(ctx))
            await in_pool(attempt.finish, response, app.logger)
        except Exception as error:
            await in_pool(guard.failed, attempt, error)
            raise
        return response

    return keeping, keeping_async


class _Keeper:
    """What is the same for all requests to one route."""

    def __init__(self, app: Any, rule: Any, options: Idempotent) -> None:
        self._app = app
        self._route = f"{rule.endpoint} {rule.rule}"
        self._options = options

    def begin(self, ctx: RequestContext) -> Any:
        """An Attempt to be made, or the response there was; raises what refuses the request."""
        request = ctx.request
        key = read_key(request.headers.getlist(FIELD))
        if key is None and self._options.required:
            raise Problem(
                400, f"Send an {FIELD} with this request, a new one for each new request."
            )
        if key is None:
            return Attempt(self._database, self._options, None)
        try:
            found = claim(
                self._database(),
                self._id(ctx, key),
                fingerprint_of(request),
                lease_s=self._options.lease_s,
                keep_s=self._options.keep_s,
            )
        except StoreUnavailable as error:
            raise _away() from error
        if isinstance(found, Claim):
            return Attempt(self._database, self._options, found)
        return self._answer(found)

    def failed(self, attempt: Attempt, error: BaseException | None) -> None:
        """Give up the attempt; says 503 in place of an error that the store is away."""
        attempt.fail(error or _Undone())
        if isinstance(error, StoreUnavailable):
            raise _away() from error
        if isinstance(error, Overtaken):
            raise Problem(409, str(error), headers={"Retry-After": str(_RETRY_S)}) from error

    def _database(self) -> Database:
        return database_of(self._app, self._options.database)

    def _id(self, ctx: RequestContext, key: str) -> str:
        identity = getattr(ctx, "_identity", None)
        who = ["", ""] if identity is None else [identity.via, identity.name]
        scope = json.dumps([*who, ctx.request.method, self._route, key])
        return hashlib.sha256(scope.encode()).hexdigest()

    def _answer(self, found: Kept | Refusal) -> Any:
        wait = {"Retry-After": str(_RETRY_S)}
        if found is Refusal.RUNNING:
            text = f"A request with this {FIELD} is being worked on: ask again in a moment."
            raise Problem(409, text, headers=wait)
        if found is Refusal.DIFFERENT:
            text = f"This {FIELD} was sent with another request: use a new one for this."
            raise Problem(422, text)
        assert isinstance(found, Kept)
        if not found.is_whole:
            text = (
                "The request was done. Its answer was too large to be kept, so it is not repeated."
            )
            raise Problem(409, text, done_status=found.status)
        headers = [*found.headers, ("Idempotent-Replayed", "true")]
        return self._app.response_class(found.body, found.status, headers)


def read_key(fields: list[str]) -> str | None:
    """The key, or None without one; Problem 400 for one that is none.

    1 to 255 characters: a structured field's string, or a word of letters, digits and
    `._~:/+=@-` as it is.
    """
    if not fields:
        return None
    text = fields[0].strip(" \t") if len(fields) == 1 else ""
    # Long ones are not looked at; a quoted one may have a backslash before each character.
    if len(text) <= 2 * _MOST_CHARACTERS + 2:
        quoted = _QUOTED(text)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text if _BARE(text) else ""
        if 0 < len(key) <= _MOST_CHARACTERS:
            return key
    raise Problem(
        400, f"The {FIELD} is one text of 1 to {_MOST_CHARACTERS} characters, a UUID in quotes say."
    )


def fingerprint_of(request: Any) -> str:
    """What two requests with one key have to have in common: target, media type, body."""
    digest = hashlib.sha256()
    for part in (request.full_path, request.mimetype):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(request.get_data(cache=True))
    return digest.hexdigest()


def _kept_of(response: Any, max_bytes: int) -> Kept:
    headers = tuple((name, value) for name, value in response.headers)
    if response.is_streamed or response.direct_passthrough:
        return Kept(response.status_code, (), b"", False)
    body = response.get_data()
    if len(body) > max_bytes:
        return Kept(response.status_code, (), b"", False)
    return Kept(response.status_code, headers, body)


def _away() -> Problem:
    return Problem(
        503, "What was asked cannot be noted now.", headers={"Retry-After": str(_RETRY_S)}
    )
