"""What was seen of requests: rules, statuses, sizes and times; no addresses, no people.

Read from `hipflask serve`'s access log (a JSON object a line) or from what `/metrics` says. Paths,
clients and users that stand in a log are not kept.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

_BUCKETS_MS = (10, 50, 100, 250, 500, 1000, 2500, 5000)
_sample = re.compile(
    r"http_server_request_duration_seconds_(count|bucket)\{([^}]*)\}\s+([0-9.eE+]+)"
).match
_label = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class UnreadableTraffic(ValueError):
    """The file is neither a log of requests nor what counters say."""


class Seen(msgspec.Struct, kw_only=True):
    """What was seen of one method of one rule."""

    #: By class: "2xx", "4xx"; and 400, 401, 403, 422 by themselves.
    statuses: dict[str, int] = {}
    requests: int = 0
    largest_bytes: int = 0
    #: Requests that took no more than so many milliseconds; "more" for longer ones.
    times: dict[str, int] = {}


class Traffic(msgspec.Struct, kw_only=True):
    """All routes in a window; `days` is None where the file has no times."""

    name: str
    days: float | None = None
    routes: dict[str, Seen] = {}

    @property
    def requests(self) -> int:
        return sum(one.requests for one in self.routes.values())

    def count(self, *statuses: str) -> int:
        """How many answers had one of these statuses or classes."""
        return sum(one.statuses.get(each, 0) for one in self.routes.values() for each in statuses)

    def quantile_ms(self, share: float) -> int | None:
        """A time that so many requests did not exceed, to the next bucket; None past the last."""
        buckets = [str(each) for each in _BUCKETS_MS]
        total, so_far = self.requests, 0
        for bucket in buckets:
            so_far += sum(one.times.get(bucket, 0) for one in self.routes.values())
            if total and so_far >= share * total:
                return int(bucket)
        return None


def read_traffic(path: Path) -> Traffic:
    """The traffic in a file. Raises UnreadableTraffic."""
    traffic = Traffic(name=path.name)
    first, last = "", ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                if text.startswith("{"):
                    if at := _add_line(traffic, text):
                        first, last = first or at, at
                else:
                    _add_sample(traffic, text)
    except OSError as error:
        raise UnreadableTraffic(f"{path} cannot be read: {error.strerror}") from None
    if not traffic.routes:
        raise UnreadableTraffic(
            f"{path} holds no requests: give the JSON access log of 'hipflask serve', or what"
            " /metrics says."
        )
    if first and last:
        span = abs(datetime.fromisoformat(last) - datetime.fromisoformat(first))
        traffic.days = round(span.total_seconds() / 86400, 1)
    return traffic


def _add_line(traffic: Traffic, text: str) -> str:
    """Count a line of the log; its time, or "" for a line that is about something else."""
    try:
        line: Any = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(line, dict) or line.get("logger") != "hipflask.access":
        return ""
    if not isinstance(line.get("route"), str) or not isinstance(line.get("status"), int):
        return ""
    seen = traffic.routes.setdefault(f"{line.get('method')} {line['route']}", Seen())
    _count(seen, str(line["status"]), 1)
    seen.largest_bytes = max(seen.largest_bytes, int(line.get("bytes") or 0))
    took = float(line.get("duration_ms") or 0)
    bucket = next((str(most) for most in _BUCKETS_MS if took <= most), "more")
    seen.times[bucket] = seen.times.get(bucket, 0) + 1
    return str(line.get("time", ""))


def _add_sample(traffic: Traffic, text: str) -> None:
    sample = _sample(text)
    if sample is None or sample[1] != "count":
        return
    labels = dict(_label.findall(sample[2]))
    rule = labels.get("route", "")
    if rule and not rule.startswith("_"):
        seen = traffic.routes.setdefault(f"{labels.get('method', 'GET')} {rule}", Seen())
        _count(seen, labels.get("status", "200"), int(float(sample[3])))


def _count(seen: Seen, status: str, number: int) -> None:
    seen.requests += number
    for key in (f"{status[0]}xx", status):
        seen.statuses[key] = seen.statuses.get(key, 0) + number
