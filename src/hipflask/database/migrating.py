"""Brings a store's schema to this version, in one transaction that happens or does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from ..scaffold import SetupError
from . import failpoints
from .schema import VERSION

VERSION_TABLE = "hipflask_version"


def read_version(connection: Connection) -> str | None:
    """The version of the store's schema, None where there is none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def upgrade(connection: Connection, store: str) -> None:
    """Run what is missing up to this version; the caller's transaction is all or nothing.

    SetupError for a version that this code does not know: it comes from a newer one.
    """
    # Only here: loading Alembic takes longer than anything else that a start does.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    found = read_version(connection)
    if found == VERSION:
        return
    config = Config()
    here = str(Path(__file__).parent)
    config.set_main_option("script_location", here)
    config.set_main_option("version_locations", f"{here}/versions")
    config.set_main_option("path_separator", "newline")
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if found is not None and found not in known:
        raise SetupError(
            f"{store} has the schema {found}, and this hipflask knows up to {VERSION}: it was"
            " opened by a newer one. Upgrade hipflask here, or use another store."
        )

    def steps(revision: Any, context: Any) -> Any:
        return script._upgrade_revs(VERSION, revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            # One transaction for all, and it is the caller's.
            transactional_ddl=True,
            transaction_per_migration=False,
        )
        environment.run_migrations()
    failpoints.hit("P17")
