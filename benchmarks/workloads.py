"""What is asked of every peer, and what its answer must look like.

A workload is a few requests that a driver sends in turn, to one of the applications that a
peer makes (`Workload.app`). Before anything is timed every request is sent and its answer
checked, so that a peer which answers wrongly is said to be broken instead of quick. Views
return a changing value: two answers to one request must differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: Routes of the two applications that have many. Half are static, half have a variable.
ROUTES = 200
MANY_ROUTES = 10_000
#: Resources in one area of these.
AREA = 100
#: Different paths that W6v sends in turn.
VARIED_PATHS = 5_000
#: Different session cookies that W7 sends in turn.
COOKIES = 50
BLUEPRINTS = 30
ROWS = 20
ITEMS = 10
FILE_BYTES = 64 * 1024
#: What every peer signs its sessions with.
SECRET = "a-secret-for-benchmarks-only-32-bytes"


class WrongAnswer(Exception):
    """A peer's answer is not what the workload asks for."""


@dataclass(frozen=True)
class Call:
    """A request, and the status that must answer it."""

    path: str
    query: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    status: int = 200

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise WrongAnswer(f"no JSON: {self.body[:80]!r}") from error


@dataclass(frozen=True)
class Workload:
    """Requests in turn; `check` raises WrongAnswer for an answer with the right status.

    `refused` are sent once and must answer 400 or 422. `has_session` wants the cookies that a
    first request each was answered with.
    """

    name: str
    title: str
    app: str
    calls: tuple[Call, ...]
    check: Callable[[Call, Answer], None]
    refused: tuple[Call, ...] = ()
    has_session: bool = False
    is_changing: bool = True


def verify(workload: Workload, call: Call, answer: Answer) -> None:
    """Raise WrongAnswer unless status and content are what the workload asks for."""
    if call in workload.refused:
        if answer.status not in (400, 422):
            raise WrongAnswer(f"{call.method} {call.path}: took a wrong body, {answer.status}")
        return
    if answer.status != call.status:
        raise WrongAnswer(
            f"{call.method} {call.target}: {answer.status} instead of {call.status}:"
            f" {answer.body[:200]!r}"
        )
    if call.status == 200:
        try:
            workload.check(call, answer)
        except (KeyError, TypeError, ValueError) as error:
            raise WrongAnswer(f"{call.target}: {error!r} in {answer.body[:200]!r}") from error


def expect(answer: Answer, content_type: str, **fields: Any) -> Any:
    """Return the JSON answered, once its type and these fields are seen to be right."""
    kind = answer.header("content-type").partition(";")[0]
    if kind != content_type:
        raise WrongAnswer(f"content type {kind!r} instead of {content_type!r}")
    found = answer.json()
    for key, value in fields.items():
        if found[key] != value:
            raise WrongAnswer(f"{key} is {found[key]!r} instead of {value!r}")
    return found


# W1, W2, W3


def check_plaintext(call: Call, answer: Answer) -> None:
    greeting, number = answer.body.decode().rsplit(" ", 1)
    if greeting != "Hello, World!" or int(number) < 1:
        raise WrongAnswer(f"not a greeting: {answer.body[:80]!r}")


def check_json(call: Call, answer: Answer) -> None:
    found = expect(answer, "application/json", message="Hello, World!")
    if found["number"] < 1:
        raise WrongAnswer("no number")


def check_parameters(call: Call, answer: Answer) -> None:
    number, limit = int(call.path.rpartition("/")[2]), int(call.query.partition("=")[2])
    found = expect(answer, "application/json", id=number, limit=limit)
    if found["number"] < 1:
        raise WrongAnswer("no number")


# W4


def make_order(seed: int) -> dict[str, Any]:
    """Return an order as a client sends it; the number is the server's to give."""
    return {
        "number": 0,
        "customer": f"Customer {seed}",
        "address": f"{seed} Long Street, Springfield",
        "express": bool(seed % 2),
        "items": [
            {"sku": f"sku-{seed}-{place}", "quantity": place + 1, "price": 9.75 + place}
            for place in range(ITEMS)
        ],
    }


def post_json(path: str, content: Any) -> Call:
    body = json.dumps(content).encode()
    fields = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
    return Call(path, method="POST", headers=fields, body=body)


def check_order(call: Call, answer: Answer) -> None:
    sent = json.loads(call.body)
    found = expect(answer, "application/json")
    if found.pop("number") < 1 or sent.pop("number") != 0 or found != sent:
        raise WrongAnswer(f"not the order that was sent: {answer.body[:80]!r}")


def wrong_orders() -> tuple[Call, ...]:
    """Return orders that must be refused: a wrong type inside, a field missing."""
    wrong, short = make_order(1), make_order(1)
    wrong["items"][7]["quantity"] = "many"
    del short["items"][3]["sku"]
    return post_json("/orders", wrong), post_json("/orders", short)


# W5


def check_page(call: Call, answer: Answer) -> None:
    page = answer.body.decode()
    if answer.header("content-type").partition(";")[0] != "text/html":
        raise WrongAnswer(f"content type {answer.header('content-type')!r}")
    if page.count("<tr") != ROWS + 1 or "Widget &lt;19&gt;" not in page or "<script>" in page:
        raise WrongAnswer("not the page: rows are missing or not escaped")


# W6


def route_paths(count: int) -> list[str]:
    """Return the rules of an application with many routes, as Flask writes them.

    Like an interface of many resources in areas of a hundred: each has a list, and an entry
    found by its number.
    """
    rules = []
    for resource in range(count // 2):
        rules += [_path(resource), f"{_path(resource)}/<int:number>"]
    return rules


def _path(resource: int) -> str:
    return f"/area{resource // AREA}/thing{resource}"


def route_calls(count: int) -> tuple[Call, ...]:
    """Return a request to the first, a middle and the last route, and to none."""
    last = count // 2 - 1
    return (
        Call(_path(0)),
        Call(f"{_path(last // 2)}/7"),
        Call(f"{_path(last)}/7"),
        Call(f"/area{last // AREA}/thing{last + 1}/7", status=404),
    )


def varied_calls() -> tuple[Call, ...]:
    resources = ROUTES // 2
    return tuple(
        Call(f"{_path(place % resources)}/{place // resources}") for place in range(VARIED_PATHS)
    )


def check_thing(call: Call, answer: Answer) -> None:
    _, _, resource, *numbers = call.path.split("/")
    name, found, count = answer.body.decode().split()
    if name != resource or [found] != (numbers or ["all"]) or int(count) < 1:
        raise WrongAnswer(f"another route's answer: {answer.body[:80]!r}")


# W7


def check_session(call: Call, answer: Answer) -> None:
    found = expect(answer, "application/json", steps=3)
    has_cookie = any(name == "Cookie" for name, _ in call.headers)
    if found["visits"] != 1 + has_cookie:
        raise WrongAnswer(f"visit {found['visits']}: the session was not read")
    if not answer.header("set-cookie"):
        raise WrongAnswer("the session was not written")
    if missing := [n for n in (1, 2, 3) if answer.header(f"x-after-{n}") != str(n)]:
        raise WrongAnswer(f"hooks {missing} after the view did not run")


# Without a figure


def check_file(call: Call, answer: Answer) -> None:
    if answer.body != FILE_CONTENT:
        raise WrongAnswer(f"{len(answer.body)} bytes of a file of {FILE_BYTES}")


def check_form(call: Call, answer: Answer) -> None:
    found = expect(answer, "application/json", name="Ada Lovelace", city="Zürich", agreed="on")
    if found["note"] != FORM_NOTE or found["number"] < 1:
        raise WrongAnswer("a field is wrong")


def check_blueprint(call: Call, answer: Answer) -> None:
    section, number, count = answer.body.decode().split()
    _, expected_section, expected_number = call.path.strip("/").split("/")
    if (section, number) != (expected_section, expected_number) or int(count) < 1:
        raise WrongAnswer(f"another blueprint's answer: {answer.body[:80]!r}")
    if answer.header("x-section") != section:
        raise WrongAnswer("the blueprint's hook did not run")


FILE_CONTENT = bytes(range(256)) * (FILE_BYTES // 256)
FORM_NOTE = "two lines\r\nof text & more"
FORM_BODY = b"name=Ada+Lovelace&city=Z%C3%BCrich&agreed=on&note=two+lines%0D%0Aof+text+%26+more"
FORM_FIELDS = (
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Length", str(len(FORM_BODY))),
)

WORKLOADS: dict[str, Workload] = {
    one.name: one
    for one in (
        Workload("W1", "plaintext", "core", (Call("/plaintext"),), check_plaintext),
        Workload("W2", "JSON", "core", (Call("/json"),), check_json),
        Workload(
            "W3",
            "path and query parameter",
            "core",
            tuple(Call(f"/users/{n}", f"limit={n % 9 + 1}") for n in range(20)),
            check_parameters,
        ),
        Workload(
            "W4",
            "typed JSON POST",
            "core",
            tuple(post_json("/orders", make_order(seed)) for seed in range(5)),
            check_order,
            refused=wrong_orders(),
        ),
        Workload("W5", "Jinja page", "core", (Call("/page"),), check_page),
        Workload("W6", "200 routes", "routes", route_calls(ROUTES), check_thing),
        Workload("W6v", "200 routes, 5,000 paths", "routes", varied_calls(), check_thing),
        Workload("W6k", "10,000 routes", "many_routes", route_calls(MANY_ROUTES), check_thing),
        Workload(
            "W7",
            "session and 3 hooks",
            "visits",
            (Call("/visit"),),
            check_session,
            has_session=True,
        ),
        Workload("file", "file download", "core", (Call("/file"),), check_file, is_changing=False),
        Workload(
            "form",
            "form POST",
            "core",
            (Call("/form", method="POST", headers=FORM_FIELDS, body=FORM_BODY),),
            check_form,
        ),
        Workload(
            "blueprints",
            "30 blueprints",
            "blueprints",
            tuple(Call(f"/area/section{n}/{n + 5}") for n in (0, 14, 29)),
            check_blueprint,
        ),
    )
}
APPS = ("core", "routes", "many_routes", "visits", "blueprints")


def names_of(app: str) -> Sequence[str]:
    """Return the names of the workloads that one application answers."""
    return [one.name for one in WORKLOADS.values() if one.app == app]
