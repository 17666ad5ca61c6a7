"""Serve the shop: `python -m examples.orders [--bind 127.0.0.1:8001]`, until Ctrl-C."""

from __future__ import annotations

import argparse

from hipflask.cli import ScriptInfo
from hipflask.server import serve

BIND = "127.0.0.1:8001"


def main() -> None:
    """Read the command line, say where to look, serve."""
    parser = argparse.ArgumentParser(prog="python -m examples.orders", description="Serve a shop.")
    parser.add_argument("--bind", default=BIND, metavar="HOST:PORT", help=f"default: {BIND}")
    bind = parser.parse_args().bind
    print(f"The shop's API: http://{bind}/docs", flush=True)
    print(f"Try:            curl -s 'http://{bind}/products?words=mug'", flush=True)
    serve(ScriptInfo("examples.orders:create_app"), bind=(bind,), workers=1)


if __name__ == "__main__":
    main()
