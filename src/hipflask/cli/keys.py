"""`hipflask keys`: API keys made, listed and taken back, in a file or in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from .openapi import Failed

_place = click.option(
    "--in",
    "place",
    envvar="HIPFLASK_KEYS",
    default="keys.json",
    show_default=True,
    help="A file, or the URL of a database. Or HIPFLASK_KEYS.",
)


@click.group("keys", short_help="API keys: make, list and take back.")
def keys_command() -> None:
    """API keys for `ApiKey(stored_keys(...))`: only their hashes are kept.

    To rotate a key, make the next one with --retire-days: both are valid until then.
    """


@keys_command.command("new")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="A role of the key; may be given again.")
@click.option("--prefix", default="key", show_default=True, help="How the key begins.")
@click.option(
    "--days", type=click.FloatRange(0), default=365, show_default=True, help="0: it never ends."
)
@click.option(
    "--retire-days", type=click.FloatRange(0), help="The name's other keys end after so many days."
)
@_place
def new(
    name: str, roles: tuple[str, ...], prefix: str, days: float, retire_days: float | None,
    place: str,
) -> None:  # fmt: skip
    """Make a key for NAME and print it, this once."""
    with _one_line():
        key, made = _ring(place).new(
            name, roles=roles, prefix=prefix, days=days, retire_days=retire_days
        )
    click.echo(key)
    click.echo(f"Not shown again. Its id is {made.id}; it ends {_day(made.expires)}.", err=True)


@keys_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in seconds since 1970.")
@_place
def list_keys(as_json: bool, place: str) -> None:
    """Show all keys: whose they are, until when, and the day they were last used."""
    with _one_line():
        ring = _ring(place)
        keys, used = ring.entries(), ring.used()
    now = time.time()
    rows: list[dict[str, Any]] = [
        {
            "id": key.id, "name": key.name, "roles": list(key.roles), "state": key.state(now),
            "created": key.created, "expires": key.expires, "used": used.get(key.id, 0) * 86400,
        }
        for key in keys
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps(rows))
        return
    lines: list[tuple[str, ...]] = [("id", "name", "roles", "state", "made", "ends", "last used")]
    for row in rows:
        days = (_day(row[each]) for each in ("created", "expires", "used"))
        lines.append((row["id"], row["name"], ",".join(row["roles"]), row["state"], *days))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys_command.command("revoke")
@click.argument("key_id", metavar="ID")
@_place
def revoke(key_id: str, place: str) -> None:
    """Take the key with this ID back: refused in all processes within two seconds."""
    with _one_line():
        key = _ring(place).revoke(key_id)
    click.echo(f"{key.id} of {key.name} is revoked.", err=True)


def _ring(place: str) -> Any:
    from hipflask.security.storedkeys import KeyRing  # who runs another command needs none

    return KeyRing(place)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    # Of a file, of a database's driver, of what was typed: each says what it is about.
    except Exception as error:
        said = error.args[0] if isinstance(error, LookupError) and error.args else error
        raise Failed(" ".join(str(said).split())) from error


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}" if seconds else "never"
