"""The story: `python -m examples.legacy.rollout [--requests N] [--report FILE]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hipflask.database import open_database
from hipflask.forward import Report, Rollout, StageReport, dump_report, report_of

from .processes import Traffic, running, wait_until

#: How long a worker may not know what was set.
REFRESH_S = 0.5
#: The percentages of accounts, one after the other.
STEPS = (5, 25, 50, 100)


@dataclass
class Stage:
    """All that runs, and what moves it."""

    traffic: Traffic
    rollout: Rollout
    release: Path
    requests: int

    def deploy(self, number: int) -> None:
        """Have the new service run another release."""
        later = self.release.with_suffix(".next")
        later.write_text(str(number))
        later.replace(self.release)


@contextmanager
def opened(folder: Path, requests: int) -> Iterator[Stage]:
    """Start the services, the front with two workers, and the traffic."""
    release = folder / "release"
    release.write_text("1")
    url = f"sqlite:///{folder}/rollout.db"
    serve = ["-m", "hipflask", "--app"]
    there = ["serve", "--bind", "127.0.0.1:{port}"]
    with ExitStack() as stack:
        old = stack.enter_context(running(folder, "old", ["-m", "examples.legacy.old", "{port}"]))
        new = stack.enter_context(
            running(folder, "new", [*serve, "examples.legacy.new", *there], RELEASE=str(release))
        )
        database = open_database(url)
        stack.callback(database.close)
        front = stack.enter_context(
            running(
                folder,
                "front",
                [*serve, "examples.legacy.front", *there, "--workers", "2"],
                LEGACY_URL=old,
                ORDERS_URL=new,
                HIPFLASK_DATABASE_URL=url,
            )
        )
        # What `hipflask forward` does: the record is the same one.
        rollout = Rollout("orders", shared=database.shared, refresh_s=None)
        traffic = Traffic(front)
        stack.callback(traffic.stop)
        yield Stage(traffic, rollout, release, requests)


def say(text: str) -> None:
    """A line of the story."""
    print(f"- {text}", flush=True)


def tell(stage: Stage) -> Report:
    """Carry it through; returns the report. Raises RuntimeError where it does not go as told."""
    compare(stage)
    move(stage)
    fail(stage)
    roll_back(stage)
    report = report_of(stage.rollout)
    lost = stage.traffic.lost
    expect(not lost, f"{len(lost)} requests were lost: {lost[:3]}")
    return report


def compare(stage: Stage) -> None:
    """Ask the new service beside the old one until they agree."""
    stage.rollout.set(shadow=100, actor="story", note="ask the new service beside the old one")
    places: set[str] = set()

    def is_found() -> bool:
        now = current(stage)
        places.update(found.place for found in (now.differences if now else ()))
        return "vat" in places and "total" in places

    wait_until(is_found, "the half cents were not found")
    say(f"shadow 100 %: beyond noise differ {', '.join(sorted(places))}; all got the old answer")
    stage.deploy(2)
    stage.rollout.set(shadow=100, actor="story", note="release 2 rounds half cents up")

    def is_compared() -> bool:
        now = current(stage)
        return now is not None and now.compared >= stage.requests

    wait_until(is_compared, "nothing is compared")
    found = current(stage)
    if found is None:
        raise RuntimeError("what was counted is gone")
    expect(not found.differences, f"release 2 differs: {found.differences}")
    noise = ", ".join(found.noise)
    say(f"release 2: {found.compared} compared, only noise differs ({noise})")


def current(stage: Stage) -> StageReport | None:
    """What was counted since the last change; None where nothing was yet."""
    report = report_of(stage.rollout)
    last = report.stages[-1] if report.stages else None
    return last if last is not None and last.since == report.changes[-1].at else None


def move(stage: Stage) -> None:
    """Move all accounts, step by step."""
    for percent in STEPS:
        stage.rollout.set(canary=percent, shadow=10, actor="story", note="as compared")
        time.sleep(2 * REFRESH_S)  # until both workers know
        answers = stage.traffic.wait_for(stage.requests)
        share = sum(count for (side, _), count in answers.items() if side == "new")
        say(f"canary {percent} %: {share / answers.total():.1%} of answers are the new service's")
        expect(stage.rollout.refresh().halted is None, "it was halted")


def fail(stage: Stage) -> None:
    """Deploy a release that fails, and see everybody taken back."""
    stage.deploy(3)
    wait_until(lambda: stage.rollout.refresh().halted is not None, "the failing side stays")
    stage.traffic.wait_for_side("old")
    say(f"release 3: halted by itself: {stage.rollout.refresh().halted}")
    stage.deploy(2)


def roll_back(stage: Stage) -> None:
    """Move once more, roll back by hand, and move for good."""
    stage.rollout.set(canary=100, shadow=0, actor="story", note="release 2 again")
    stage.traffic.wait_for_side("new")
    stage.rollout.halt("rollback tried", actor="story")
    passed = stage.traffic.wait_for_side("old")
    say(f"rollback by hand: all answers are old again, {passed} answers later at most")
    stage.rollout.set(canary=100, actor="story", note="and for good")
    stage.traffic.wait_for_side("new")

    def is_counted() -> bool:
        # The front's workers add what they counted only every half second.
        now = current(stage)
        return now is not None and now.new.requests >= stage.requests

    wait_until(is_counted, "what the new service answers is not counted")
    say("100 % moved")


def expect(is_so: bool, otherwise: str) -> None:
    """Raise RuntimeError where the story does not go as told."""
    if not is_so:
        raise RuntimeError(otherwise)


def main() -> int:
    """Tell the story, print the report."""
    parser = argparse.ArgumentParser(prog="python -m examples.legacy.rollout")
    parser.add_argument("--requests", type=int, default=600, help="for each step (600)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="the report as JSON, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with opened(Path(folder), options.requests) as stage:
                report = tell(stage)
                stage.traffic.stop()
        except (RuntimeError, TimeoutError) as error:
            print(f"The story went wrong: {error}", file=sys.stderr)
            for log in sorted(Path(folder).glob("*.log")):
                print(f"{log.name}: {log.read_text()[-2000:]}", file=sys.stderr)
            return 1
    print(f"\n{dump_report(report)}", end="")
    if options.report is not None:
        options.report.write_bytes(report.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
