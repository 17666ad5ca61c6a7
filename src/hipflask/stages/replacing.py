"""What a successor is held against, and what a project leaves behind when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..assess.traffic import UnreadableTraffic, read_traffic
from ..checks.project import read_recorded
from ..checks.running import Report
from .outcomes import Asked, Undecidable

LIMIT_S = 60.0
_SECRET_WORDS = ("secret", "password", "token", "key", "credential", "dsn")


def contract(report: Report, asked: Asked, app: str | None, root: Path) -> dict[str, bytes]:
    """The OpenAPI document, how often each route was used, and what each was seen to answer.

    Raises Undecidable for traffic that cannot be read, and an application that has no document.
    """
    document = _document(app, root)
    try:
        traffic = read_traffic(Path(asked.traffic)) if asked.traffic else None
    except (UnreadableTraffic, OSError) as error:
        raise Undecidable(f"--traffic {asked.traffic}: {error}") from None
    routes = [route for route in report.facts.own_routes if route.method not in ("HEAD", "OPTIONS")]
    usage = {
        # Nobody looked is not the same as nobody came.
        route.name: None if traffic is None else _requests(traffic, route.name)
        for route in routes
    }
    window = None if traffic is None else traffic.days
    return {
        "openapi.json": _dump(document),
        "usage.json": _dump({"days": window, "requests": usage}),
        "answers.json": _dump(dict(_answers(report, document))),
    }


def _requests(traffic: Any, name: str) -> int:
    seen = traffic.routes.get(name)
    return seen.requests if seen else 0


def _answers(report: Report, document: Any) -> Iterator[tuple[str, Any]]:
    """By route: the statuses that the tests saw, with the declared shape of each; None unknown."""
    recorded = read_recorded(report.project, None)
    for route in report.facts.own_routes:
        hits = [
            hit
            for hit in (recorded.hits if recorded else [])
            if (hit.rule, hit.method) == (route.rule, route.method)
        ]
        seen: dict[str, int] = {}
        for hit in hits:
            for status, number in hit.statuses.items():
                seen[status] = seen.get(status, 0) + number
        path = route.rule.replace("<", "{").replace(">", "}")
        parts = [part.rpartition(":")[2] for part in path.split("{")]
        path = "".join([path.split("{")[0], *("{" + part for part in parts[1:])])
        declared = document.get("paths", {}).get(path, {}).get(route.method.lower(), {})
        yield (
            route.name,
            {
                status: {"seen": number, "shape": _shape(declared.get("responses", {}).get(status))}
                for status, number in sorted(seen.items())
            }
            or None,
        )


def _shape(response: Any) -> Any:
    for media in (response or {}).get("content", {}).values():
        return media.get("schema")
    return None


def _document(app: str | None, root: Path) -> Any:
    """The document, made in a process of its own by `hipflask openapi`."""
    with tempfile.TemporaryDirectory(prefix="hipflask-promote-") as folder:
        target = Path(folder, "openapi.json")
        command = [sys.executable, "-m", "hipflask", *(["--app", app] if app else [])]
        try:
            done = subprocess.run(
                [*command, "openapi", "-o", str(target)], cwd=root, capture_output=True,
                stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Undecidable(f"The document was not made in {LIMIT_S:g} s.") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
            raise Undecidable(f"The OpenAPI document cannot be made: {said[-1]}")
        return json.loads(target.read_text(encoding="utf-8"))


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def disposal(report: Report, root: Path) -> list[str]:
    """What has to be disposed of, as a list to tick off; nothing is deleted by us."""
    facts = report.facts
    lines = [f"- [ ] table {table.name}" for table in facts.tables]
    if not facts.tables:
        lines.append("- [ ] tables: none are declared by SQLAlchemy; look into the databases below")
    for store in facts.stores:
        lines.append(
            f"- [ ] database of {store.source}: {store.file or store.kind}, and its backups"
        )
    lines.append(
        "- [ ] folder instance/, wherever it is installed, and the volumes of its manifest"
    )
    for name in ("uploads", "data"):
        if (root / name).is_dir():
            lines.append(f"- [ ] folder {name}/")
    names = [
        f"{kind}.{key}"
        for kind, keys in facts.settings.items()
        for key in keys
        if any(word in key.lower() for word in _SECRET_WORDS)
    ]
    names += [one for hook in facts.webhooks for one in [f"secrets of the webhook {hook.name}"]]
    names += [f"credentials for {host.name}" for host in facts.hosts]
    names += [f"keys and passwords of {provider.name}" for provider in facts.providers]
    lines += [f"- [ ] secret: {name}" for name in names] or ["- [ ] secrets: none are known"]
    lines.append("- [ ] logs, traces and exports that hold its data")
    lines.append("- [ ] once it has ended: hipflask promote discard, which makes it retired")
    return lines
