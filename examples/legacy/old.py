"""The old service, as it has run for years: `python -m examples.legacy.old PORT`.

A stand-in, written for this example, for a service of PHP's ways: numbers as text, a
cookie that nobody uses, the time in each answer, a failure now and then, and slow.
"""

from __future__ import annotations

import json
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .orders import ORDERS, VAT_PERCENT, items_of

# What its database takes.
SLOW_S = (0.006, 0.018)
# One answer in so many fails.
FAILS_EACH = 250


def order_of(number: int) -> dict[str, Any]:
    """An order, as the old service answers it."""
    lines = [
        {"article": name, "quantity": str(quantity), "price": _money(cents)}
        for name, quantity, cents in items_of(number)
    ]
    net = sum(quantity * cents for _, quantity, cents in items_of(number))
    # Half a cent goes up, as PHP rounds.
    vat = (net * VAT_PERCENT + 50) // 100
    return {
        "id": str(number),
        "lines": lines,
        "net": _money(net),
        "vat": _money(vat),
        "total": _money(net + vat),
        "note": None if number % 3 else "",
        "server": random.choice(("web1", "web2")),
        "generated_at": f"{time.time():.4f}",
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


class Handler(BaseHTTPRequestHandler):
    """Answers /orders/N and /orders/N/receipt."""

    protocol_version = "HTTP/1.1"
    server_version = "Apache/2.2.22"

    def do_GET(self) -> None:
        """Answer, after a while."""
        time.sleep(random.uniform(*SLOW_S))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if random.randrange(FAILS_EACH) == 0:
            self._send(500, "text/html", "<b>Fatal error</b>: Allowed memory size exhausted")
        elif len(parts) < 2 or not parts[1].isdigit() or not 1 <= int(parts[1]) <= ORDERS:
            self._send(404, "application/json", '{"error":"no such order"}')
        elif parts[2:] == ["receipt"]:
            order = order_of(int(parts[1]))
            self._send(200, "text/html; charset=utf-8", receipt(order))
        else:
            body = json.dumps(order_of(int(parts[1])), separators=(",", ":")).replace("/", "\\/")
            self._send(200, "application/json", body)

    def _send(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("X-Powered-By", "PHP/5.6.40")
        self.send_header("Set-Cookie", f"PHPSESSID={random.randbytes(13).hex()}; path=/")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the story is told elsewhere."""


def receipt(order: dict[str, Any]) -> str:
    """An order's receipt, as a page."""
    rows = "".join(
        f"<TR><TD>{line['quantity']} x {line['article']}<TD>{line['price']}"
        for line in order["lines"]
    )
    return (
        f"<HTML><TITLE>Order {order['id']}</TITLE><TABLE>{rows}"
        f"<TR><TD>VAT<TD>{order['vat']}<TR><TD>Total<TD>{order['total']}</TABLE>"
        f"<!-- {order['generated_at']} {order['server']} -->"
    )


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until the process is ended."""
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
