"""The pages of a tool's tables. Plain functions: they wait for the database, in the pool."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import Forbidden, HTTPException, NotFound

from ..database import StoreUnavailable
from ..globals import request
from ..guards.origins import OriginGuard
from ..security import Identity, current_identity
from ..wrappers import Response
from .rows import key_of, version_of
from .table import Table

View = Callable[..., Response]
_log = logging.getLogger("hipflask.tools")
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


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
            ("/tables/<name>/rows/<key>", "row", self.row, ["GET"]),
        ]
        for rule, endpoint, view, methods in rules:
            blueprint.add_url_rule(rule, endpoint, guarded(tool, view), methods=methods)

    def home(self) -> Response:
        """What there is."""
        user = current_identity()
        tables = self._tool.visible_tables(user, request)
        return self._page("home.html", tables=tables)

    def table(self, name: str) -> Response:
        """A page of a table."""
        table, user = self._find(name)
        listing = table.listing(request.args, user)
        code = 400 if listing.asked.errors else 200
        columns = table.columns(user)
        return self._page(
            "table.html",
            code,
            here=name,
            table=table,
            listing=listing,
            asked=listing.asked,
            columns=columns,
            filters=table.filters(columns),
            may=lambda verb: table.may(verb, user, request),
            key_of=key_of,
        )

    def row(self, name: str, key: str) -> Response:
        """A row, whole."""
        table, user = self._find(name)
        row = table.row(key, user)
        if row is None:
            raise NotFound("There is no such row, or it is none of those you may see.")
        return self._page(
            "row.html",
            here=name,
            table=table,
            key=key,
            row=row,
            version=version_of(row),
            columns=table.columns(user),
            may=lambda verb: table.may(verb, user, request),
        )

    def _find(self, name: str, verb: str = "read") -> tuple[Table, Identity]:
        return find_table(self._tool, name, verb)

    def _page(self, template: str, code: int = 200, **names: Any) -> Response:
        response: Response = self._tool.page(template, code, **names)
        return response


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
        except StoreUnavailable as error:
            _log.warning("the store does not answer: %s", error)
            return _failed(tool, 503, "The database does not answer. Try again in a moment.")

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
    response: Response = tool.page("failed.html", code, status=code, text=text)
    if code == 503:
        response.headers["Retry-After"] = "5"
    return response
