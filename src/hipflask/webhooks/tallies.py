"""Counts of what was received, refused and stored, in the process's registry of figures.

What is counted for each event that is accepted is counted on the writer's thread, batch by
batch: a request pays nothing for it. Refusals are counted where they happen.
"""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections.abc import Sequence

from ..ops import metrics
from .inbox.writer import Committed

#: How many events one transaction stored.
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)

refused = metrics.counter(
    "hipflask_webhooks_refused_total", "Deliveries refused, by why.", ["source", "reason"]
)
answered = metrics.counter(
    "hipflask_webhooks_handshakes_total", "Questions of senders that were answered.", ["source"]
)
replied = metrics.counter(
    "hipflask_webhooks_replies_total", "Replies, by how they ended.", ["source", "outcome"]
)
unkeyed = metrics.counter(
    "hipflask_webhooks_unkeyed_total",
    "Events stored without the ordering key their source asks for.",
    ["source"],
)
stored = metrics.counter(
    "hipflask_webhooks_stored_total", "Deliveries on disk and acknowledged.", ["source", "kind"]
)
matched = metrics.counter(
    "hipflask_webhooks_secret_matched_total",
    "Deliveries by the number of the secret that matched.",
    ["source", "secret"],
)
matched_at = metrics.gauge(
    "hipflask_webhooks_secret_matched_timestamp_seconds",
    "When that secret matched last, in seconds since 1970.",
    ["source", "secret"],
    across="max",
)
latest = metrics.gauge(
    "hipflask_webhooks_last_received_timestamp_seconds",
    "When the source's last event was received, in seconds since 1970.",
    ["source"],
    across="max",
)
skew = metrics.gauge(
    "hipflask_webhooks_clock_skew_seconds",
    "Our clock less the sender's, looked at once a second.",
    ["source"],
    across="max",
)
acknowledged = metrics.histogram(
    "hipflask_webhooks_acknowledge_seconds",
    "From the verified delivery until it was on disk; of each transaction the first in line.",
    ["source"],
)
batches = metrics.histogram(
    "hipflask_webhooks_commit_rows", "Events stored by one transaction.", bounds=BATCH
)
commits = metrics.histogram(
    "hipflask_webhooks_commit_seconds", "What a transaction of arrivals took."
)
failures = metrics.counter(
    "hipflask_webhooks_store_failures_total", "Transactions that the store did not take."
)


def count_batch(committed: Committed, now: float | None = None) -> None:
    """Count a batch that was stored. On the writer's thread."""
    now = time.time() if now is None else now
    batches.observe(len(committed.arrivals))
    commits.observe(committed.took_s)
    pairs = zip(committed.arrivals, committed.receipts, strict=True)
    alike = Counted([(one.source, receipt.kind, one.secret_no) for one, receipt in pairs])
    for (source, kind, secret_no), number in alike.items():
        stored.add(number, source, str(kind))
        latest.set(now, source)
        matched.add(number, source, str(secret_no))
        matched_at.set(now, source, str(secret_no))
    waited = {one.source: one.received_at for one in reversed(committed.arrivals)}
    for source, received_at in waited.items():
        acknowledged.observe(now - received_at, source)


def declare(source: str, secrets: Sequence[object]) -> None:
    """Have the source's figures there from the start, at 0, so that a rate can be taken."""
    for kind in ("stored", "duplicate", "conflict"):
        stored.add(0, source, kind)
    for number in range(1, len(secrets) + 1):
        matched.add(0, source, str(number))
