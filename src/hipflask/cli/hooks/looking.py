"""The commands that look: `list` and `show`."""

from __future__ import annotations

import sys
import typing as t

import click

from hipflask.look.moments import dump_iso, dump_moment, dump_span
from hipflask.webhooks import display
from hipflask.webhooks.selection import Selection, find_all

from ..openapi import Failed
from .setting import (
    SEQ,
    hooks_command_of,
    json_option,
    now,
    outbox_option,
    print_json,
    queue_of,
    selecting,
)

#: A longer error, type or key is cut in a table.
WIDEST = 48


@hooks_command_of("list", short_help="List events, or requests to destinations.")
@selecting
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
)
@outbox_option
@json_option
def list_command(
    hooks: t.Any, selection: Selection, limit: int, queue_name: str, as_json: bool
) -> None:
    """List the events that an app has stored, the newest first.

    \b
      hipflask hooks list --app shop --source github --since 2h
      hipflask hooks list --app shop --state dead --state parked
      hipflask hooks list --app shop --outbox --json

    With --json a line is one row: `hipflask hooks list --json | jq .seq`.
    """
    rows = list(find_all(queue_of(hooks, queue_name), selection, now(), limit))
    if as_json:
        for row in rows:
            click.echo(_line(describe(row)))
    elif rows:
        print_rows(rows)
    else:
        click.echo(f"Nothing is stored: {selection.words()}.", err=True)


@hooks_command_of("show", short_help="Show one event: headers, body, attempts, audit.")
@click.argument("seq", type=SEQ)
@click.option("--raw", is_flag=True, help="Write the body's bytes, and nothing else.")
@outbox_option
@json_option
def show_command(hooks: t.Any, seq: int, raw: bool, queue_name: str, as_json: bool) -> None:
    """Show the event with the number SEQ: headers, body, attempts, and who moved it.

    \b
      hipflask hooks show 12 --app shop
      hipflask hooks show 12 --app shop --raw > push.json

    Values of header fields that hold secrets are left out.
    """
    queue = queue_of(hooks, queue_name)
    row = queue.read(seq)
    if row is None:
        raise Failed(f"There is no row {seq} in the {queue_name}, or it is gone.")
    if raw:
        if row.body is None:
            raise Failed(
                f"The body of row {seq} is gone; what is left keeps its id from being new."
            )
        sys.stdout.buffer.write(row.body)
    elif as_json:
        print_json(_whole(hooks, queue, row))
    else:
        _print_whole(hooks, queue, row)


def describe(row: t.Any) -> dict[str, t.Any]:
    """A row as JSON has it, without headers and body."""
    shared = {
        "seq": row.seq,
        "lane": row.lane,
        "state": str(row.state),
        "key": row.key,
        "attempt": row.attempt,
        "kills": row.kills,
        "error": row.error,
        "created_at": dump_iso(row.created_at),
        "finished_at": None if row.finished_at is None else dump_iso(row.finished_at),
        "size": row.size,
    }
    if hasattr(row, "event_id"):
        return {
            **shared,
            "id": row.event_id,
            "type": row.event_type,
            "scheme": row.scheme,
            "secret_no": row.secret_no,
            "duplicates": row.dup_count,
            "done_by": list(row.done_by),
        }
    return {
        **shared,
        "method": row.method,
        "path": row.path,
        "idempotency_key": row.idempotency_key,
        "inbox_seq": row.inbox_seq,
        "handler": row.handler,
    }


def print_rows(rows: t.Sequence[t.Any]) -> None:
    """A table of rows, with the error of those that have one on a line of its own."""
    moment = now()
    table: list[tuple[str, ...]] = [("seq", "state", "lane", "what", "key", "age", "attempts")]
    for row in rows:
        what = _what(row)
        age = dump_span(max(0.0, moment - row.created_at), 1)
        cells = (what, row.key or "")
        table.append(
            (str(row.seq), str(row.state), row.lane, *map(_short, cells), age, str(row.attempt))
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    errors = [None, *(row.error if row.state not in ("done", "filtered") else None for row in rows)]
    for line, error in zip(table, errors, strict=True):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(text.rstrip())
        if error:
            click.secho(f"  {_short(' '.join(error.split()), 96)}", fg="red")


def _what(row: t.Any) -> str:
    return (row.event_type or "-") if hasattr(row, "event_id") else f"{row.method} {row.path}"


def _short(text: str, most: int = WIDEST) -> str:
    shown = display.visible(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _line(value: dict[str, t.Any]) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _whole(hooks: t.Any, queue: t.Any, row: t.Any) -> dict[str, t.Any]:
    body = display.pretty(row.body, _content_type(row), limit=2**40)
    whole = {
        **describe(row),
        "headers": [list(pair) for pair in _headers(hooks, row)],
        "body": {"kind": body.kind, "text": body.text},
        "audit": [
            {
                "at": dump_iso(move.at),
                "actor": move.actor,
                "old": move.old,
                "new": move.new,
                "attempt": move.attempt,
                "note": move.note,
            }
            for move in queue.audit(row.seq)
        ],
    }
    if queue.name == "outbox":
        whole["attempts"] = [
            {
                "at": dump_iso(each.at),
                "duration_s": each.duration_s,
                "status": each.status,
                "error": each.error,
                "answer": display.pretty(each.answer).text,
            }
            for each in queue.attempts(row.seq)
        ]
    return whole


def _print_whole(hooks: t.Any, queue: t.Any, row: t.Any) -> None:
    title = f"{_what(row)} #{row.seq}  {row.state}"
    click.secho(display.visible(title), bold=True)
    facts = {
        "id": getattr(row, "event_id", None),
        "idempotency key": getattr(row, "idempotency_key", None),
        "of": row.lane,
        "key": row.key,
        "received": dump_moment(row.created_at),
        "finished": None if row.finished_at is None else dump_moment(row.finished_at),
        "attempts": row.attempt,
        "killed": row.kills or None,
        "duplicates": getattr(row, "dup_count", None),
        "handlers done": ", ".join(getattr(row, "done_by", ())) or None,
        "made by": _maker(row),
    }
    for name, value in facts.items():
        if value is not None:
            click.echo(f"  {name + ':':<17}{display.visible(str(value))}")
    if row.error and row.state not in ("done", "filtered"):
        _head("Error")
        click.secho(_indented(display.visible(row.error)), fg="red")
    if queue.name == "outbox":
        _print_attempts(queue.attempts(row.seq))
    _head("Headers")
    for name, value in _headers(hooks, row):
        click.echo(f"  {name}: {value}")
    body = display.pretty(row.body, _content_type(row))
    _head(f"Body, {row.size} bytes{', the beginning' if body.is_cut else ''}")
    gone = {"gone": "(gone: kept for 7 days when done, 30 when dead)", "empty": "(empty)"}
    click.echo(_indented(gone.get(body.kind, body.text)))
    _head("Audit")
    for move in queue.audit(row.seq):
        note = f"  {display.visible(move.note)}" if move.note else ""
        actor = display.visible(move.actor)
        click.echo(f"  {dump_moment(move.at)}  {actor}: {move.old} -> {move.new}{note}")


def _print_attempts(attempts: t.Sequence[t.Any]) -> None:
    if not attempts:
        return
    _head("Attempts")
    for each in attempts:
        said = each.status or "no answer"
        error = f": {display.visible(each.error)}" if each.error else ""
        click.echo(f"  {dump_moment(each.at)}  {said} after {dump_span(each.duration_s)}{error}")
        if each.answer:
            click.echo(_indented(display.pretty(each.answer).text, "    "))


def _maker(row: t.Any) -> str | None:
    seq = getattr(row, "inbox_seq", None)
    return None if seq is None else f"event #{seq}, handler {row.handler or '-'}"


def _headers(hooks: t.Any, row: t.Any) -> list[tuple[str, str]]:
    source = hooks.sources.get(row.lane) if hasattr(row, "event_id") else None
    names = display.secret_headers(source.scheme) if source is not None else ()
    return display.redact(row.headers or (), names)


def _content_type(row: t.Any) -> str:
    return display.content_type(row.headers or ())


def _head(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _indented(text: str, by: str = "  ") -> str:
    return "\n".join(by + line for line in text.split("\n"))
