"""A tool: pages over a team's own data, for those who have a role.

ops = Tool(app, "ops", data="sqlite:///shop.db")

@ops.table("orders", search=["customer"], filters=["status"], read="support", export="lead")
def orders(query, user):
    return query.where(query.selected_columns.archived == False)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from ..blueprints import Blueprint
from ..bridge import is_async
from ..database import Database
from ..database.opened import database_of
from ..globals import request
from ..look import Look
from ..scaffold import SetupError
from ..security import Identity, Stance, allow, current_identity
from ..security.access import place_of
from . import audit
from .actions import Action, declare
from .desk import add_desk
from .drawing import Figure, figure_of
from .pages import look_of
from .runs.notices import Notice
from .runs.working import Runs
from .spans import parse_span
from .table import VERBS, Options, Table, Who, checked_name, stance_of_who

F = TypeVar("F", bound=Callable[..., Any])
#: A year, and what it takes to look back at one.
KEEP_RUNS = "400d"


class Entry(NamedTuple):
    """An entry of the navigation; `name` is what a page says it is (`here`)."""

    name: str
    title: str
    address: str


class Tool:
    """Pages at `/NAME`, visible to those alone whom a table or a page lets in.

    `data` is the database that tables are in which name no other: a URL, SQLAlchemy's engine, a
    `Database`, or a function that gives an engine; without it the application's store. `store`
    is where runs and audit are kept: a URL or a `Database`, without it the application's.
    `title` stands in the page's head. `app` may come later: `tool.init_app(app)`.

    `workers` is how many threads of each serving process work on runs of actions; 0 for none,
    where `hipflask worker` does. `notify` is called with what happens to runs. `terminal` says
    who the users of this machine are that may use `hipflask tool`, by their names there. `audit`
    says who may read the audit: nobody unless it is said. Runs are removed `keep_runs` ("90d")
    after they ended, with their files and steps, or never where it is None; the audit stays.

    Raises SetupError for a name or path that is none, and for a second tool of the name.
    """

    def __init__(
        self,
        app: Any = None,
        name: str = "tools",
        *,
        title: str = "",
        path: str = "",
        data: Any = None,
        store: str | Database | None = None,
        workers: int = 2,
        notify: Callable[[Notice], None] | None = None,
        terminal: Mapping[str, Identity] | None = None,
        audit: Who | None = None,
        keep_runs: str | None = KEEP_RUNS,
    ) -> None:
        where = f"Tool({name!r})"
        self.name = checked_name(name, where)
        self.title = title or name.replace("-", " ").replace("_", " ").capitalize()
        self.path = path or f"/{name}"
        if not self.path.startswith("/") or self.path.endswith("/") or "<" in self.path:
            raise SetupError(f"{where}: path={path!r}: write it like '/ops'.")
        #: What its endpoints begin with.
        self.endpoint = f"hipflask_tool_{name.replace('-', '_')}"
        self.tables: dict[str, Table] = {}
        self.app: Any = None
        #: By name: `refund`, or `orders.refund`.
        self.actions: dict[str, Action] = {}
        self.runs = Runs(self, workers)
        self.notify = notify
        self.terminal: Mapping[str, Identity] = dict(terminal or {})
        self.audit_access = stance_of_who(audit, f"{where}, audit=")
        #: In seconds, or None.
        self.keep_runs_s = None
        if keep_runs is not None:
            self.keep_runs_s = parse_span(keep_runs, f"keep_runs of {where}")
        self.figures: list[Figure] = []
        self._given_data = data
        self._given_store = store
        self._opened: list[Any] = []
        #: Functions (identity, request) -> entries of the navigation, beside the tables'.
        self.entries: list[Callable[[Identity, Any], Iterable[Entry]]] = []
        #: Functions (identity, request) -> whether somebody may come in, beside the tables'.
        self.doors: list[Callable[[Identity, Any], bool]] = []
        if app is not None:
            self.init_app(app)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def init_app(self, app: Any) -> None:
        """Put the tool's pages into an application."""
        from .views import Views  # after the names above, which it uses

        if self.app is not None:
            raise SetupError(f"{self!r} has an application already.")
        if self.endpoint in app.blueprints:
            raise SetupError(f"The application has a tool {self.name!r} already.")
        self.app = app
        blueprint = Blueprint(self.endpoint, __name__, url_prefix=self.path)
        blueprint.access = allow(self.lets_in)
        self.look.add_to(blueprint)
        Views(self).register(blueprint)
        add_desk(self, blueprint)
        csrf = app.extensions.get("csrf")
        if hasattr(csrf, "exempt"):  # Flask-WTF asks for a token; our forms are guarded by origin
            csrf.exempt(blueprint)
        app.extensions.setdefault("hipflask.tools", {})[self.name] = self
        app.register_blueprint(blueprint)
        self.runs.attach(app)

    # Declaring

    def action(self, **options: Any) -> Callable[[F], F]:
        """Decorate a function (run, ...) as an action that takes no rows; see `declare`.

        @ops.action(roles="lead", approve="lead")
        def close_month(run: Run, month: date) -> None: ...
        """

        def decorate(function: F) -> F:
            declare(self, None, function, **options)
            return function

        return decorate

    def chart(
        self,
        *,
        read: Who,
        title: str = "",
        kind: str = "bars",
        name: str = "",
        unit: str = "",
        on: Table | None = None,
    ) -> Callable[[F], F]:
        """Decorate a function (user) -> pairs of a label and a number: a chart on the first page.

        `kind` is "bars" or "line", `name` the heading of the labels, `unit` that of the numbers,
        which stand beside the drawing as a table. With `on` it is on the page of that table as
        well. None is a gap. Raises SetupError for roles and kinds that are none.

            @ops.chart(read="support", name="Day", unit="Orders")
            def orders_a_day(user):
                return [("Mon", 3), ("Tue", 5)]
        """

        def decorate(function: F) -> F:
            where = f"The chart {place_of(function)}"
            stance = stance_of_who(read, f"{where}, read=")
            if stance is None:
                raise SetupError(f"{where}: nobody could see it. Say read='support', a role.")
            figure = figure_of(function, stance, title, kind, name, unit)
            self.figures.append(figure)
            if on is not None:
                on.figures.append(figure)
            return function

        return decorate

    def drawn(
        self, figures: Iterable[Figure], user: Identity | None, request: Any
    ) -> list[tuple[str, Any]]:
        """Titles and charts that somebody may see; None for one that cannot be drawn."""
        return [
            (figure.title, figure.draw(user))
            for figure in figures
            if user is not None and self.may(figure.who, user, request)
        ]

    def table(
        self,
        source: Any = None,
        *,
        name: str = "",
        title: str = "",
        read: Who | None = None,
        export: Who | None = None,
        create: Who | None = None,
        edit: Who | None = None,
        search: Iterable[str] = (),
        filters: Iterable[str] = (),
        columns: Iterable[str] = (),
        hide: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
        key: Iterable[str] = (),
        sort: str = "",
        editable: Iterable[str] = (),
        views: Mapping[str, str] | None = None,
        audit_reads: bool = False,
        data: Any = None,
    ) -> Table:
        """Show a table: SQLAlchemy's table, mapped class or query, the name of a table in the
        database, or any iterable of rows.

        Used as a decorator it takes the function that narrows the rows for a user, (query, user)
        -> query, or without a source the function (user) -> rows or query.

        `read`, `export`, `create` and `edit` say who may: a role, several, or a stance. What is
        not said is for nobody. `search` and `filters` name the columns that may be searched and
        filtered by; `columns` those that a list shows at first; `hide` those that are never
        shown, `labels` their names for people; `key` the columns that tell a row from all others,
        where no primary key does; `sort` the first order ("created_at.desc"); `editable` those
        that forms have, by default all but the key; `views` are queries of addresses by name, a
        press away: {"Unpaid": "status.is=new&sort=created.asc"}. `audit_reads` has each look at a
        list or a row audited.

        Raises SetupError for roles, names and sources that are none.
        """
        where = f"The table {name or _name_of(source) or ''!r} of {self!r}"
        given = {"read": read, "export": export, "create": create, "edit": edit}
        who = {verb: stance_of_who(given[verb], f"{where}, {verb}=") for verb in VERBS}
        if all(stance is None for stance in who.values()):
            raise SetupError(f"{where}: nobody could see it. Say who may: read='support', a role.")
        source = getattr(source, "__table__", source)
        options = Options(
            title=title,
            search=_names(search, "search", where),
            filters=_names(filters, "filters", where),
            columns=_names(columns, "columns", where),
            hide=frozenset(_names(hide, "hide", where)),
            labels=dict(labels or {}),
            key=_names(key, "key", where),
            sort=sort,
            editable=_names(editable, "editable", where),
            views={label: text.removeprefix("?") for label, text in (views or {}).items()},
            audit_reads=audit_reads,
        )
        stances = {verb: stance for verb, stance in who.items() if stance is not None}
        opened = self.data if data is None else self._open(data)
        table = Table(self, source, name or _name_of(source), stances, options, opened, where)
        if table.name:
            self._keep(table)
        return table

    def _keep(self, table: Table) -> None:
        checked_name(table.name, table.where)
        if table.name in self.tables:
            raise SetupError(f"{self!r} has a table {table.name!r} already: name=... is another.")
        self.tables[table.name] = table

    # Data

    @cached_property
    def data(self) -> Any:
        """The database of tables that name no other."""
        given = self._given_data
        return self._open((lambda: self.store.engine) if given is None else given)

    @cached_property
    def store(self) -> Database:
        """Where runs and audit are kept; opened when first asked for."""
        if self.app is None:
            raise SetupError(f"{self!r} has no application yet: call init_app(app).")
        return database_of(self.app, self._given_store)

    def close(self) -> None:
        """Close the databases that were opened by their URLs."""
        for data in self._opened:
            data.close()

    def _open(self, given: Any) -> Any:
        from .data import Data  # loads SQLAlchemy

        data = Data(given, lambda: self.store)
        self._opened.append(data)
        return data

    # Who may

    def may(self, stance: Stance, identity: Identity | None, request: Any = None) -> bool:
        """Whether a stance lets somebody in; nobody who is not known, whatever it is.

        `request` is None outside of one: a predicate that asks for it then gets None.
        """
        if identity is None:
            return False
        return stance.test(self._plain)(identity, request)

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if is_async(function):
            found: Callable[..., Any] = self.app.ensure_sync(function)
            return found
        return function

    def lets_in(self, identity: Identity, request: Any) -> bool:
        """Whether somebody may see anything of this tool."""
        if any(table.may("read", identity, request) for table in self.tables.values()):
            return True
        if any(self.may(figure.who, identity, request) for figure in self.figures):
            return True
        return any(door(identity, request) for door in self.doors)

    def visible_tables(self, identity: Identity | None, request: Any = None) -> list[Table]:
        """The tables that somebody may read."""
        return [table for table in self.tables.values() if table.may("read", identity, request)]

    # Pages

    @cached_property
    def look(self) -> Look:
        """How its pages are made."""
        return look_of(self)

    def tell(
        self,
        event: str,
        table: Table,
        by: Identity,
        detail: Mapping[str, Any],
        connection: Any = None,
    ) -> None:
        """Write a line into the audit, in a transaction of the store if there is one."""
        audit.write(
            self.store, self.name, event, table.name, by=by, detail=detail, connection=connection
        )

    def page(self, template: str, code: int = 200, **names: Any) -> Any:
        """A page of the tool, with its navigation for whoever asks."""
        user = current_identity()
        return self.look.page(template, code, user=user, navigation=self.navigation(user), **names)

    def link(self, endpoint: str, **values: Any) -> str:
        """The address of a page of the tool."""
        return self.look.link(endpoint, **values)

    def navigation(self, user: Identity | None) -> list[Entry]:
        """The pages that somebody may go to."""
        found = [
            Entry(table.name, table.title, self.link("table", name=table.name))
            for table in self.visible_tables(user, request)
        ]
        if user is not None:
            for more in self.entries:
                found += more(user, request)
        return found


def _name_of(source: Any) -> str:
    """The name of a table in the database, as a piece of an address."""
    source = getattr(source, "__table__", source)
    name = source.rpartition(".")[2] if isinstance(source, str) else getattr(source, "name", "")
    return str(name).lower().replace(" ", "-") if isinstance(name, str) else ""


def _names(given: Iterable[str], what: str, where: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise SetupError(f"{where}: {what}={given!r} is one text; write {what}=[{given!r}].")
    return tuple(given)
