"""The pages of a tool's tables. Plain functions: they wait for the database, in the pool."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from sqlalchemy.exc import DataError, OperationalError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound

from ..api.inputs.forms import form_of as form_of_request
from ..database import StoreUnavailable
from ..globals import request
from ..guards.origins import OriginGuard
from ..look.words import visible
from ..security import Identity, current_identity
from ..wrappers import Response
from . import once
from .asked import SIZES
from .cells import cell_of
from .editing import (
    Refused,
    Stale,
    changes_of,
    create,
    differing,
    edit,
    form_to_create,
    form_to_edit,
    is_writable,
    left_out,
)
from .exporting import dump_csv
from .filtering import counted, widgets_of
from .rows import Row, key_of, version_of
from .saving import View as Saved
from .saving import forget_view, read_views, save_view
from .table import Table

View = Callable[..., Response]
_log = logging.getLogger("hipflask.tools")
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class Offer(NamedTuple):
    """An action that somebody may ask for, and the page to do so."""

    label: str
    address: str


class Views:
    """The views of one tool's tables."""

    def __init__(self, tool: Any) -> None:
        self._tool = tool

    def register(self, blueprint: Any) -> None:
        """Give the blueprint its rules."""
        tool = self._tool
        rules: list[tuple[str, str, View, list[str]]] = [
            ("/", "home", self.home, ["GET"]),
            ("/tables/<name>", "table", self.table, ["GET"]),
            ("/tables/<name>/export.csv", "export", self.export, ["GET"]),
            ("/tables/<name>/views", "views", self.views, ["POST"]),
            ("/tables/<name>/new", "create", self.create, ["GET", "POST"]),
            ("/tables/<name>/rows/<key>", "row", self.row, ["GET"]),
            ("/tables/<name>/rows/<key>/edit", "edit", self.edit, ["GET", "POST"]),
        ]
        for rule, endpoint, view, methods in rules:
            blueprint.add_url_rule(rule, endpoint, guarded(tool, view), methods=methods)

    # Looking

    def home(self) -> Response:
        """What there is, and how much of it."""
        user = current_identity()
        tables = self._tool.visible_tables(user, request)
        counts = [(table, _said_count(table, user)) for table in tables]
        drawn = self._tool.drawn(self._tool.figures, user, request)
        return self._page("home.html", here="home", tables=counts, drawn=drawn)

    def table(self, name: str) -> Response:
        """A page of a table."""
        table, user = self._find(name)
        listing = table.listing(request.args, user)
        asked = listing.asked
        if table.options.audit_reads and listing.rows:
            detail = {"query": asked.query(), "rows": len(listing.rows)}
            self._tool.tell("list", table, user, detail)
        columns = listing.seen
        base = self._tool.link("table", name=name)
        has_keys = any(map(key_of, listing.rows))
        actions = self._actions(table, user) if has_keys else []
        saved = self._saved(table, user)
        widgets = widgets_of(table.filters(columns), asked)
        own = {each.name for each in widgets} | {"q", "page"}
        ids = {each.name: each.id for each in widgets}
        return self._page(
            "table.html",
            400 if asked.errors else 200,
            here=name,
            table=table,
            listing=listing,
            asked=asked,
            counted=counted(listing),
            columns=columns,
            headings=_headings(base, listing, bool(actions)),
            actions=actions,
            drawn=self._tool.drawn(table.figures, user, request),
            views=_views(base, table, asked, saved),
            saved=saved,
            query=asked.query(page=1)[1:],
            shown_names={column.name for column in listing.columns},
            widgets=widgets,
            ids={**ids, "q": "q"},
            ids_labels={**{each.name: each.label for each in widgets}, "q": "Search"},
            kept_by_filters=[pair for pair in asked.pairs(page=1) if pair[0] not in own],
            kept_by_columns=[p for p in asked.pairs(page=1) if p[0] not in ("show", "size")],
            sizes=SIZES,
            may_create=self._may("create", table, user),
            may_export=table.may("export", user, request),
            key_of=key_of,
            said="",
        )

    def export(self, name: str) -> Response:
        """All rows that an address asks for, as CSV, a batch in memory at a time."""
        table, user = self._find(name, "export")
        asked = table.ask(request.args, user)
        if asked.errors:
            raise BadRequest("The address asks for what cannot be read; see the table's page.")
        columns, rows = table.stream(asked, user)
        if request.method == "GET":
            detail = {"query": asked.query(page=1), "columns": [each.name for each in columns]}
            self._tool.tell("export", table, user, detail)
        fields = [
            *self._tool.look.headers(),
            ("Content-Disposition", f'attachment; filename="{table.name}.csv"'),
        ]
        body = () if request.method == "HEAD" else dump_csv(columns, rows)
        return Response(body, mimetype="text/csv", headers=fields)

    def views(self, name: str) -> Response:
        """Keep what is looked at under a name, or forget a name."""
        table, user = self._find(name)
        form = request.form
        mine = self._tool.store, self._tool.name, table.name, user.name
        # Made anew of what is read of it: a form's text is no address.
        asked = table.ask(MultiDict(parse_qsl(form.get("query", ""))), user)
        if "forget" in form:
            forget_view(*mine, form["forget"])
        else:
            if asked.errors:
                raise BadRequest("The address asks for what cannot be read: it is not kept.")
            try:
                save_view(*mine, form.get("name", ""), asked.query(page=1)[1:])
            except ValueError as error:
                raise BadRequest(str(error)) from None
        return self._go(self._tool.link("table", name=table.name) + asked.query(page=1))

    def _saved(self, table: Table, user: Identity) -> list[Saved]:
        try:
            return read_views(self._tool.store, self._tool.name, table.name, user.name)
        except StoreUnavailable:
            return []  # the rows are worth seeing without

    def row(self, name: str, key: str) -> Response:
        """A row, whole."""
        table, user = self._find(name)
        row = _row(table, key, user)
        self._tell_read(table, row)
        return self._page(
            "row.html",
            here=table.name,
            table=table,
            key=key,
            row=row,
            version=version_of(row),
            name=_name(table, row),
            columns=table.columns(user),
            may_edit=self._may("edit", table, user),
            actions=self._actions(table, user, row),
            said=_SAID.get(request.args.get("did", ""), ""),
        )

    def _tell_read(self, table: Table, row: Row) -> None:
        user = current_identity()
        if table.options.audit_reads and user is not None:
            self._tool.tell("read", table, user, {"key": key_of(row)})

    # Writing

    def create(self, name: str) -> Response:
        """A form for a new row; and the row that is made of it."""
        table, user = self._find(name, "create")
        columns = table.columns(user)
        form = form_to_create(_writable(table), columns)
        if request.method != "POST":
            return self._edited(table, form, form.blank(), columns)
        sent = form_of_request(_whole(request))
        filled = form.read(sent)
        if not filled.is_valid:
            return self._edited(table, form, filled, columns, 422)
        blank = {field.name for field in form.fields if not field.is_required}
        values = {
            name: value
            for name, value in filled.values.items()
            if not (value is None and name in blank)
        }
        try:
            taken = self._take(table, user, sent)
        except once.Used as used:
            if used.address:
                return self._go(used.address)
            return self._edited(table, form, filled, columns, 409, refusal=_SENT)
        except once.Different:
            return self._edited(table, form, filled, columns, 409, refusal=_MADE)
        audit = self._audit("create", table, user)

        def made(connection: Any, before: Row | None, after: Row) -> None:
            audit(connection, before, after)
            if table.sql.data.is_store:
                taken.done(self._row_made(table, key_of(after)), connection)

        try:
            key = create(table, user, values, made)
        except Refused as error:
            taken.failed()
            return self._edited(table, form, filled, columns, 409, refusal=str(error))
        except BaseException:
            taken.failed()
            raise
        address = self._row_made(table, key)
        if not table.sql.data.is_store:
            taken.done(address)
        return self._go(address)

    def _take(self, table: Table, user: Identity, sent: Any) -> once.Once:
        whose = (self._tool.name, table.name, user.via, user.name)
        fields = sorted((name, sent.getlist(name)) for name in sent if name != once.FIELD)
        return once.take(self._tool.store, sent.get(once.FIELD, ""), whose, fields)

    def _row_made(self, table: Table, key: str) -> str:
        """Where a new row is to be seen."""
        if not key:
            return str(self._tool.link("table", name=table.name))
        return str(self._tool.link("row", name=table.name, key=key, did="created"))

    def edit(self, name: str, key: str) -> Response:
        """A form of a row; and what was typed, written to it if it is still what was shown."""
        table, user = self._find(name, "edit")
        columns = table.columns(user)
        row = _row(_writable(table), key, user)
        form = form_to_edit(table, columns, row)
        if request.method != "POST":
            return self._edited(table, form, form.blank(dict(row)), columns, row=row)
        sent = form_of_request(_whole(request))
        filled, changes = changes_of(form, row, sent)
        if sent.get("version", "") != version_of(row):
            return self._stale(table, row, columns, sent)
        if not filled.is_valid:
            return self._edited(table, form, filled, columns, 422, row=row)
        try:
            edit(table, user, key, version_of(row), changes, self._audit("edit", table, user))
        except Stale as error:
            return self._stale(table, error.row, columns, sent)
        except LookupError:
            raise NotFound(_NO_ROW) from None
        except Refused as error:
            return self._edited(table, form, filled, columns, 409, row=row, refusal=str(error))
        return self._see(table, key, "saved" if changes else "same")

    def _stale(self, table: Table, row: Row, columns: Any, sent: Any) -> Response:
        """The form once more, with what is stored now beside what was typed."""
        form = form_to_edit(table, columns, row)
        filled = form.read(sent)
        filled.errors.clear()
        for field in form.fields:
            # What the form as it was sent did not have is as it is stored.
            if field.kind != "check" and f"v.{field.name}" not in sent:
                filled.texts[field.name] = field.dump(row[field.name])
        stale = differing(form, filled, row)
        return self._edited(table, form, filled, columns, 409, row=row, stale=stale)

    def _edited(
        self,
        table: Table,
        form: Any,
        filled: Any,
        columns: Any,
        code: int = 200,
        *,
        row: Row | None = None,
        refusal: str = "",
        stale: Any = None,
    ) -> Response:
        if row is not None:
            self._tell_read(table, row)
        return self._page(
            "edit.html",
            code,
            here=table.name,
            table=table,
            key=None if row is None else key_of(row),
            name="" if row is None else _name(table, row),
            version="" if row is None else version_of(row),
            filled=filled,
            once=once.new_key() if row is None else "",
            rest=left_out(form, columns),
            refusal=refusal,
            stale=stale,
        )

    def _audit(self, event: str, table: Table, user: Identity) -> Any:
        """What writes the audit's line beside an edit, before it is committed."""

        def write(connection: Any, before: Row | None, after: Row) -> None:
            hidden = table.options.hide
            changed = {
                name: [None if before is None else before[name], after[name]]
                for name in after
                if name not in hidden and (before is None or before[name] != after[name])
            }
            told = {name: [_short(value) for value in pair] for name, pair in changed.items()}
            detail = {"key": key_of(after), "changed": told}
            own = connection if table.sql.data.is_store else None
            self._tool.tell(event, table, user, detail, own)

        return write

    def _see(self, table: Table, key: str, did: str) -> Response:
        """Send the browser on with a GET, so that to load the page anew does nothing again."""
        where = (
            self._tool.link("row", name=table.name, key=key, did=did)
            if key
            else self._tool.link("table", name=table.name)
        )
        return self._go(where)

    def _go(self, address: str) -> Response:
        return Response(status=303, headers=[("Location", address), *self._tool.look.headers()])

    def _actions(self, table: Table, user: Identity, row: Row | None = None) -> list[Offer]:
        """The actions that somebody may ask for, of a row or of several."""
        return [
            Offer(action.label, self._tool.link("action", name=action.name))
            for action in table.actions.values()
            if action.takes
            and not user.roles.isdisjoint(action.roles)
            and (row is None or action.available is None or action.available(row))
        ]

    def _may(self, verb: str, table: Table, user: Identity) -> bool:
        return table.may(verb, user, request) and is_writable(table)

    def _find(self, name: str, verb: str = "read") -> tuple[Table, Identity]:
        return find_table(self._tool, name, verb)

    def _page(self, template: str, code: int = 200, **names: Any) -> Response:
        response: Response = self._tool.page(template, code, **names)
        return response


_SENT = (
    "This form was sent before, and how that ended is not known. Look into the table first;"
    " sent again from here, the form makes a row."
)
_MADE = (
    "A row was made of this form before, with other values. Sent again from here, it makes"
    " another one."
)
_NO_ROW = "There is no such row, or it is none of those you may see."
_SAID = {"created": "Created.", "saved": "Saved.", "same": "Nothing was changed."}
_LONGEST_TOLD = 200


def _whole(request: Any) -> Any:
    """The request itself, behind the proxy."""
    return request._get_current_object()


def _row(table: Table, key: str, user: Identity) -> Row:
    row = table.row(key, user)
    if row is None:
        raise NotFound(_NO_ROW)
    return row


def _writable(table: Table) -> Table:
    if not is_writable(table):
        raise NotFound("Rows of this table are made elsewhere: it is a query, or has no key.")
    return table


def _name(table: Table, row: Row) -> str:
    """A row's name for people: the table's, and its key."""
    columns = table.columns_of_key()
    values = ", ".join(cell_of(row[name]).text for name in columns if name in row)
    return f"{table.title} {values}"


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = cell_of(value, _LONGEST_TOLD)
    return text.text + ("…" if text.is_cut else "")


def _views(base: str, table: Table, asked: Any, saved: list[Saved]) -> list[tuple[str, str, bool]]:
    """Names and addresses of a table's views, and whether it is the one that is looked at."""
    here = asked.query(page=1)[1:]
    found = [*table.options.views.items(), *saved]
    return [(label, f"{base}?{query}", query == here) for label, query in found]


def _headings(base: str, listing: Any, has_picks: bool) -> list[dict[str, Any]]:
    """The columns' heads: links that sort, and sort the other way round the next time."""
    asked = listing.asked
    found: list[dict[str, Any]] = [{"all": "key", "class": "pickall"}] if has_picks else []
    for column in listing.columns:
        is_sorted = asked.sort is not None and asked.sort.name == column.name
        turns = is_sorted and not asked.is_descending
        way = "descending" if asked.is_descending else "ascending"
        found.append(
            {
                "label": visible(column.label),
                # The first one is the row's head, which stands on the left.
                "n": column.kind == "number" and column is not listing.columns[0],
                "href": base + asked.query(sort=column, is_descending=turns, page=1),
                "sort": way if is_sorted else None,
            }
        )
    return found


def _said_count(table: Table, user: Identity | None) -> str:
    try:
        count, is_capped = table.count(user)
    except Exception:
        # One table that cannot be read must not take the way to the others.
        _log.exception("%s cannot be counted", table.where)
        return "cannot be read at the moment"
    return f"more than {count:,} rows" if is_capped else f"{count:,} row{'s' * (count != 1)}"


def find_table(tool: Any, name: str, verb: str = "read") -> tuple[Table, Identity]:
    """A table and who asks for it; 404 for one that they may not even read, 403 otherwise."""
    user = current_identity()
    table = tool.tables.get(name)
    if table is None or user is None or not table.may("read", user, request):
        raise NotFound("There is no such table, or it is none of those you may see.")
    if not table.may(verb, user, request):
        raise Forbidden(f"Your roles do not allow this: {verb} {table.title}.")
    return table, user


def guarded(tool: Any, view: View) -> View:
    """The view with a page for what goes wrong, and no write that another site's page made."""

    @functools.wraps(view)
    def run(**arguments: Any) -> Response:
        try:
            refuse_forged(tool)
            return view(**arguments)
        except HTTPException as error:
            return _failed(tool, error.code or 500, error.description or error.name)
        except DataError:
            return _failed(tool, 400, "The database cannot compare what the address asks for.")
        except (StoreUnavailable, OperationalError) as error:
            _log.warning("a database does not answer: %s", error)
            return _failed(tool, 503, "The database does not answer. Try again in a moment.")

    # Its parameters are nothing that a request brings: typed views would look through to them.
    del run.__wrapped__
    return run


def refuse_forged(tool: Any) -> None:
    """Raise 403 for a write that a page of another site made in somebody's name.

    Beside what `hipflask.guards` tests: a request with cookies that says not where it comes from.
    Every browser says it with a form; a program has a credential in a field of its own.
    """
    if request.method in _SAFE:
        return
    OriginGuard(tool.app)()
    headers = request.headers
    if "Cookie" in headers and "Sec-Fetch-Site" not in headers and "Origin" not in headers:
        raise Forbidden(
            "This request holds a cookie and does not say which page it is of: send Origin, or"
            " log in with a key."
        )


def _failed(tool: Any, code: int, text: str) -> Response:
    heading = HTTPStatus(code).phrase
    response: Response = tool.page("failed.html", code, status=code, heading=heading, text=text)
    if code == 503:
        response.headers["Retry-After"] = "5"
    return response
