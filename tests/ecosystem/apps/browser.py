"""A browser of a page of code: keeps cookies, sends forms and JSON, follows nothing."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode


class Reply:
    """An answer, its body read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Talks to 127.0.0.1 on a port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, sent)
            reply = Reply(connection.getresponse())
        finally:
            connection.close()
        for line in reply.headers.get_all("Set-Cookie", ()):
            pair, *rest = line.split("; ")
            name, _, value = pair.partition("=")
            if not value or "Max-Age=0" in rest:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=dashed(headers))

    def post_form(self, path: str, fields: dict[str, str], **headers: str) -> Reply:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, urlencode(fields).encode(), kind | dashed(headers))

    def send_json(self, path: str, value: Any, method: str = "POST", **headers: str) -> Reply:
        kind = {"Content-Type": "application/json"}
        return self.send(method, path, json.dumps(value).encode(), kind | dashed(headers))


def dashed(headers: dict[str, str]) -> dict[str, str]:
    """Header names written as Python names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
