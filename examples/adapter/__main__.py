"""Serve the adapter and the board: `python -m examples.adapter`, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time

from .app import OPERATOR_KEY

ADAPTER, BOARD = "127.0.0.1:8002", "127.0.0.1:8003"
SEND = (
    "hipflask hooks send github --app examples.adapter --secret demo-github-secret"
    " --event push --file examples/adapter/push.json"
)


def main() -> int:
    """Read the command line, start both, end both; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.adapter", description=__doc__)
    parser.add_argument("--bind", default=ADAPTER, metavar="HOST:PORT", help="of the adapter")
    parser.add_argument("--board", default=BOARD, metavar="HOST:PORT", help="of the board")
    options = parser.parse_args()
    environ = {**os.environ, "NOTICES_URL": f"http://{options.board}"}
    # Ctrl-C goes to all three; the services end by themselves, so wait for them.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    services = [
        serve("examples.adapter.board", options.board, environ),
        serve("examples.adapter", options.bind, environ),
    ]
    print(f"The adapter: http://{options.bind}/_hooks/  (password {OPERATOR_KEY})", flush=True)
    print(f"The board:   http://{options.board}/notices", flush=True)
    print(f"Try:         {SEND}", flush=True)
    try:
        while all(service.poll() is None for service in services):
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        for service in services:
            service.terminate()
    return max(service.wait() for service in services)


def serve(app: str, bind: str, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start `hipflask serve` for one of the two."""
    words = [sys.executable, "-m", "hipflask", "--app", app, "serve", "--bind", bind]
    return subprocess.Popen([*words, "--drain-wait", "0"], env=environ)


if __name__ == "__main__":
    sys.exit(main())
