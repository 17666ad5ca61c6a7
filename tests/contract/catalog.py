"""The list of apps under contract: each a builder with the words its requests are made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .harness import Call

Builder = Callable[[ModuleType, list[Any]], Any]


@dataclass(frozen=True)
class Subject:
    """One app and its vocabulary. `probes` are sequences sent as they stand, with cookies kept."""

    name: str
    build: Builder
    paths: tuple[str, ...]
    queries: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    bodies: tuple[tuple[str, bytes], ...] = ()
    hosts: tuple[str, ...] = ("localhost",)
    probes: tuple[tuple[Call, ...], ...] = ()
    needs: str = ""


SUBJECTS: dict[str, Subject] = {}


def subject(name: str, **vocabulary: Any) -> Callable[[Builder], Builder]:
    """Register a builder under a name."""

    def register(build: Builder) -> Builder:
        assert name not in SUBJECTS, name
        SUBJECTS[name] = Subject(name, build, **vocabulary)
        return build

    return register


def part(fl: ModuleType, name: str) -> Any:
    """A submodule of whichever of the two modules is under test."""
    return importlib.import_module(f"{fl.__name__}.{name}")


def get(path: str, query: str = "", **rest: Any) -> Call:
    """A GET request."""
    return Call(path=path, query=query, **rest)


def post(path: str, body: bytes = b"", content_type: str = "", **rest: Any) -> Call:
    """A POST request with a body."""
    headers = (("Content-Type", content_type),) if content_type else ()
    return Call("POST", path, body=body, headers=headers + rest.pop("headers", ()), **rest)
