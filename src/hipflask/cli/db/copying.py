"""The commands `backup` and `restore`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hipflask.database import Database
from hipflask.database.backup import back_up, manifest_of
from hipflask.database.restoring import restore

from .choosing import bar, db_command_of, json_option, print_json, telling


@db_command_of("backup", short_help="Copy the store to a file, while it is in use.")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--pause",
    "pause_s",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="After each 2 MB, to leave the disk to the service.",
)
@json_option
def backup_command(database: Database, /, target: Path, pause_s: float, as_json: bool) -> None:
    """Copy the store, an SQLite file, to FILE as it is at one moment, and check the copy.

    Nobody waits for it. FILE appears when the copy is whole, checked (integrity, rows of each
    table) and on the disk, with FILE.json beside it, which says what it has to be like. A FILE
    that is there is never written over. PostgreSQL has pg_dump.
    """
    with bar() as shown:
        manifest = back_up(database, target.absolute(), progress=telling(shown), pause_s=pause_s)
    if as_json:
        print_json({"file": str(target), **msgspec.to_builtins(manifest)})
        return
    total = sum(manifest.rows.values())
    click.echo(f"{target}: {manifest.size_bytes} bytes, {total} rows, checked.")
    click.echo(f"SHA-256 {manifest.sha256}, also in {manifest_of(target)}.")


@db_command_of("restore", short_help="Put a copy in the place of the store.")
@click.argument("backup", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="The store that is there gives way, and is kept.")
@json_option
def restore_command(database: Database, /, backup: Path, replace: bool, as_json: bool) -> None:
    """Check the copy FILE and make it the store.

    Refused while any process has the store open, for a copy that is damaged, and for one of a
    newer hipflask. Stopped anywhere, the store is the old one or the new one, whole. The old one
    is kept beside it as NAME.before-TIME.
    """
    with bar() as shown:
        done = restore(backup.absolute(), database, replace=replace, progress=telling(shown))
    rows = None if done.manifest is None else done.manifest.rows
    kept = None if done.before is None else str(done.before)
    if as_json:
        print_json(
            {"store": str(database.path), "sha256": done.sha256, "rows": rows, "before": kept}
        )
        return
    known = "without a manifest, so only its integrity was checked"
    if rows is not None:
        known = f"{sum(rows.values())} rows, as its manifest says"
    click.echo(f"{database.path} is the copy {backup} now: {known}.")
    if kept is not None:
        click.echo(f"The store that was there: {kept}")
