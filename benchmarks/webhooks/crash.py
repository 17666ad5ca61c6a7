"""Kill the inbox while events come in: `python -m benchmarks.webhooks.crash`; exit 1 for a loss.

Prints kills, acknowledgements, events lost and effects made twice. QUICK=1 is a short form,
ONLY=sqlite one store, FAULT=1 plants faults, so that it must fail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ..soak.report import Report, percentile
from .postgres import Postgres, running
from .storm import Outcome, Plan, Storm

STORES = ("sqlite", "postgres")
#: Events to be acknowledged by store: procrastinate hands out fewer in a second.
SHARES = {"sqlite": 65_000, "postgres": 35_000}
#: Over both stores.
ACKS, KILLS = 100_000, 200
POINTS = [f"P{number}" for number in range(1, 19)]


def main() -> int:
    """Read the command line, run the storms, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks.crash")
    parser.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    parser.add_argument("--only", default=os.environ.get("ONLY") or ",".join(STORES))
    parser.add_argument("--acks", type=int, help="acknowledgements per store")
    parser.add_argument("--kills", type=int, help="kills per store")
    parser.add_argument("--keep", help="a folder for logs and stores, which then stay")
    options = parser.parse_args()
    stores = options.only.split(",")
    if unknown := set(stores) - set(STORES):
        parser.error(f"no such store: {', '.join(sorted(unknown))}")
    if not sys.platform.startswith("linux"):
        parser.error("the program reads /proc, so it runs on Linux only")
    plan = Plan(0, KILLS // 2 + 10, limit_s=900, drain_s=300)
    if options.quick:
        plan = Plan(
            500, 8, limit_s=240, drain_s=120, turn_s=4.0, operator_every_s=3.0, is_short=True
        )
        plan.postgres_every_s = 8.0
    plan.acks, plan.kills = options.acks or plan.acks, options.kills or plan.kills
    if os.environ.get("FAULT"):
        plan.fault = "early,outside"
        print("FAULT: acknowledged before it is stored, and effects outside of the transaction")
    report, began = Report(), time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(
            options.keep
            or stack.enter_context(tempfile.TemporaryDirectory(prefix="hipflask-storm-"))
        )
        outcomes = [run_store(store, folder / store, plan, report, stack) for store in stores]
    tell_total(report, [outcome for outcome in outcomes if outcome], is_whole=not options.quick)
    print(f"\ntook {time.monotonic() - began:.0f} s")
    return report.end()


def run_store(
    store: str, folder: Path, plan: Plan, report: Report, stack: contextlib.ExitStack
) -> Outcome | None:
    """One storm; what goes wrong in it is in the report."""
    plan = replace(plan, acks=plan.acks or SHARES[store])
    report.begin(store, f"{plan.acks} events and {plan.kills} kills at least")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    postgres: Postgres | None = None
    url = f"sqlite:///{folder / 'inbox.db'}"
    if store == "postgres":
        postgres = stack.enter_context(running())
        url = postgres.dsn()
    elif not plan.is_short:
        plan = replace(plan, move_to=stack.enter_context(running()).dsn())
    storm = Storm(store, url, folder, plan, report, postgres)
    try:
        outcome = asyncio.run(storm.run())
    except Exception as error:
        report.fail(f"the storm did not end: {type(error).__name__}: {error}")
        return None
    tell(report, outcome)
    return outcome


def tell(report: Report, outcome: Outcome) -> None:
    """Print the outcome of one storm and judge it."""
    told, made = outcome.told, outcome.accounts
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(told.statuses.items()))
    cuts = ", ".join(f"{kind} {count}" for kind, count in sorted(told.cut.items()))
    report.line(
        f"{outcome.seconds:.0f} s; answers {statuses or 'none'}; no answer: {cuts or 'none'}"
    )
    report.line(
        f"acknowledged {len(told.acked)} events ({told.answers_2xx} answers of 2xx,"
        f" p99 {percentile(told.times, 0.99) * 1000:.0f} ms), stored {made.stored},"
        f" of them unacknowledged {made.unacked}"
    )
    report.line(
        f"effects {made.effects}; sent on {made.sent_on} events in {outcome.deliveries} deliveries"
    )
    report.line(f"kills: {_list(outcome.kills)}; frozen past the lease {outcome.frozen} times")
    for line in made.examples[:10] + outcome.falls[:10]:
        report.line(line)
    report.check("lost", made.lost, "=", 0)
    report.check("bodies changed", made.changed, "=", 0)
    report.check("double effects", made.double_effects, "=", 0)
    report.check("stored without effect", made.no_effect, "=", 0)
    report.check("effects out of order", made.out_of_order, "=", 0)
    report.check("conflicts", made.conflicts, "=", 0)
    report.check("unfinished", made.unfinished, "=", 0)
    report.check("not sent on", made.not_sent_on, "=", 0)
    report.check("sent on twice", made.sent_on_twice, "=", 0)
    report.check("events with several Idempotency-Keys", made.several_keys, "=", 0)
    report.check("ends that nobody ordered", len(outcome.falls), "=", 0)
    if outcome.store == "sqlite":
        report.check("starts without a store", outcome.aways, "=", 0)
    else:
        report.line(
            f"processes and commands that found no store when they started: {outcome.aways}"
        )
    if outcome.moved is not None:
        report.check("lost on the way to PostgreSQL", outcome.moved.lost, "=", 0)
        report.check("bodies changed on the way", outcome.moved.changed, "=", 0)
        report.check("rows more or less", outcome.moved.stored - made.stored, "=", 0)
    if outcome.store == "sqlite":
        report.check(f"integrity_check {made.integrity!r} ok", made.integrity == "ok", "=", 1)


def tell_total(report: Report, outcomes: list[Outcome], *, is_whole: bool) -> None:
    """Print what all storms came to."""
    report.begin("all", "both stores together")
    kills: Counter[str] = Counter()
    for outcome in outcomes:
        kills.update(outcome.kills)
    acks = sum(len(outcome.told.acked) for outcome in outcomes)
    lost = sum(outcome.accounts.lost for outcome in outcomes)
    doubles = sum(outcome.accounts.double_effects for outcome in outcomes)
    report.line(f"kills {kills.total()}, acks {acks}, lost {lost}, double effects {doubles}")
    report.line(_list(kills))
    if not is_whole:
        return
    report.check("kills", kills.total(), ">=", KILLS)
    report.check("acknowledgements", acks, ">=", ACKS)
    for point in POINTS:
        if not kills[point]:
            report.fail(f"nobody died at {point}")


def _list(kills: Counter[str]) -> str:
    def order(name: str) -> tuple[int, str]:
        return (int(name[1:]) if name[1:].isdigit() else 99, name)

    return ", ".join(f"{name} {kills[name]}" for name in sorted(kills, key=order) if kills[name])


if __name__ == "__main__":
    sys.exit(main())
