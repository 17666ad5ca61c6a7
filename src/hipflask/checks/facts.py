"""What is known of an application and of its project, as plain data: sorted, without secrets.

Made in the process that loads the application, read in the one that reports. None means that
nobody can know here, and is never taken for 0.
"""

from __future__ import annotations

from typing import Any

import msgspec

UNSAFE = frozenset(("POST", "PUT", "PATCH", "DELETE"))


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one rule."""

    rule: str
    method: str
    endpoint: str
    #: "file:line" of the view, within the project if it is there.
    place: str = ""
    #: "view", "static", "own" for a page of hipflask's, "websocket", "webhook".
    kind: str = "view"
    #: The stance as it reads, None where nobody declared one.
    access: str | None = None
    is_public: bool = False
    roles: list[str] = []
    #: How its body is declared: "model", "raw", "none", or None for not at all.
    body: str | None = None
    #: Whether it has typed parameters in the query or in header fields.
    has_typed_query: bool = False
    #: Whether the view has an annotation that says what it answers.
    has_typed_answer: bool = False
    documented: bool = False
    deprecated: str = ""
    sunset: str = ""
    #: Whether pages of other sites may post to it, by declaration.
    takes_any_origin: bool = False
    #: Whether the rule takes any path: `<path:...>` and nothing before it.
    is_catch_all: bool = False

    @property
    def name(self) -> str:
        """How a silence and a report name it: "POST /orders"."""
        return f"{self.method} {self.rule}"

    @property
    def is_unsafe(self) -> bool:
        return self.method in UNSAFE

    @property
    def is_own_code(self) -> bool:
        """Whether the project wrote it: no static files, no page of hipflask's."""
        return self.kind in ("view", "websocket")


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """What tells who calls."""

    name: str
    kind: str
    uses_cookies: bool = False
    #: The header it believes from a proxy, "" for none.
    header: str = ""
    trusts_any_peer: bool = False
    for_development: bool = False


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A source of webhooks."""

    name: str
    rule: str
    scheme: str
    has_secrets: bool
    #: Seconds that a delivery may be old; None for any.
    window_s: float | None
    #: Whether a repeated delivery is known by its id.
    has_id: bool
    place: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A place that calls go to."""

    name: str
    address: str
    timeout_s: float | None = None
    retries: str = ""
    place: str = ""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """An action of an internal tool."""

    name: str
    has_preview: bool = False
    needs_approval: bool = False
    has_secret: bool = False
    promises_undo: bool = False
    has_example: bool = False
    place: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table as the application declares it."""

    name: str
    columns: int
    #: Foreign keys, unique and check constraints beside the primary key.
    constraints: int
    place: str = ""


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """A package written for Flask or hipflask that the application loaded."""

    name: str
    version: str


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database is: never with a user or a password."""

    #: The key of the configuration, or what declared it.
    source: str
    kind: str
    #: The file of an SQLite database.
    file: str = ""
    #: Whether that file says it is in WAL mode; None where there is no file yet.
    is_wal: bool | None = None


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the environment that the project's code read itself."""

    name: str
    place: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at once."""

    app: str = ""
    as_flask: bool = False
    routes: list[Route] = []
    providers: list[Provider] = []
    #: Whether sessions may be in use: a key is set, or the interface was replaced.
    has_sessions: bool = False
    #: Plain Flask's own ways: "login" for Flask-Login, "csrf" for a token on every form.
    ways: list[str] = []
    #: Our guards that are installed, and what they are set to.
    guards: list[str] = []
    #: Functions that see every answer, ours apart.
    after_request: int = 0
    config: dict[str, Any] = {}
    #: Why the signing keys are weak, "" for one that is not.
    weak_keys: dict[str, str] = {}
    #: Keys of the typed settings, by class.
    settings: dict[str, list[str]] = {}
    reads: list[Read] = []
    webhooks: list[Webhook] = []
    hosts: list[Host] = []
    actions: list[Action] = []
    tools: int = 0
    tables: list[Table] = []
    #: Whether there is SQLAlchemy metadata; without it nobody can count tables.
    has_metadata: bool = False
    stores: list[Stored] = []
    extensions: list[Extension] = []
    ready_checks: list[str] = []
    #: Handlers of webhooks, and commands of the application's own.
    jobs: int = 0
    templates: int = 0
    #: What the import tried and was kept from: "connect: 10.0.0.1:5432", "write: app.log".
    attempts: list[str] = []
    #: Programs and files of the deployment are the project's, see `Project`.
    versions: dict[str, str] = {}

    @property
    def own_routes(self) -> list[Route]:
        return [route for route in self.routes if route.is_own_code]


class Silence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that somebody answers for, until a day. `where` may have `*` in it."""

    id: str
    where: str
    reason: str
    owner: str
    until: str


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tool.hipflask.check]`: what the team decided."""

    silence: list[Silence] = []
    #: The form of a path, as a regular expression for the whole of it (R05).
    path_style: str = ""
    #: Extensions that may be loaded, each with who answers for it (L02).
    extensions: dict[str, str] = {}
    #: The committed document, from the project's root (R03).
    openapi: str = ""
    #: Folders, from what knows HTTP to what knows the store (L01).
    layers: tuple[str, ...] = ("routes", "services", "store")


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The folder around pyproject.toml, or the current one, and what git says of it."""

    root: str
    pyproject: str = ""
    policy: Policy = Policy()
    #: "git", "shallow", or "" where there is no repository.
    git: str = ""
    #: Files within the root that git tracks; those that are there, without git.
    files: list[str] = []
    #: Names of packages that are pinned, in a lock or with `==`.
    pinned: list[str] = []
    stage: str = ""
    record: dict[str, Any] = {}
    serve: dict[str, Any] = {}


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """How often the tests reached a route, as somebody or as nobody, with which statuses."""

    rule: str
    method: str
    #: "known" or "anonymous".
    stance: str
    statuses: dict[str, int]


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """An SQL statement that wrote while a safe method was answered."""

    rule: str
    method: str
    verb: str
    table: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What `hipflask.checks.recorder` wrote of one run of the tests."""

    version: int = 1
    tests: int = 0
    failed: int = 0
    hits: list[Hit] = []
    writes: list[Write] = []
    #: Variables that the project's code read itself, by name, with a place.
    reads: dict[str, str] = {}
