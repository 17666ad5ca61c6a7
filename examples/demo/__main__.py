"""Serve the demo: `python -m examples.demo [--bind 127.0.0.1:8000]`, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import secrets

from hipflask.cli import ScriptInfo
from hipflask.server import serve

BIND = "127.0.0.1:8000"


def main() -> None:
    """Read the command line, say where to look, serve."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="Serve the demo.")
    parser.add_argument("--bind", default=BIND, metavar="HOST:PORT", help=f"default: {BIND}")
    bind = parser.parse_args().bind
    # Made here, so that each worker signs with the same key.
    os.environ["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
    print(f"The demo: http://{bind}/", flush=True)
    print(f"Try:      curl -s 'http://{bind}/api/tools?q=wood'", flush=True)
    serve(ScriptInfo("examples.demo.app:create_app"), bind=(bind,), workers=1)


if __name__ == "__main__":
    main()
