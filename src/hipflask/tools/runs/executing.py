"""Works on one run: plans it once more, and only if nothing has moved does what was planned.

Each step is a row before it begins and after it ended, in transactions that prove the claim: a
worker that has lost its lease does not begin another step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...database import Claimed, Database, Done
from ...security import Identity
from ...settings import Secret
from .. import audit
from ..actions.declaring import Action
from ..actions.planning import PlanLine, call, check_sentence, rewind
from ..actions.run import Cancelled, Run
from ..actions.undoing import load_undo
from . import rows
from .drafting import Draft, difference, draft_again, draft_undo, refused_by_now, values_of
from .jobs import WORKER, Jobs
from .notices import Notice, notify
from .refusing import GateError
from .rows import RunRow
from .states import RunState, StepState

log = logging.getLogger("hipflask.tools")

#: How often progress is written at most.
TELL_EVERY_S = 0.5
LONGEST_ERROR = 2000
HIDDEN = "[secret]"


class Lost(Exception):
    """Somebody else answers for the run by now: its lease ran out."""


class Moved(Exception):
    """What is done is not what was planned."""


class Live(Run):
    """The run mode of `Run`: calls, times and audits each step."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        claimed: Claimed[Any],
        row: RunRow,
        secrets: Mapping[str, Any],
    ) -> None:
        super().__init__(row.asked_by, row.id)
        self._database = database
        self._jobs = jobs
        self._claimed = claimed
        self._row = row
        self._hidden = [
            value.reveal() for value in secrets.values() if isinstance(value, Secret) and value
        ]
        self._number = 0
        self._told_at = 0.0

    def do(
        self,
        sentence: str,
        function: Callable[..., Any],
        /,
        *args: Any,
        undo: tuple[Any, ...] | None = None,
        **named: Any,
    ) -> Any:
        # What was read of a file for the sentence is not missing from the step.
        rewind([*args, *named.values()])
        return self.step(check_sentence(sentence), lambda: function(*args, **named))

    def step(
        self,
        sentence: str,
        function: Callable[[], Any],
        also: Callable[[Any], None] | None = None,
    ) -> Any:
        """One step: only the one that was planned at this place.

        `also` writes more in the transaction that says the step is done.
        """
        number = self._number
        planned = self._row.lines[number] if number < len(self._row.lines) else None
        if planned is None or planned.sentence != sentence:
            # The sentence is not repeated: it may hold what only the run knows.
            raise Moved(f"Step {number + 1} is not the one that was planned.")
        self._begin(number, planned)
        began = time.monotonic()
        try:
            result = function()
        except Exception as error:
            self._end(number, began, StepState.FAILED, self.hide(error))
            raise
        self._number += 1
        self._end(number, began, StepState.DONE, None, also)
        return result

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        now = time.monotonic()
        if now < self._told_at + TELL_EVERY_S:
            return
        self._told_at = now
        text = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
        shown = self.hide(f"{message} {text}" if message else text)
        with self._ours() as connection:
            rows.note(connection, self._row.id, message=shown[:500])

    def hide(self, what: object) -> str:
        """A text, or an exception's, without the secrets that this run was given."""
        text = f"{type(what).__name__}: {what}" if isinstance(what, BaseException) else str(what)
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        return text[:LONGEST_ERROR].replace("\0", "")

    def _ours(self) -> Any:
        return _Ours(self._jobs, self._claimed, self._row.id)

    def _begin(self, number: int, planned: PlanLine) -> None:
        with self._ours() as connection:
            rows.begin_step(
                connection,
                {
                    "run_id": self._row.id,
                    "number": number,
                    "sentence": planned.sentence,
                    "undo": planned.undo,
                    "at": self._database.clock.now(),
                },
            )

    def _end(
        self,
        number: int,
        began: float,
        state: StepState,
        error: str | None,
        also: Callable[[Any], None] | None = None,
    ) -> None:
        took = time.monotonic() - began
        with self._jobs.writing(is_ending=True) as connection:
            if not self._jobs.is_ours(connection, self._claimed):
                raise Lost
            rows.end_step(
                connection, self._row.id, number, state=str(state), took_s=took, error=error
            )
            rows.note(connection, self._row.id, done=self._number, message="")
            if also is not None:
                also(connection)
            audit.write(
                self._database,
                self._row.tool,
                "step" if error is None else "step failed",
                self._row.action,
                by=self.by,
                via="worker",
                run_id=self._row.id,
                detail={"sentence": self._row.lines[number].sentence, "error": error},
                connection=connection,
            )


class _Ours:
    """A transaction of a run that is still ours, and that nobody has cancelled."""

    def __init__(self, jobs: Jobs, claimed: Claimed[Any], run_id: int) -> None:
        self._jobs, self._claimed, self._run_id = jobs, claimed, run_id
        self._begun = jobs.writing(is_ending=True)

    def __enter__(self) -> Any:
        connection = self._begun.__enter__()
        try:
            if not self._jobs.is_ours(connection, self._claimed):
                raise Lost
            run = rows.read(connection, self._run_id)
            if run is not None and run.cancelled_by is not None:
                raise Cancelled
        except BaseException as error:
            self._begun.__exit__(type(error), error, error.__traceback__)
            raise
        return connection

    def __exit__(self, *raised: Any) -> None:
        self._begun.__exit__(*raised)


class Executor:
    """Works on the runs of one tool; `work` is what a crew calls, in a worker's thread."""

    def __init__(self, tool: Any, jobs: Jobs) -> None:
        self._tool = tool
        self._jobs = jobs
        self._database: Database = jobs.database

    def work(self, claimed: Claimed[Any], secrets: Mapping[str, Any] | None = None) -> None:
        """Do what was planned, and say how it ended. Raises nothing but what the store raises."""
        row = self._begin(claimed)
        if row is None:
            return
        live = Live(self._database, self._jobs, claimed, row, secrets or {})
        ending, error, moved = RunState.DONE, None, None
        try:
            with self._tool.app.app_context():
                moved = self._run(row, live, secrets or {})
        except Lost:
            log.warning("run %s was taken from its worker, which stops", row.id)
            return
        except Cancelled:
            ending, error = RunState.CANCELLED, "Cancelled while it ran."
        except Exception as raised:
            ending, error = RunState.FAILED, live.hide(raised)
            if live._hidden:
                log.error("run %s of %s failed: %s", row.id, row.action, error)
            else:
                log.exception("run %s of %s failed", row.id, row.action)
        if moved is not None:
            ending, error = RunState.FAILED, "It was not run: what it was planned for has moved."
        self._end(claimed, row, ending, error, moved)

    def _begin(self, claimed: Claimed[Any]) -> RunRow | None:
        """Say that it runs; None where it is not to run any more."""
        now = self._database.clock.now()
        with self._jobs.writing(is_ending=True) as connection:
            found = rows.read(connection, claimed.row.run_id)
            if found is None or found.state is not RunState.QUEUED:
                self._jobs.finish(claimed, Done(), connection)
                return None
            if found.expires_at is not None and found.expires_at <= now:
                rows.move(connection, found.id, RunState.EXPIRED, ended_at=now)
                self._audit(found, "expired", {}, connection, by=WORKER)
                self._jobs.finish(claimed, Done(), connection)
                return None
            row = rows.move(
                connection,
                found.id,
                RunState.RUNNING,
                started_at=now,
                total=len(found.lines),
                # Anew when it ends; this is for a run whose worker dies.
                undo_until=self._undo_until(found, now),
            )
            self._audit(row, "start", {}, connection)
        return row

    def _run(self, row: RunRow, live: Live, secrets: Mapping[str, Any]) -> str | None:
        """Run it; returns what has moved where something has, and then nothing was done."""
        action = self._tool.actions.get(row.action)
        if action is None:
            return f"There is no action {row.action!r} any more."
        if refusal := refused_by_now(action, row):
            return refusal
        if row.undo_of is not None:
            return self._run_undo(action, row, live)
        with self._database.read() as connection:
            files = rows.read_files(connection, row.id)
        try:
            values = values_of(action, row, files)
            now = draft_again(action, row, values)
        except GateError as error:
            return difference(action, row, None, str(error))
        if now.plan.digest != row.digest:
            return difference(action, row, now)
        call(action, live, {**values, **secrets}, now.rows)
        _check_whole(live, row)
        return None

    def _run_undo(self, action: Action, row: RunRow, live: Live) -> str | None:
        assert row.undo_of is not None
        try:
            with self._database.read() as connection:
                original = rows.read(connection, row.undo_of)
                if original is None:
                    raise GateError("The run is gone.", 404)
                now: Draft = draft_undo(connection, action, original, row.occasion)
                numbers = [
                    step.number
                    for step in reversed(rows.steps(connection, original.id))
                    if step.state is StepState.DONE and step.undo is not None
                ]
            if now.plan.digest != row.digest:
                return difference(action, row, now)
            calls = [load_undo(action.function, line.undo or "") for line in now.plan.lines]
        except (GateError, LookupError) as error:
            return difference(action, row, None, str(error))
        for number, line, (function, args) in zip(numbers, now.plan.lines, calls, strict=True):
            taken_back = partial(_say_undone, original.id, number)
            live.step(line.sentence, partial(function, *args), taken_back)
        return None

    def _end(
        self,
        claimed: Claimed[Any],
        row: RunRow,
        ending: RunState,
        error: str | None,
        moved: str | None,
    ) -> None:
        now = self._database.clock.now()
        with self._jobs.writing(is_ending=True) as connection:
            self._jobs.finish(claimed, Done(), connection)
            ended = rows.move(
                connection,
                row.id,
                ending,
                ended_at=now,
                error=error,
                difference=moved,
                undo_until=self._undo_until(row, now),
                message="",
            )
            detail = {"error": error, "difference": moved, "done": ended.done}
            self._audit(row, "refused" if moved else str(ending), detail, connection)
            if row.undo_of is not None and ending is RunState.DONE:
                rows.move(connection, row.undo_of, RunState.UNDONE)
                self._audit(row, "undone", {"run": row.undo_of}, connection)
        notify(self._tool, Notice(str(ending), ended))

    def _undo_until(self, row: RunRow, now: float) -> float | None:
        action = self._tool.actions.get(row.action)
        if action is None or action.undo_for_s is None or row.undo_of is not None:
            return None
        return float(now + action.undo_for_s)

    def _audit(
        self,
        row: RunRow,
        event: str,
        detail: Mapping[str, Any],
        connection: Any,
        by: Identity | None = None,
    ) -> None:
        audit.write(
            self._database,
            row.tool,
            event,
            row.action,
            by=by or row.asked_by,
            via="worker",
            run_id=row.id,
            detail=detail,
            connection=connection,
        )


def _say_undone(run_id: int, number: int, connection: Any) -> None:
    rows.end_step(connection, run_id, number, state=str(StepState.UNDONE))


def _check_whole(live: Live, row: RunRow) -> None:
    if live._number != len(row.lines):
        raise Moved(f"{live._number} of the {len(row.lines)} planned steps were done.")
