"""A small JSON service in a process of its own: `python -m tests.forward.service PORT SEED SLOW_S`.

Every SEEDth item has another price; each answer waits SLOW_S. Counters and times are noise.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

counts = iter(range(10**9))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    seed, slow_s = int(sys.argv[2]), float(sys.argv[3])
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
            if slow_s:
                await asyncio.sleep(slow_s)
            price = 11 if seed and number % seed == 0 else 10
            found = {"id": number, "price": price, "now": time.time_ns(), "n": next(counts)}
            body = json.dumps(found).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
