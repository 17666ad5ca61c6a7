"""Takes the failpoint that is meant for this process out of a file; imported before anything else.

`STORM_POINT` is the file, `STORM_NOTES` the one in which each process notes what it got. P6 is a
place of ours: the answer has been handed to the server, which may have written some of it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

WRITING_S = 0.0002

if os.environ.get("STORM_POINT"):
    os.environ["HIPFLASK_FAILPOINT"] = Path(os.environ["STORM_POINT"]).read_text()


def note() -> None:
    """Say that this process is about to work, and with which failpoint."""
    if os.environ.get("STORM_NOTES"):
        with open(os.environ["STORM_NOTES"], "a") as notes:
            notes.write(f"{os.getpid()} {os.environ['HIPFLASK_FAILPOINT']}\n")


def arm(app: Any) -> None:
    """Have the process die while it writes an answer, if it got P6."""
    name, _, times = os.environ.get("HIPFLASK_FAILPOINT", "").partition(":")
    if name != "P6":
        return
    left = int(times)

    def strike() -> None:
        time.sleep(WRITING_S)
        os.kill(os.getpid(), signal.SIGKILL)

    @app.after_request
    def count(response: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            threading.Thread(target=strike).start()
        return response
