"""The console's routes. Plain functions: they wait for the store, in the pool."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from ...database.errors import StoreUnavailable
from ...database.states import State
from ...globals import request
from ...look import check_origin
from ...security import current_identity
from ...wrappers import Response
from ..actions import ACTIONS, Action, perform
from ..display import content_type, visible
from ..selection import LAST_SEQ, Selection, find_all
from .figures import overview
from .pages import guarding_headers, link, page
from .rows import QUEUES, count_by_state, listing, whole_event, whole_outgoing

_log = logging.getLogger("hipflask.webhooks")

View = Callable[..., Response]

#: Rows that are moved by one press of a button; the page says when there are more.
MOST_AT_ONCE = 1000
#: Rows of a preview that are shown.
SHOWN = 20
LONGEST_NOTE = 200
#: What is asked for most, a press away.
QUICK: tuple[tuple[str, list[State]], ...] = (
    ("All", []),
    ("Waiting", [State.RECEIVED, State.QUEUED, State.RUNNING, State.WAITING]),
    ("Dead", [State.DEAD]),
    ("Parked", [State.PARKED]),
    ("Conflict", [State.CONFLICT]),
)
#: Whoever is not known, where the stance lets them in.
NOBODY = "console"


class Views:
    """The views of one application's hooks; `now` is the clock, in seconds since 1970."""

    def __init__(self, hooks: Any, now: Callable[[], float]) -> None:
        self._hooks = hooks
        self._now = now

    def register(self, blueprint: Any) -> None:
        """Give the blueprint its rules."""
        kind = "/<any(events, outgoing):kind>"
        row = f"{kind}/<int(max={LAST_SEQ}):seq>"
        rules: list[tuple[str, str, View, str]] = [
            ("/", "overview", self.overview, "GET"),
            (kind, "rows", self.rows, "GET"),
            (row, "row", self.row, "GET"),
            (f"{row}/body", "body", self.body, "GET"),
            (f"{row}/move", "move", self.move, "POST"),
            (f"{kind}/bulk", "preview", self.preview, "GET"),
            (f"{kind}/bulk", "bulk", self.bulk, "POST"),
            (f"{kind}/lane", "lane", self.lane, "POST"),
        ]
        for rule, name, view, method in rules:
            blueprint.add_url_rule(rule, name, self._guarded(view), methods=[method])

    def _guarded(self, view: View) -> View:
        """The view with a page for what goes wrong, and POST only from our own pages."""

        @functools.wraps(view)
        def run(**arguments: Any) -> Response:
            try:
                if request.method == "POST":
                    check_origin(request)
                return view(**arguments)
            except HTTPException as error:
                return _failed(error.code or 500, error.description or error.name)
            except StoreUnavailable as error:
                return _failed(503, f"The store does not answer: {error}")

        return run

    def _queue(self, kind: str) -> Any:
        return getattr(self._hooks, QUEUES[kind])

    # Looking

    def overview(self) -> Response:
        """Every source and destination in figures."""
        return page("overview.html", here="overview", overview=overview(self._hooks, self._now()))

    def rows(self, kind: str) -> Response:
        """A list of rows, filtered by what stands in the address."""
        selection = _selection(request.args)
        before = request.args.get("before", type=_seq)
        now = self._now()
        return page(
            "rows.html",
            here=kind,
            kind=kind,
            now=now,
            selection=selection,
            before=before,
            listing=listing(self._queue(kind), selection, now, before),
            lanes=dict.fromkeys((*self._declared(kind), *self._queue(kind).lanes())),
            actions=ACTIONS.values(),
            quick=QUICK,
        )

    def row(self, kind: str, seq: int) -> Response:
        """One row, whole."""
        whole = (whole_event if kind == "events" else whole_outgoing)(self._hooks, seq)
        if whole is None:
            raise NotFound(f"There is no row {seq}, or it is gone: rows are kept for 30 days.")
        return page(
            "row.html",
            here=kind,
            kind=kind,
            now=self._now(),
            whole=whole,
            said=_said(request.args),
        )

    def body(self, kind: str, seq: int) -> Response:
        """The bytes of a row's body, to be kept and never to be shown by a browser."""
        row = self._queue(kind).read(seq)
        if row is None or row.body is None:
            raise NotFound(f"Row {seq} has no body any more.")
        response = Response(row.body, mimetype="application/octet-stream")
        response.headers.extend(guarding_headers())
        suffix = ".json" if "json" in content_type(row.headers or ()) else ".bin"
        response.headers["Content-Disposition"] = f'attachment; filename="{kind}-{seq}{suffix}"'
        return response

    # Moving

    def move(self, kind: str, seq: int) -> Response:
        """Do one thing to one row, and show it again."""
        action = _action(request.form.get("action"))
        moved = self._perform(kind, action, [seq], _note(request.form))
        return _see(link("row", kind=kind, seq=seq, did=action.name, moved=moved))

    def preview(self, kind: str) -> Response:
        """What a bulk action would move, before anything moves."""
        action = _action(request.args.get("action"))
        asked = _selection(request.args)
        selection = asked.narrowed(action.states)
        now = self._now()
        found = []
        if selection is not None:
            found = list(find_all(self._queue(kind), selection, now, MOST_AT_ONCE + 1))
        rows = found[:MOST_AT_ONCE]
        return page(
            "preview.html",
            here=kind,
            kind=kind,
            now=now,
            action=action,
            selection=selection or asked,
            seqs=[row.seq for row in rows],
            shown=rows[:SHOWN],
            counts=count_by_state(rows),
            has_more=len(found) > MOST_AT_ONCE,
        )

    def bulk(self, kind: str) -> Response:
        """Do it to the rows that the preview counted, and to no others."""
        action = _action(request.form.get("action"))
        try:
            seqs = [_seq(seq) for seq in (request.form.get("seqs") or "").split()]
        except ValueError:
            raise BadRequest("The form's list of rows holds something else.") from None
        if len(seqs) > MOST_AT_ONCE:
            raise BadRequest(f"A form of {len(seqs)} rows; {MOST_AT_ONCE} move at once at most.")
        moved = self._perform(kind, action, seqs, _note(request.form))
        return page(
            "moved.html",
            here=kind,
            kind=kind,
            action=action,
            moved=moved,
            asked=len(seqs),
            selection=_selection(request.form),
        )

    def lane(self, kind: str) -> Response:
        """Pause a source or destination, or let it go on."""
        lane = request.form.get("lane") or ""
        queue = self._queue(kind)
        # One that is paused need not have rows, nor be declared any more.
        if lane not in {*self._declared(kind), *(each.lane for each in queue.figures())}:
            raise NotFound(f"There is no {lane[:64]!r} here.")
        is_pause = request.form.get("action") == "pause"
        (queue.pause if is_pause else queue.resume)(lane)
        # A lane has no audit of its own.
        _log.warning("%s %s %s", _actor(), "paused" if is_pause else "resumed", lane)
        return _see(link("overview"))

    def _perform(self, kind: str, action: Action, seqs: list[int], note: str) -> int:
        moved = 0
        for _, count in perform(action, self._queue(kind), seqs, actor=_actor(), note=note):
            moved = count
        return moved

    def _declared(self, kind: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (
            self._hooks.sources if kind == "events" else self._hooks.destinations
        )
        return found


def _see(location: str) -> Response:
    """Sends the browser on with a GET, so that to load the page anew does nothing again."""
    return Response(status=303, headers=[("Location", location), *guarding_headers()])


def _failed(status: int, text: str) -> Response:
    response = page("failed.html", status, here="", status=status, text=text)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _selection(values: Any) -> Selection:
    try:
        return Selection.parse(values)
    except ValueError as error:
        raise BadRequest(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _seq(text: str) -> int:
    """The number of a row; ValueError for what is none."""
    if not 0 < (seq := int(text)) <= LAST_SEQ:
        raise ValueError(f"{text[:40]!r} is no row's number")
    return seq


def _action(name: str | None) -> Action:
    action = ACTIONS.get(name or "")
    if action is None:
        raise BadRequest(f"There is no such action; actions are {', '.join(ACTIONS)}.")
    return action


def _actor() -> str:
    """Who does it, for the audit."""
    identity = current_identity()
    return NOBODY if identity is None else identity.name


def _note(form: Mapping[str, str]) -> str:
    return visible(" ".join((form.get("note") or "").split()))[:LONGEST_NOTE]


def _said(values: Mapping[str, str]) -> str:
    """What the page says after a form was sent to it; the address holds no text of its own."""
    action = ACTIONS.get(values.get("did") or "")
    if action is None:
        return ""
    if values.get("moved") == "0":
        return "Nothing moved: in the meantime it had become something else."
    return f"Done: {action.past}."
