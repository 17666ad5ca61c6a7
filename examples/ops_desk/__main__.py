"""Serve the desk: `python -m examples.ops_desk [--bind 127.0.0.1:8001]`, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
from pathlib import Path

from hipflask.cli import ScriptInfo
from hipflask.server import serve

from .app import PEOPLE

BIND = "127.0.0.1:8001"


def main() -> None:
    """Read the command line, say where to look and as whom, serve."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.ops_desk", description="Serve the operations desk."
    )
    parser.add_argument("--bind", default=BIND, metavar="HOST:PORT", help=f"default: {BIND}")
    parser.add_argument("--folder", metavar="DIR", help="keep the data there; else it is made anew")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ops-desk-", ignore_cleanup_errors=True) as made:
        folder = Path(given.folder or made)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["DESK_URL"] = f"sqlite:///{folder / 'desk.db'}"
        os.environ["HIPFLASK_DATABASE_URL"] = f"sqlite:///{folder / 'runs.db'}"
        # Made here, so that each worker signs with the same key.
        os.environ["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
        print(f"The desk: http://{given.bind}/ops/", flush=True)
        for name, (password, roles) in PEOPLE.items():
            print(f"  as {name}, password {password}: {', '.join(sorted(roles))}", flush=True)
        serve(ScriptInfo("examples.ops_desk.app:create_app"), bind=(given.bind,), workers=1)


if __name__ == "__main__":
    main()
