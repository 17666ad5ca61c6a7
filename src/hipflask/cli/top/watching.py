"""One picture, or one after the other."""

from __future__ import annotations

import json
import signal
import sys
import time
import typing as t

import click

from . import SORTS
from .asking import NoAnswer, Service, find
from .counting import View, compare
from .drawing import draw
from .screen import Screen

#: Rates are those of the last seconds, so that one figure can be read before the next comes.
WINDOW_S = 5.0


def look(
    place: str | None, token: str, *, once: bool, as_json: bool, interval_s: float, sort: str
) -> None:
    """Show the service, once or until the user leaves; SystemExit where none answers."""
    try:
        service = find(place, token)
        first = service.status()
        if as_json or once or not sys.stdout.isatty():
            time.sleep(interval_s)
            _print(compare(first, service.status()), sort, as_json)
        else:
            _watch(service, first, interval_s, sort)
    except NoAnswer as error:
        click.echo(f"hipflask: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def _print(view: View, sort: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(view.plain(), indent=1))
        return
    # As wide as it needs to be: who wants less pipes it on.
    for line in draw(view, 200 if not sys.stdout.isatty() else None, None, sort, colours=False):
        click.echo(line)


def _watch(service: Service, first: dict[str, t.Any], interval_s: float, sort: str) -> None:
    kept = [first]
    view = compare(None, first)
    trouble = ""
    signal.signal(signal.SIGTERM, _leave)
    with Screen() as screen:
        while True:
            screen.show(draw(view, screen.width, screen.height, sort, trouble=trouble))
            key = screen.wait(interval_s)
            if key in ("q", "Q", "\x1b", "\x03"):
                return
            if key in ("s", "S"):
                sort = SORTS[(SORTS.index(sort) + 1) % len(SORTS)]
                continue
            try:
                now = service.status()
            except NoAnswer as error:
                trouble = str(error)
                continue
            trouble = ""
            kept = _window(kept, now)
            view = compare(kept[0] if kept[0] is not now else None, now)


def _leave(number: int, frame: object) -> t.NoReturn:
    # By an exception, so that the terminal is left as it was.
    raise SystemExit(128 + number)


def _window(kept: list[dict[str, t.Any]], now: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """What rates are taken over: this picture and those of the last seconds, of one service."""
    same = [each for each in kept if each["pid"] == now["pid"]]
    while len(same) > 1 and now["at_s"] - same[1]["at_s"] >= WINDOW_S:
        del same[0]
    return [*same, now]
