"""A peer's application for a server to find: `app`, or run this file.

`BENCH_PEER` and `BENCH_APP` say which (and `BENCH_INTERFACE`, where a name has several).
`python -m benchmarks.peers.served NAME APP PORT` runs it on the peer's own server.
"""

from __future__ import annotations

import os
import sys

from . import find

if "BENCH_PEER" in os.environ:
    peer = find(os.environ["BENCH_PEER"], os.environ.get("BENCH_INTERFACE", ""))
    app = peer.make(os.environ.get("BENCH_APP", "core"))

if __name__ == "__main__":
    find(sys.argv[1], "own").load().serve(sys.argv[2], int(sys.argv[3]))
