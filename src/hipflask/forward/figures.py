"""Counts of a rollout that add up over processes: per stage, per side. Plain JSON. Sans-IO.

A stage is the time from one change of the settings to the next. What each process counts is a
`Stage` of its own, which is added to the shared one and begun anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

# Buckets of a latency grow by a tenth, from 0.1 ms on: a quantile is right within 5 %.
_FIRST_S = 0.0001
_GROWTH = math.log(1.1)
#: For what a limit counts: slots of so many seconds, so many of them.
SLOT_S = 5.0
SLOTS = 60
#: Places at which answers differ that are told apart, per stage.
MOST_PLACES = 200


class Latency(msgspec.Struct):
    """How long things took, in buckets."""

    #: Bucket number to count; text, as JSON has it.
    counts: dict[str, int] = {}

    def add(self, seconds: float) -> None:
        """Count one."""
        steps = math.ceil(math.log(max(seconds, _FIRST_S) / _FIRST_S) / _GROWTH)
        key = str(steps)
        self.counts[key] = self.counts.get(key, 0) + 1

    def merge(self, other: Latency) -> None:
        """Add another's counts."""
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count

    def quantile_s(self, share: float) -> float | None:
        """Seconds below which that share of them lies; None where there are none."""
        total = sum(self.counts.values())
        seen = 0
        for steps, count in sorted((int(key), count) for key, count in self.counts.items()):
            seen += count
            if seen >= share * total:
                # The middle of the bucket.
                return _FIRST_S * math.exp((steps - 0.5) * _GROWTH)
        return None


class Side(msgspec.Struct):
    """What one side answered."""

    requests: int = 0
    #: Answers of 500 and above, that broke off, and none at all.
    errors: int = 0
    latency: Latency = msgspec.field(default_factory=Latency)

    def add(self, seconds: float, is_error: bool) -> None:
        """Count an answer."""
        self.requests += 1
        self.errors += is_error
        self.latency.add(seconds)

    def merge(self, other: Side) -> None:
        """Add another's counts."""
        self.requests += other.requests
        self.errors += other.errors
        self.latency.merge(other.latency)

    @property
    def error_ratio(self) -> float:
        """The share of errors, 0 to 1."""
        # An answer may break off in a later slot than the one it was counted in.
        return min(1.0, self.errors / self.requests) if self.requests else 0.0

    @property
    def sure_error_ratio(self) -> float:
        """What the share is at least, but for two standard deviations of chance."""
        ratio = self.error_ratio
        return ratio - 2 * math.sqrt(ratio * (1 - ratio) / max(self.requests, 1))


class Place(msgspec.Struct):
    """One place in the answers, and how often it differed in which comparison.

    `new_only` counts where old and new differ and old twice does not, `noise_only` the reverse.
    """

    new_only: int = 0
    noise_only: int = 0
    both: int = 0
    #: A few differences between old and new: request, old value, new value.
    samples: list[dict[str, str]] = []

    def merge(self, other: Place, most_samples: int = 3) -> None:
        """Add another's counts."""
        self.new_only += other.new_only
        self.noise_only += other.noise_only
        self.both += other.both
        self.samples += other.samples[: max(0, most_samples - len(self.samples))]


class Stage(msgspec.Struct):
    """What happened between two changes of a rollout's settings."""

    epoch: int = 0
    canary: float = 0.0
    shadow: float = 0.0
    #: When it began, in seconds since 1970.
    since: float | None = None
    #: By name: old, new; shadow is the new side's answers that nobody saw.
    sides: dict[str, Side] = {}
    #: Of the last minutes: slot number to requests and errors of old and of new.
    slots: dict[str, list[int]] = {}
    compared: int = 0
    #: Requests to be shadowed that were not compared, by reason.
    skipped: dict[str, int] = {}
    places: dict[str, Place] = {}
    #: Places beyond MOST_PLACES.
    places_left_out: int = 0

    def answered(self, side: str, seconds: float, is_error: bool, now: float) -> None:
        """Count an answer that a client got."""
        self.sides.setdefault(side, Side()).add(seconds, is_error)
        row = self.slots.setdefault(str(int(now // SLOT_S)), [0, 0, 0, 0])
        first = 0 if side == "old" else 2
        row[first] += 1
        row[first + 1] += is_error

    def cut(self, side: str, now: float) -> None:
        """Count as an error an answer that was counted when its head came, and then broke off."""
        self.sides.setdefault(side, Side()).errors += 1
        row = self.slots.setdefault(str(int(now // SLOT_S)), [0, 0, 0, 0])
        row[1 if side == "old" else 3] += 1

    def skip(self, reason: str) -> None:
        """Count a request that was to be shadowed and was not compared."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def differed(
        self, raw: Mapping[str, Any], noise: Mapping[str, Any], samples: Mapping[str, Any]
    ) -> None:
        """Count a comparison: the places where old and new, and where old and old, differ."""
        self.compared += 1
        for name in {**raw, **noise}:
            place = self._place(name)
            if place is None:
                continue
            if name in raw and name in noise:
                place.both += 1
            elif name in noise:
                place.noise_only += 1
            else:
                place.new_only += 1
                if name in samples and len(place.samples) < 3:
                    place.samples.append(samples[name])

    def _place(self, name: str) -> Place | None:
        place = self.places.get(name)
        if place is None:
            if len(self.places) >= MOST_PLACES:
                self.places_left_out += 1
                return None
            place = self.places[name] = Place()
        return place

    def merge(self, other: Stage) -> None:
        """Add what another process counted."""
        for name, side in other.sides.items():
            self.sides.setdefault(name, Side()).merge(side)
        for slot, row in other.slots.items():
            mine = self.slots.setdefault(slot, [0, 0, 0, 0])
            self.slots[slot] = [a + b for a, b in zip(mine, row, strict=True)]
        newest = max(map(int, self.slots), default=0)
        self.slots = {key: row for key, row in self.slots.items() if newest - int(key) < SLOTS}
        self.compared += other.compared
        for reason, count in other.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        self.places_left_out += other.places_left_out
        for name, found in other.places.items():
            place = self._place(name)
            if place is not None:
                place.merge(found)

    def lately(self, now: float) -> Iterator[tuple[Side, Side]]:
        """Requests and errors of old and of new, of the last slot, the last two, four and so on.

        So errors that have just begun are not lost among the many answers before them. Without
        latencies.
        """
        newest = int(now // SLOT_S)
        width = 1
        while True:
            rows = [row for key, row in self.slots.items() if int(key) > newest - width]
            sums = [sum(column) for column in zip(*rows, strict=True)] or [0, 0, 0, 0]
            yield Side(sums[0], sums[1]), Side(sums[2], sums[3])
            if width >= SLOTS:
                return
            width = min(2 * width, SLOTS)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not (self.sides or self.compared or self.skipped)

    def beyond_noise(self) -> Iterator[tuple[str, Place, float]]:
        """The places that differ beyond noise, with the share of comparisons that did, most first.

        See `excess`.
        """
        found = [
            (name, place, excess(place.new_only, place.noise_only) / self.compared)
            for name, place in self.places.items()
            if excess(place.new_only, place.noise_only) > 0
        ]
        yield from sorted(found, key=lambda row: (-row[2], row[0]))


# A place counts from so many standard deviations on, and from so large a share.
_SIGMAS = 3.5
_LEAST_SHARE = 0.2


def excess(new_only: int, noise_only: int) -> int:
    """By how many comparisons more old and new differ at a place than old and old; 0 for noise.

    McNemar's test: a place that only changes by itself differs in the one comparison as often as
    in the other, whatever it shares with both; of n that differ in one only, the difference is
    then sqrt(n) in the usual case. As the counts are looked at again and again, the difference
    also has to be a fifth of them, which noise comes further from the longer one counts.
    """
    total = new_only + noise_only
    difference = new_only - noise_only
    is_beyond = difference > _SIGMAS * math.sqrt(total) and difference >= _LEAST_SHARE * total
    return difference if is_beyond else 0
