"""What the API promises: R01 to R05."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path

from .declaring import Check, Found, Look, Skipped, found

_TRACE = ("Traceback (most recent call last)", 'File "/')


def body_undeclared(look: Look) -> Iterator[Found]:
    """R01."""
    for route in look.facts.own_routes:
        if route.is_unsafe and route.body is None:
            yield found(route.name, "does not say what its body is", route.place)


def error_contract(look: Look) -> Iterator[Found]:
    """R02. Only what must be refused is sent, and the view is replaced: nothing is written."""
    routes = look.facts.own_routes
    for route in routes:
        if route.body == "model" and route.is_unsafe:
            for what, body in (("malformed JSON", b'{"a": '), ("a wrong type", b"[[[0]]]")):
                answer = look.probe.ask(route, body=body, as_somebody=True)
                if wrong := _wrong(answer, refused=not answer.entered):
                    yield found(route.name, f"answers {what} with {wrong}", route.place)
                    break
    # Afterwards, as their views are asked themselves.
    for route in routes:
        if route.method == "GET" and route.has_typed_answer and "<" in route.rule:
            answer = look.probe.ask(route, as_somebody=True, enters=True)
            wrong = _wrong(answer, refused=answer.status >= 400)
            if wrong and not answer.was_kept_off:
                yield found(route.name, f"answers an unknown id with {wrong}", route.place)


def _wrong(answer: object, refused: bool) -> str:
    """What is wrong with the answer to a request that had to be refused; "" for nothing."""
    status = answer.status  # type: ignore[attr-defined]
    kind = answer.headers.get("content-type", "")  # type: ignore[attr-defined]
    text = answer.text  # type: ignore[attr-defined]
    if any(mark in text for mark in _TRACE):
        return "a traceback"
    if not refused or status in (401, 403):
        return ""
    if status >= 500:
        return f"a {status}"
    if status >= 400 and "json" not in kind:
        return f"{kind.partition(';')[0] or 'no content type'}, where problem details are declared"
    return ""


def openapi_drift(look: Look) -> Iterator[Found]:
    """R03."""
    if not any(route.documented for route in look.facts.routes):
        return
    path = _document_file(look)
    if path is None:
        if look.project.policy.openapi:
            named = look.project.policy.openapi
            yield found(named, "pyproject.toml names this document, and there is none", named)
        return
    from ..api.openapi import document  # an application without typed views has none

    with nullcontext() if look.probe is None else look.probe.apart():
        made = json.loads(json.dumps(document(look.app)))
    name = str(path.relative_to(look.project.root)) if path.is_absolute() else str(path)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Skipped(f"{name} is not JSON: {error}") from None
    if made != kept:
        paths = sorted(
            one
            for one in {*made.get("paths", {}), *kept.get("paths", {})}
            if made.get("paths", {}).get(one) != kept.get("paths", {}).get(one)
        )
        told = f", first at {paths[0]}" if paths else ""
        yield found(name, f"differs from what the routes and types say{told}", name)


def _document_file(look: Look) -> Path | None:
    root = Path(look.project.root)
    if named := look.project.policy.openapi:
        return root / named if (root / named).is_file() else None
    for path in (Path(look.app.root_path, "openapi.json"), root / "openapi.json"):
        if path.is_file() and path.is_relative_to(root):
            return path
    return None


def sunset_invalid(look: Look) -> Iterator[Found]:
    """R04."""
    for route in look.facts.routes:
        if not route.sunset:
            continue
        ends = date.fromisoformat(route.sunset)
        if route.deprecated and date.fromisoformat(route.deprecated) > ends:
            yield found(route.name, "ends before it is deprecated (RFC 9745, 4)", route.place)
        if ends < look.today:
            yield found(route.name, f"ended on {route.sunset}, and is still served", route.place)


def path_style(look: Look) -> Iterator[Found]:
    """R05."""
    style = look.project.policy.path_style
    if not style:
        return
    seen = set()
    for route in look.facts.own_routes:
        if route.rule not in seen and re.fullmatch(style, route.rule) is None:
            seen.add(route.rule)
            yield found(route.rule, f"does not have the form {style}", route.place)


CHECKS = [
    Check(
        id="R01",
        name="body-undeclared",
        levels=("I", "W", "E"),
        needs="app",
        as_flask="I",
        inspects="POST, PUT, PATCH and DELETE have a typed body, or say 'raw' or 'none'",
        why="a body that nobody declared is checked nowhere, and documented nowhere",
        fix="annotate a parameter with its type, or hipflask.checks.reads_body('raw'), ('none')",
        fix_as_flask="nothing to mend: it is counted, as typed bodies come with hipflask alone",
        find=body_undeclared,
    ),
    Check(
        id="R02",
        name="error-contract",
        levels=("-", "W", "E"),
        needs="probe",
        inspects="malformed JSON, a wrong type, an unknown id are answered with problem details",
        why="a client cannot read a page, and a traceback tells strangers of the code",
        fix="raise Problem or an HTTPException; error handlers answer JSON where it is asked for",
        find=error_contract,
    ),
    Check(
        id="R03",
        name="openapi-drift",
        levels=("-", "W", "W"),
        needs="app",
        inspects="the committed openapi.json is what the routes and types say",
        why="clients are made from the file, and reviewed changes are those in it",
        fix="hipflask openapi, and 'hipflask openapi --check' among the tests",
        find=openapi_drift,
    ),
    Check(
        id="R04",
        name="sunset-invalid",
        levels=("W", "W", "W"),
        needs="app",
        inspects="no route ends before it is deprecated, or is served past its end",
        why="clients were told a day and plan by it",
        fix="take the route away, or tell another day: @operation(sunset=...)",
        find=sunset_invalid,
    ),
    Check(
        id="R05",
        name="path-style",
        levels=("-", "I", "I"),
        needs="app",
        inspects="paths have the form that path_style names; without one nothing is asked",
        why="the team decided on one form",
        fix="rename the path, or change path_style in [tool.hipflask.check]",
        find=path_style,
    ),
]  # fmt: skip
