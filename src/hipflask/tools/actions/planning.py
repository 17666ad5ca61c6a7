"""Plan mode: the action's function is called, and nothing may come of it.

Three things keep it so. `run.do` notes sentences and calls nothing. Connections that SQLAlchemy
hands out meanwhile, of whatever engine, are read-only by the database's own word (SQLite's
`query_only`, PostgreSQL's read-only transactions). And a fence refuses sockets, programs, files
opened for writing and new threads. What is written past `run.do` raises, and the plan fails.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from sqlalchemy import event
from sqlalchemy.pool import Pool
from werkzeug.datastructures import FileStorage

from ...forward.fencing import Fence, fenced_off
from ...security import Identity
from ...settings import Secret
from .declaring import Action
from .run import Run
from .undoing import dump_undo

log = logging.getLogger("hipflask.tools")

MOST_LINES = 20_000
LONGEST_SENTENCE = 500
_is_planning: ContextVar[bool] = ContextVar("planning", default=False)
_MARK = "hipflask_planned"


class PlanError(Exception):
    """An action cannot be planned; the text says why, for whoever asked for it."""


class Leak(PlanError):
    """The action writes or reaches out past `run.do` while it is only planned."""


class PlanLine(msgspec.Struct, frozen=True):
    """One step of a plan: what would be done, and how it would be taken back."""

    sentence: str
    #: See `undoing`; None for a step that is not undone.
    undo: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """What an action would do, and the digest that approvals and runs are bound to."""

    lines: tuple[PlanLine, ...]
    digest: str


class _Absent(Secret):
    """Stands for a secret while planning: there is none yet."""

    __slots__ = ()

    def reveal(self) -> str:
        """Refused: a plan knows no secrets."""
        raise PlanError(
            "A secret is only there while running: hand the Secret itself to run.do, and call"
            " reveal() in the function that needs it."
        )


class _Planning(Run):
    """Notes sentences."""

    planning = True

    def __init__(self, action: Action, by: Identity) -> None:
        super().__init__(by)
        self.lines: list[PlanLine] = []
        self._action = action

    def do(
        self,
        sentence: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        undo: tuple[Any, ...] | None = None,
        **named: Any,
    ) -> Any:
        if not callable(function):
            raise PlanError(f"run.do({sentence!r}, ...): {function!r} cannot be called.")
        if len(self.lines) >= MOST_LINES:
            raise PlanError(f"The plan has more than {MOST_LINES} steps: choose fewer rows.")
        self.lines.append(PlanLine(check_sentence(sentence), self._dump(sentence, undo)))

    def _dump(self, sentence: str, undo: tuple[Any, ...] | None) -> str | None:
        if undo is None:
            if self._action.undo_for_s is not None:
                raise PlanError(
                    f"{self._action.name} promises undo_for=, and the step {sentence!r} does not"
                    " say how it is undone: give run.do an undo=(function, ...)."
                )
            return None
        try:
            return dump_undo(self._action.function, undo)
        except ValueError as error:
            raise PlanError(f"The step {sentence!r}: {error}") from None

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        return None


def check_sentence(sentence: str) -> str:
    """The sentence as it is stored: one line, of bounded length."""
    given: Any = sentence
    if not isinstance(given, str) or not given.strip():
        raise PlanError(f"run.do({given!r}, ...): say in words what is done.")
    one_line = " ".join(given.split())
    return one_line.encode("utf-8", "replace").decode()[:LONGEST_SENTENCE].replace("\0", "")


def make_plan(
    action: Action,
    parameters: Mapping[str, Any],
    rows: Sequence[Any],
    by: Identity,
    about: Mapping[str, Any],
) -> Plan:
    """What the action would do to `rows`; `about` is what the digest covers beside the lines.

    The function runs twice, as a plan that cannot be repeated could never be run. PlanError
    where it raises, or says something else the second time; Leak where it writes or reaches out.
    """
    lines = _plan_once(action, parameters, rows, by)
    again = _plan_once(action, parameters, rows, by)
    if lines != again:
        other = next((pair for pair in zip(lines, again, strict=False) if pair[0] != pair[1]), None)
        shown = "" if other is None else f": {other[0].sentence!r}, then {other[1].sentence!r}"
        raise PlanError(
            f"Planned twice, {action.name} says two different things{shown}. Sentences and undo"
            " must not depend on a clock or on chance."
        )
    if not lines:
        raise PlanError("There is nothing to do.")
    return Plan(tuple(lines), digest_of(action, lines, about))


def digest_of(action: Action, lines: Sequence[PlanLine], about: Mapping[str, Any]) -> str:
    """SHA-256 over everything that an approval is for."""
    covered = {
        "tool": action.tool.name,
        "action": action.name,
        "code": action.code,
        "lines": [[line.sentence, line.undo] for line in lines],
        **about,
    }
    text = json.dumps(covered, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plan_once(
    action: Action, parameters: Mapping[str, Any], rows: Sequence[Any], by: Identity
) -> list[PlanLine]:
    run = _Planning(action, by)
    given = {
        name: _Absent("") if name in action.form.secrets else value
        for name, value in parameters.items()
    }
    fence: Fence | None = None
    try:
        with planning() as fence:
            call(action, run, given, rows)
    except PlanError:
        raise
    except Exception as error:
        if (fence is not None and fence.attempts) or is_refused_write(error):
            raise Leak(_told(action, fence, error)) from error
        raise PlanError(_told(action, fence, error)) from error
    if fence.attempts:
        # Somebody has caught what the fence raised.
        raise Leak(_tried(action, fence))
    return run.lines


def call(action: Action, run: Run, parameters: Mapping[str, Any], rows: Sequence[Any]) -> None:
    """Call the action's function, for each row or once, in whichever mode `run` is.

    Each call finds its files as they came, whatever was read of them before.
    """
    given = {**parameters, action.run_name: run}
    rewind(parameters.values())
    if action.takes == "row":
        for row in rows:
            action.function(**given, row=row)
            rewind(parameters.values())
    elif action.takes == "rows":
        action.function(**given, rows=list(rows))
    else:
        action.function(**given)


def rewind(values: Iterable[Any]) -> None:
    """Put the files among `values` back to their beginning."""
    for value in values:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, FileStorage):
                each.seek(0)


def _told(action: Action, fence: Fence | None, error: Exception) -> str:
    if fence is not None and fence.attempts:
        return _tried(action, fence)
    if is_refused_write(error):
        return (
            f"{action.name} writes to the database while it is only planned: do what writes"
            " through run.do(sentence, function, ...)."
        )
    if isinstance(error, ValueError):
        return str(error) or "The action refuses these values."
    log.warning("%s cannot be planned", action, exc_info=error)
    return f"{action.name} cannot be planned: {type(error).__name__}: {error}"


def _tried(action: Action, fence: Fence) -> str:
    what, about = fence.attempts[0]
    return (
        f"{action.name} reaches out while it is only planned ({what} {about}): do that through"
        " run.do(sentence, function, ...)."
    )


def is_refused_write(error: BaseException | None) -> bool:
    """Whether a database has refused to write, as it was told to."""
    while error is not None:
        text = str(error).lower()
        if "readonly database" in text or "read-only transaction" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def planning() -> Iterator[Fence]:
    """Inside, on this thread, nothing can be written or reached; see above."""
    _listen()
    token = _is_planning.set(True)
    try:
        with fenced_off(files=True) as fence:
            yield fence
    finally:
        _is_planning.reset(token)


_listening = False


def _listen() -> None:
    """Hear of every connection that any pool hands out from now on."""
    global _listening
    if not _listening:
        _listening = True
        event.listen(Pool, "checkout", _on_checkout)
        event.listen(Pool, "checkin", _on_checkin)


def _on_checkout(driver: Any, record: Any, proxy: Any) -> None:
    if _is_planning.get():
        record.info[_MARK] = True
        _set_read_only(driver, True)


def _on_checkin(driver: Any, record: Any) -> None:
    if record.info.pop(_MARK, False) and driver is not None:
        _set_read_only(driver, False)


def _set_read_only(driver: Any, is_on: bool) -> None:
    """Tell the database itself; PlanError for one that we do not know how to tell."""
    module = type(driver).__module__.partition(".")[0]
    if module in ("sqlite3", "_sqlite3", "pysqlite3"):
        driver.execute(f"PRAGMA query_only = {'ON' if is_on else 'OFF'}")
    elif module == "psycopg":
        driver.read_only = True if is_on else None
    elif module == "psycopg2":
        driver.set_session(readonly=True if is_on else "DEFAULT")
    elif is_on:
        raise PlanError(
            f"A connection of {module} cannot be made read-only here, so an action that reads"
            " through it cannot be planned. SQLite and PostgreSQL can."
        )
