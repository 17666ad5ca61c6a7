"""Moves a store: `python -m benchmarks.webhooks.moved OLD-URL NEW-URL`; killed, it is run again."""

from __future__ import annotations

import sys

from hipflask.database import Database
from hipflask.webhooks.inbox.moving import move


def main() -> int:
    """Copy everything and print how many rows of each table."""
    old, new = (Database(url) for url in sys.argv[1:3])
    new.prepare()
    print(move(old, new))
    return 0


if __name__ == "__main__":
    sys.exit(main())
