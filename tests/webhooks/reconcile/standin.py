"""The list APIs of GitHub, Stripe and Square, in a process of their own.

    python -m tests.webhooks.reconcile.standin 25

Serves that many events each on 127.0.0.1, prints its port, and ends with its standard input.
Stripe's and Square's answers are made by the models of their own SDKs; GitHub's is the JSON of
its documentation. Each provider answers 429 once, to the second page it is asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: The time of the newest event; each is a minute older than the one before it.
NEWEST = 1_700_000_000
TOKEN = "a token for tests"
SECRET = "It's a Secret to Everybody"
PAGE = 10


def at(number: int) -> int:
    return NEWEST - 60 * number


def iso(number: int) -> str:
    return datetime.fromtimestamp(at(number), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def github_payload(number: int) -> dict[str, Any]:
    return {"ref": "refs/heads/main", "number": number, "text": "gr\u00fcn & <more>", "size": 1.5}


def github_bytes(number: int) -> bytes:
    return json.dumps(github_payload(number), separators=(",", ":"), ensure_ascii=False).encode()


def github_list(count: int, query: dict[str, list[str]], port: int) -> tuple[Any, dict[str, str]]:
    start = int(query.get("cursor", ["v1_0"])[0].removeprefix("v1_"))
    rows = [
        {
            "id": 12345678 - number,
            "guid": f"guid-{number}",
            "delivered_at": iso(number),
            "redelivery": number == 3,
            "duration": 0.27,
            "status": "OK",
            "status_code": 200,
            "event": "push" if number % 2 else "issues",
            "action": None,
            "installation_id": None,
            "repository_id": 42,
            "throttled_at": None,
        }
        for number in range(start, min(start + PAGE, count))
    ]
    if start == 0:
        rows.insert(1, {**rows[0], "id": 99})  # delivered twice: one event
    links = {}
    if start + PAGE < count:
        path = f"http://127.0.0.1:{port}/elsewhere?cursor=v1_{start + PAGE}&per_page=100"
        links["Link"] = f'<http://127.0.0.1:{port}/first>; rel="first", <{path}>; rel="next"'
    return rows, links


def github_delivery(count: int, number: int) -> Any:
    body = github_bytes(number)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "id": 12345678 - number,
        "guid": f"guid-{number}",
        "delivered_at": iso(number),
        "event": "push" if number % 2 else "issues",
        "url": "https://www.example.com",
        "request": {
            "headers": {
                "X-GitHub-Delivery": f"guid-{number}",
                "X-Hub-Signature-256": f"sha256={signature}",
                "X-GitHub-Event": "push" if number % 2 else "issues",
                "content-type": "application/json",
                "User-Agent": "GitHub-Hookshot/b8c71d8",
            },
            "payload": github_payload(number),
        },
        "response": {"headers": {"Content-Type": "text/html"}, "payload": "ok"},
    }


def stripe_list(count: int, query: dict[str, list[str]]) -> str:
    import stripe

    after = query.get("starting_after", [""])[0].removeprefix("evt_")
    start = int(after) + 1 if after else 0
    since = int(query["created[gte]"][0])
    numbers = [number for number in range(count) if at(number) >= since]
    page = [number for number in numbers if number >= start][:PAGE]
    events = [
        stripe.Event.construct_from(
            {
                "id": f"evt_{number}",
                "object": "event",
                "api_version": "2026-09-30.basil",
                "created": at(number),
                "type": "invoice.paid" if number % 2 else "customer.created",
                "livemode": False,
                "pending_webhooks": 1,
                "data": {"object": {"id": f"in_{number}", "customer": f"cus_{number % 3}"}},
            },
            "key",
        )
        for number in page
    ]
    found = stripe.ListObject.construct_from(
        {
            "object": "list",
            "url": "/v1/events",
            "has_more": bool(page) and page[-1] < numbers[-1],
            "data": events,
        },
        "key",
    )
    return str(found)


def square_search(count: int, asked: dict[str, Any]) -> str:
    from square.types.event import Event
    from square.types.search_events_response import SearchEventsResponse

    assert asked["query"]["sort"] == {"field": "DEFAULT", "order": "DESC"}
    since = datetime.fromisoformat(asked["query"]["filter"]["created_at"]["start_at"]).timestamp()
    start = int(asked.get("cursor") or 0)
    numbers = [number for number in range(count) if at(number) >= since]
    page = numbers[start : start + PAGE]
    more = start + PAGE < len(numbers)
    return SearchEventsResponse(
        events=[
            Event(
                merchant_id="M1",
                event_id=f"sq-{number}",
                type="payment.updated" if number % 2 else "order.created",
                created_at=iso(number),
            )
            for number in page
        ]
        or None,
        cursor=str(start + PAGE) if more else None,
    ).json()


class Handler(BaseHTTPRequestHandler):
    count = 0
    asked: dict[str, int] = {}
    lock = threading.Lock()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if parts.path == "/v1/events":
            self.give(lambda: (stripe_list(self.count, query), {}))
        elif parts.path == "/repos/o/r/hooks/7/deliveries":
            port = self.server.server_address[1]
            self.give(lambda: github_list(self.count, query, port))
        elif parts.path.startswith("/repos/o/r/hooks/7/deliveries/"):
            number = 12345678 - int(parts.path.rpartition("/")[2])
            number = 0 if number > self.count else number
            self.give(lambda: (github_delivery(self.count, number), {}), is_page=False)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.give(lambda: (square_search(self.count, asked), {}))

    def give(self, make: Callable[[], tuple[Any, dict[str, str]]], is_page: bool = True) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_error(401)
            return
        if is_page and self.is_second():
            self.send_response(429)
            self.send_header("Retry-After", "7")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        made, headers = make()
        body = (made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)).encode()
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_second(self) -> bool:
        place = urlsplit(self.path).path
        with self.lock:
            self.asked[place] = self.asked.get(place, 0) + 1
            return self.asked[place] == 2

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    Handler.count = int(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
