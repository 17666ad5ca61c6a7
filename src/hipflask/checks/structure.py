"""How the project is laid out, and where its data is: L01, L02, D01, D02."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .declaring import Check, Found, Look, Skipped, found
from .project import is_of_tests, is_ours, migrations_of, plain_name

_OF_HTTP = {
    "abort", "current_app", "flash", "g", "jsonify", "make_response", "redirect", "render_template",
    "request", "Request", "Response", "send_file", "session", "url_for",
}  # fmt: skip
_DRIVERS = {
    "asyncpg", "boto3", "MySQLdb", "mysql", "peewee", "psycopg", "psycopg2", "pymongo", "pymysql",
    "redis", "sqlalchemy", "sqlite3",
}  # fmt: skip
_FRAMEWORKS = {"flask", "hipflask", "werkzeug"}


def layers(look: Look) -> Iterator[Found]:
    """L01."""
    routes, services = (*look.project.policy.layers, "", "")[:2]
    for name in look.project.files:
        if not name.endswith(".py") or is_of_tests(name):
            continue
        parts = name.split("/")
        if services and (services in parts or parts[-1] == f"{services}.py"):
            yield from _imports_of(look, name, _is_http, "a service imports {} of HTTP")
        elif routes and (routes in parts or parts[-1] == f"{routes}.py"):
            yield from _imports_of(look, name, _is_driver, "a route imports the driver {}")


def _imports_of(look: Look, name: str, is_wrong: Any, text: str) -> Iterator[Found]:
    try:
        tree = ast.parse(Path(look.project.root, name).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in _walked(tree):
        for wrong in is_wrong(node):
            yield found(name, text.format(wrong), f"{name}:{node.lineno}")


def _walked(tree: ast.AST) -> Iterator[Any]:
    """The import statements, but for those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        else:
            yield from _walked(node)


def _is_http(node: Any) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and not node.level:
        top = (node.module or "").partition(".")[0]
        if top in _FRAMEWORKS:
            yield from (one.name for one in node.names if one.name in _OF_HTTP)


def _is_driver(node: Any) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [one.name for one in node.names]
    else:
        names = [] if node.level else [node.module or ""]
    yield from (one for one in names if one.partition(".")[0] in _DRIVERS)


def extension_policy(look: Look) -> Iterator[Found]:
    """L02."""
    allowed = {plain_name(name): owner for name, owner in look.project.policy.extensions.items()}
    for one in look.facts.extensions:
        name = plain_name(one.name)
        lacking = []
        if name not in allowed:
            lacking.append("nobody allowed it")
        elif not allowed[name].strip():
            lacking.append("nobody answers for it")
        if name not in look.project.pinned:
            lacking.append("no version is pinned")
        if lacking:
            yield found(name, f"is loaded ({one.version}), and {' and '.join(lacking)}", "")


def schema_drift(look: Look) -> Iterator[Found]:
    """D01. The migrations are run on an empty SQLite database in memory."""
    from .gathering import metadatas  # in the application's process alone

    found_metadata = metadatas()
    if not found_metadata:
        return
    folder = _migrations(look)
    if folder is None:
        tables = sum(len(one.tables) for one in found_metadata)
        yield found("migrations", f"{tables} tables are declared, and no migration makes them", "")
        return
    for change in _changes(folder, found_metadata):
        yield found(change, f"the migrations and the models differ: {change}", "")


def _migrations(look: Look) -> Path | None:
    for name in migrations_of(look.project):
        return Path(look.project.root, name).parents[1]
    for name in look.project.files:  # made, and empty as yet
        if name.endswith("script.py.mako") and not is_ours(look.project, name):
            return Path(look.project.root, name).parent
    return None


def _changes(folder: Path, metadata: Any) -> Iterator[str]:
    try:
        from alembic.autogenerate import compare_metadata  # optional
        from alembic.migration import MigrationContext
        from alembic.operations import Operations
        from alembic.script import ScriptDirectory
        from sqlalchemy import create_engine
    except ImportError:
        raise Skipped("needs Alembic: pip install 'hipflask[sql]'") from None
    with tempfile.TemporaryDirectory() as scratch:
        engine = create_engine(f"sqlite:///{scratch}/migrated.db")
        try:
            with engine.begin() as connection:
                context = MigrationContext.configure(connection)
                scripts = ScriptDirectory(str(folder))
                with Operations.context(context):
                    for revision in reversed(list(scripts.walk_revisions())):
                        revision.module.upgrade()
                differences = compare_metadata(context, metadata)
        except Exception as error:
            raise Skipped(f"the migrations do not run on SQLite: {error}") from error
        finally:
            engine.dispose()
    yield from sorted(filter(None, map(_told, differences)))


def _told(difference: Any) -> str:
    """A difference of structure as words; "" for one of types, defaults or indexes."""
    if not isinstance(difference, tuple):
        return ""
    kind = difference[0]
    if kind in ("add_table", "remove_table"):
        table = difference[1].name
        if table == "alembic_version":
            return ""
        return f"{'missing' if kind == 'add_table' else 'extra'} table {table}"
    if kind in ("add_column", "remove_column"):
        named = f"{difference[2]}.{difference[3].name}"
        return f"{'missing' if kind == 'add_column' else 'extra'} column {named}"
    return ""


def sqlite_ops(look: Look) -> Iterator[Found]:
    """D02."""
    root = Path(look.project.root)
    temporary = Path(tempfile.gettempdir()).resolve()
    for store in look.facts.stores:
        if store.kind != "sqlite":
            continue
        file = Path(store.file)
        if file.resolve().is_relative_to(temporary) and not root.is_relative_to(temporary):
            yield found(store.source, "the database is in a folder for temporary files", "")
        relative = file.relative_to(root).as_posix() if file.is_relative_to(root) else ""
        if relative and relative in look.project.files and look.project.git:
            yield found(store.source, f"the database {relative} is tracked by git", relative)
        if store.is_wal is False:
            yield found(store.source, "the database is not in WAL mode: a reader stops writers", "")


CHECKS = [
    Check(
        id="L01",
        name="layers",
        levels=("-", "W", "W"),
        needs="project",
        inspects="services import no request or response, routes no driver of a database",
        why="what knows HTTP cannot be called by a job; what knows SQL needs a store to be tested",
        fix="pass values to the service; let the store's module hold the statements",
        find=layers,
    ),
    Check(
        id="L02",
        name="extension-policy",
        levels=("I", "W", "E"),
        needs="project",
        inspects="loaded extensions are in [tool.hipflask.check.extensions], owned and pinned",
        why="an extension runs with all rights, and somebody has to follow its releases",
        fix='flask-login = "team-shop" in that table, and a lock file or == in the requirements',
        find=extension_policy,
    ),
    Check(
        id="D01",
        name="schema-drift",
        levels=("-", "W", "E"),
        needs="app",
        inspects="the migrations make the tables and columns that the models have",
        why="what create_all made on one machine is not there on the next",
        fix="alembic revision --autogenerate, read what it wrote, commit it",
        find=schema_drift,
    ),
    Check(
        id="D02",
        name="sqlite-ops",
        levels=("-", "W", "W"),
        needs="project",
        inspects="an SQLite file is not temporary, not in the repository, and in WAL mode",
        why="a file that goes with the machine, or into a commit, is no store",
        fix="name a path on a disk that stays and is backed up: 'hipflask db backup'",
        find=sqlite_ops,
    ),
]  # fmt: skip
