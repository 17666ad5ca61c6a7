"""A secret is replaced under load: nobody is refused, and it shows who still signs with which."""

from __future__ import annotations

import base64
import signal
import threading
import time
from itertools import count

from hipflask.webhooks import Delivery, sign

from .app import ROTATED
from .serving import running

NEW, OLD = ROTATED
NEWER = f"whsec_{base64.b64encode(b'x' * 24).decode()}"


def test_both_secrets_are_taken_and_counted(door):
    numbers = count()

    def send(secret):
        body = b'{"n":%d}' % next(numbers)
        return door.deliver("/rotated", Delivery(sign("standard", body, secret), body))[0]

    assert [send(OLD) for _ in range(5)] == [202] * 5
    assert [send(NEW) for _ in range(3)] == [202] * 3
    assert send(NEWER) == 401
    figures = door.figures()
    name = "hipflask_webhooks_secret_matched_total"
    assert (figures[name, "rotated", "1"], figures[name, "rotated", "2"]) == (3, 5)
    at = "hipflask_webhooks_secret_matched_timestamp_seconds"
    assert figures[at, "rotated", "1"] >= figures[at, "rotated", "2"] > time.time() - 600
    assert figures["hipflask_webhooks_refused_total", "rotated", "mismatch"] == 1
    assert {row.secret_no for row in door.rows() if row.source == "rotated"} == {1, 2}


def test_secrets_are_changed_under_load_without_a_refusal(tmp_path):
    """The setting is changed, then SIGHUP has the workers replaced; senders go on all the time."""
    file = tmp_path / "secrets"
    file.write_text(OLD)
    with running("rsgi", tmp_path, ROTATED_FILE=str(file)) as server:
        answered, numbers, is_over = [], count(), threading.Event()
        secret = [OLD]

        def send():
            while not is_over.is_set():
                body = b'{"n":%d}' % next(numbers)
                delivery = Delivery(sign("standard", body, secret[0]), body)
                try:
                    answered.append(server.deliver("/rotated", delivery)[0])
                except OSError:
                    answered.append(0)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for setting, signs_with in ((f"{NEW},{OLD}", NEW), (NEW, NEW)):
                before = server.ask("GET", "/pid")[1]
                file.write_text(setting)
                server.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + 60
                while server.ask("GET", "/pid")[1] == before:
                    assert time.monotonic() < deadline, server.said
                secret[0] = signs_with
                seen = len(answered)
                while len(answered) < seen + 50:
                    assert time.monotonic() < deadline, server.said
                    is_over.wait(0.01)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert set(answered) == {202}, server.said
        assert server.count() == len(answered)
