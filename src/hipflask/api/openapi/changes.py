"""What changed between two OpenAPI documents, and what of it breaks a client. Sans-IO.

    for change in breaking_changes(old, new):
        print(change)                                # DELETE /orders/{}: was there, is gone

A change breaks if a request that was right is refused now or means less, or if an answer can
be one that a client had no reason to expect. So it depends on the way values travel: a field
that becomes required breaks what clients send and strengthens what they get, an enum's new
value is the other way round. New fields of an answer, new errors and new operations break
nothing: a client ignores what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from .schema_changes import Finding, Side, differences

Document = Mapping[str, Any]
Way = Literal["input", "output"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Change(NamedTuple):
    """One difference: where it is, what was and what is, and whether a client breaks by it."""

    #: Such as "POST /orders, body.items[].price" or "GET /orders, 200 body".
    where: str
    was: str
    now: str
    is_breaking: bool

    def __str__(self) -> str:
        return f"{self.where}: was {self.was}, is {self.now}"


def breaking_changes(old: Document, new: Document) -> list[Change]:
    """The changes by which a client of `old` may fail; empty if there is none."""
    return [change for change in changes(old, new) if change.is_breaking]


def changes(old: Document, new: Document) -> list[Change]:
    """All that changed for clients, in the order of the paths; texts and examples aside."""
    found: dict[tuple[str, str, str], Change] = {}
    for change in _Changes(old, new).all():
        key = change.where, change.was, change.now
        if key not in found or change.is_breaking:
            found[key] = change
    return list(found.values())


class _Changes:
    def __init__(self, old: Document, new: Document) -> None:
        self.old = old
        self.new = new

    def all(self) -> Iterator[Change]:
        yield from self._servers()
        old, new = _operations(self.old), _operations(self.new)
        for key, was in old.items():
            if key in new:
                yield from self._operation(f"{key[0]} {new[key].path}", was, new[key])
            else:
                yield Change(f"{key[0]} {was.path}", "there", "gone", True)
        for key, now in new.items():
            if key not in old:
                yield Change(f"{key[0]} {now.path}", "absent", "new", False)
        yield from self._webhooks()

    def _servers(self) -> Iterator[Change]:
        old, new = ([each["url"] for each in side.get("servers", ())] for side in self._sides)
        for url in old:
            if url not in new:
                yield Change(f"server {url}", "there", "gone", True)
        for url in new:
            if url not in old:
                yield Change(f"server {url}", "absent", "new", False)

    @property
    def _sides(self) -> tuple[Document, Document]:
        return self.old, self.new

    def _operation(self, where: str, old: _Operation, new: _Operation) -> Iterator[Change]:
        yield from self._parameters(where, old, new)
        yield from self._request(where, old, new)
        yield from self._responses(where, old, new)
        yield from self._security(where, old, new)
        was, now = old.body.get("operationId"), new.body.get("operationId")
        if was != now and was and now:
            yield Change(f"{where}, operation id", was, now, False)
        if new.body.get("deprecated") and not old.body.get("deprecated"):
            yield Change(where, "in use", "deprecated", False)

    # What is asked for.

    def _parameters(self, where: str, old: _Operation, new: _Operation) -> Iterator[Change]:
        before, after = old.parameters(self.old), new.parameters(self.new)
        for key, was in before.items():
            place = f"{where}, {key[0]} {was['name']}"
            now = after.get(key)
            if now is None:
                yield Change(place, "read", "ignored", True)
                continue
            yield from _turned_required(place, was, now)
            yield from self._schemas(place, _schema_of(was), _schema_of(now), "input")
            default, fresh = (_schema_of(each).get("default") for each in (was, now))
            if default != fresh:
                yield Change(f"{place}, default", _text(default), _text(fresh), False)
        for key, now in after.items():
            if key not in before:
                is_required = bool(now.get("required"))
                word = "required" if is_required else "optional"
                yield Change(f"{where}, {key[0]} {now['name']}", "absent", word, is_required)

    def _request(self, where: str, old: _Operation, new: _Operation) -> Iterator[Change]:
        place = f"{where}, body"
        was = _resolved(self.old, old.body.get("requestBody"))
        now = _resolved(self.new, new.body.get("requestBody"))
        if was is None and now is None:
            return
        if was is None or now is None:
            word = "required" if (now or was or {}).get("required") else "optional"
            if was is None:
                yield Change(place, "absent", word, word == "required")
            else:
                yield Change(place, "read", "ignored", True)
            return
        yield from _turned_required(place, was, now)
        yield from self._content(place, was, now, "input")

    # What is answered.

    def _responses(self, where: str, old: _Operation, new: _Operation) -> Iterator[Change]:
        before, after = old.body.get("responses", {}), new.body.get("responses", {})
        for status, answer in before.items():
            place = f"{where}, {status}"
            if status not in after:
                yield Change(place, "answered", "gone", _is_success(status))
                continue
            was, now = _resolved(self.old, answer) or {}, _resolved(self.new, after[status]) or {}
            yield from self._content(f"{place} body", was, now, "output")
            gone = was.get("headers", {}).keys() - now.get("headers", {}).keys()
            for name in sorted(gone):
                yield Change(f"{place} header {name}", "sent", "gone", True)
        for status in after:
            if status not in before:
                yield Change(f"{where}, {status}", "absent", "new", False)

    def _content(self, place: str, was: Any, now: Any, way: Way) -> Iterator[Change]:
        before, after = was.get("content", {}), now.get("content", {})
        compared: list[tuple[Any, Any]] = []
        for media_type, media in before.items():
            if media_type not in after:
                yield Change(f"{place} as {media_type}", "there", "gone", True)
                continue
            pair = media.get("schema", {}), after[media_type].get("schema", {})
            if pair not in compared:  # JSON and msgpack share theirs
                compared.append(pair)
                yield from self._schemas(place, *pair, way)
        for media_type in after:
            if media_type not in before:
                # Nobody gets it without asking, unless nothing came before.
                yield Change(f"{place} as {media_type}", "absent", "new", False)

    def _schemas(self, place: str, was: Any, now: Any, way: Way) -> Iterator[Change]:
        before, after = Side(self.old, was), Side(self.new, now)
        for finding in differences(before, after):
            yield _change_of(place, finding, way)

    # Who may call.

    def _security(self, where: str, old: _Operation, new: _Operation) -> Iterator[Change]:
        place = f"{where}, credentials"
        before, after = old.security(self.old), new.security(self.new)
        lost = [way for way in before if not any(_suffices(way, other) for other in after)]
        won = [way for way in after if not any(_suffices(way, other) for other in before)]
        if lost:
            yield Change(place, _credentials(before), _credentials(after), True)
        elif won:
            yield Change(place, _credentials(before), _credentials(after), False)
        schemes = (_part(side, "components", "securitySchemes") for side in self._sides)
        known, fresh = schemes
        for name in sorted({name for way in before for name in way}):
            was, now = known.get(name, {}), fresh.get(name)
            if now is not None and _essence(was) != _essence(now):
                yield Change(f"{place} {name}", _text(_essence(was)), _text(_essence(now)), True)

    # What is sent unasked: for the receiver an answer, so to speak.

    def _webhooks(self) -> Iterator[Change]:
        before, after = (side.get("webhooks", {}) for side in self._sides)
        for name, item in before.items():
            if name not in after:
                yield Change(f"webhook {name}", "sent", "gone", True)
                continue
            for method in METHODS:
                was, now = item.get(method), after[name].get(method)
                if was is None or now is None:
                    continue
                body = _resolved(self.old, was.get("requestBody")) or {}
                fresh = _resolved(self.new, now.get("requestBody")) or {}
                yield from self._content(f"webhook {name}, body", body, fresh, "output")
        for name in after:
            if name not in before:
                yield Change(f"webhook {name}", "absent", "new", False)


class _Operation(NamedTuple):
    path: str
    item: Mapping[str, Any]
    body: Mapping[str, Any]

    def parameters(self, document: Document) -> dict[tuple[str, str], dict[str, Any]]:
        """By place and name; the path's by their position, as their names are of no account."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        variables = re.findall(r"\{([^}]+)\}", self.path)
        for each in (*self.item.get("parameters", ()), *self.body.get("parameters", ())):
            parameter = _resolved(document, each) or {}
            place, name = parameter["in"], parameter["name"]
            key = str(variables.index(name)) if place == "path" and name in variables else name
            found[place, key.lower() if place == "header" else key] = parameter
        return found

    def security(self, document: Document) -> list[dict[str, frozenset[str]]]:
        """The ways in, each the schemes it takes with their scopes; [{}] where it is open."""
        given = self.body.get("security", document.get("security")) or [{}]
        return [{name: frozenset(scopes) for name, scopes in way.items()} for way in given]


def _operations(document: Document) -> dict[tuple[str, str], _Operation]:
    return {
        (method.upper(), re.sub(r"\{[^}]+\}", "{}", path)): _Operation(path, item, item[method])
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    }


def _change_of(place: str, finding: Finding, way: Way) -> Change:
    where = place + finding.where
    # What a client sends has to stay allowed, what it gets has to stay within what was said.
    is_breaking = finding.narrows if way == "input" else finding.widens
    if finding.is_field:
        if way == "output":
            return Change(where, finding.was, finding.now, finding.now == "gone")
        word = {"gone": "ignored", "there": "read"}
        return Change(
            where, word.get(finding.was, finding.was), word.get(finding.now, finding.now), False
        )
    return Change(where, finding.was, finding.now, is_breaking)


def _turned_required(place: str, was: Any, now: Any) -> Iterator[Change]:
    before, after = bool(was.get("required")), bool(now.get("required"))
    words = {True: "required", False: "optional"}
    if before != after:
        yield Change(place, words[before], words[after], after)


def _schema_of(parameter: Mapping[str, Any]) -> Any:
    return parameter.get("schema", {})


def _resolved(document: Document, node: Any) -> Any:
    """What a reference at the top of `node` leads to; `node` itself where there is none."""
    return Side(document, node).resolved() if isinstance(node, Mapping) else node


def _part(document: Document, *names: str) -> Any:
    node: Any = document
    for name in names:
        node = node.get(name, {})
    return node


def _is_success(status: str) -> bool:
    return status[:1] in "23" or status == "default"


def _suffices(way: dict[str, frozenset[str]], other: dict[str, frozenset[str]]) -> bool:
    """Whether who had the credentials of `way` is let in by `other`."""
    return all(name in way and scopes <= way[name] for name, scopes in other.items())


def _credentials(ways: list[dict[str, frozenset[str]]]) -> str:
    texts = []
    for way in ways:
        parts = [
            name + (f" ({', '.join(sorted(scopes))})" if scopes else "")
            for name, scopes in way.items()
        ]
        texts.append(" and ".join(parts) or "none")
    return " or ".join(texts)


def _essence(scheme: Mapping[str, Any]) -> dict[str, Any]:
    return {name: scheme[name] for name in ("type", "in", "name", "scheme") if name in scheme}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return "none" if value is None else str(value)
