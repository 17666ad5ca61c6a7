"""A group of commands that are imported when they are asked for."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from importlib import import_module

import click


class LateGroup(click.Group):
    """Knows where its commands are: by name, a module of `package` and an object in it."""

    def __init__(
        self, *args: t.Any, package: str, late: Mapping[str, tuple[str, str]], **attrs: t.Any
    ) -> None:
        super().__init__(*args, **attrs)
        self._package = package
        self._late = late

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one needs them."""
        return list(self._late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if cmd_name not in self._late:
            return None
        module, name = self._late[cmd_name]
        return t.cast(click.Command, getattr(import_module(f"{self._package}.{module}"), name))
