"""Finds the events of a provider's list that never came, and stores them, oldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .asking import Asker, Missing
from .listing import Found, NotUnderstood, Provider
from .pile import Pile

#: Events stored in one transaction.
BATCH = 50


@dataclass
class Progress:
    """How far a run is; the same object each time, with other figures."""

    #: Events that the list has told of, without repetitions.
    listed: int = 0
    #: Those that had come.
    known: int = 0
    #: Those of a kind that was not asked for.
    unwanted: int = 0
    #: Those that had not come.
    missing: int = 0
    #: Those of them that were fetched whole, and those that are stored.
    fetched: int = 0
    stored: int = 0
    #: Those that the provider lists and does not give, and why not the last one.
    withheld: int = 0
    trouble: str = ""
    #: The time of the oldest event that was looked at, in seconds since 1970; None before.
    reached: float | None = None
    #: Whether the list has been read to its end, so that `missing` is known.
    is_listed: bool = False


@dataclass(frozen=True)
class Shelf:
    """Where events go: which of these ids it knows, and how it takes some that it does not.

    `take` returns how many it stored; one that came in the meantime is no error.
    """

    known: Callable[[Sequence[str]], set[str]]
    take: Callable[[Sequence[Found]], int]


def reconcile(
    provider: Provider,
    shelf: Shelf,
    asker: Asker,
    *,
    url: str,
    token: str,
    since: float,
    kinds: Iterable[str] = (),
    is_dry: bool = False,
) -> Iterator[Progress]:
    """Read the list back to `since`, then store what is missing; yields after each request.

    Oldest first, so that events of one key are in the order in which they happened. A run that
    was stopped is begun again with the same `since`: what it stored is known then. `kinds` are
    types of events, `*` stands for any text; without them all are taken. A dry run ends with
    the list. Raises what `Asker.ask` raises, and NotUnderstood; but one event that the provider
    lists and does not give keeps no other out.
    """
    progress = Progress()
    wanted = tuple(kinds)
    with Pile() as pile:
        for found in _missing(provider, shelf, asker, url, token, since, wanted, progress):
            if found is None:
                yield progress
            else:
                pile.add(found)
                progress.missing += 1
        progress.is_listed = True
        yield progress
        if is_dry:
            return
        batch: list[Found] = []
        for found in reversed(pile):
            ask = provider.ask_whole(url, token, found)
            try:
                whole = found if ask is None else provider.read_whole(asker.ask(ask), found)
            except (Missing, NotUnderstood) as error:
                progress.withheld += 1
                progress.trouble = str(error)
                yield progress
                continue
            batch.append(whole)
            progress.fetched += 1
            if len(batch) == BATCH:
                progress.stored += shelf.take(batch)
                batch = []
            if ask is not None or not batch:
                yield progress
        if batch:
            progress.stored += shelf.take(batch)
            yield progress


def _missing(
    provider: Provider,
    shelf: Shelf,
    asker: Asker,
    url: str,
    token: str,
    since: float,
    kinds: tuple[str, ...],
    progress: Progress,
) -> Iterator[Found | None]:
    """Events that never came, newest first; None after each page."""
    seen: set[str] = set()
    cursor: str | None = None
    used: set[str] = set()
    while True:
        listed = provider.read(asker.ask(provider.ask(url, token, since, cursor)))
        fresh = [found for found in listed.events if found.at >= since]
        page = {found.event_id: found for found in fresh if found.event_id not in seen}
        seen.update(page)
        progress.listed += len(page)
        kept = [found for found in page.values() if _is_wanted(found.event_type, kinds)]
        progress.unwanted += len(page) - len(kept)
        known = shelf.known([found.event_id for found in kept]) if kept else set()
        progress.known += len(known)
        if listed.events:
            progress.reached = max(since, min(found.at for found in listed.events))
        yield from (found for found in kept if found.event_id not in known)
        yield None
        is_past = bool(listed.events) and not fresh
        # A cursor that leads where we were would go on for ever.
        if listed.cursor is None or listed.cursor in used or is_past:
            return
        cursor = listed.cursor
        used.add(cursor)


def _is_wanted(kind: str, kinds: tuple[str, ...]) -> bool:
    return not kinds or any(fnmatchcase(kind, pattern) for pattern in kinds)
