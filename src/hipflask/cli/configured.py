"""A command whose options can be set in `pyproject.toml` and in the environment as well.

Precedence: what was typed, then `HIPFLASK_SERVE_*` (for the command `serve`), then the table
`[tool.hipflask.serve]` of the nearest `pyproject.toml`, then the option's default.
"""

from __future__ import annotations

import os
import tomllib
import typing as t
from difflib import get_close_matches
from pathlib import Path

import click


class ConfiguredCommand(click.Command):
    """A command with these sources; a setting that cannot work is one line and exit code 2."""

    def __init__(self, name: str | None, **given: t.Any) -> None:
        super().__init__(name, **given)
        for option in self.params:
            if isinstance(option, click.Option) and option.envvar is None:
                option.envvar = f"HIPFLASK_{name}_{_word(option)}".upper().replace("-", "_")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what was typed, with the other sources as what stands in for it."""
        if not ctx.resilient_parsing and not {"--help", "-h"}.intersection(args):
            ctx.default_map = {**self._read_file(ctx), **(ctx.default_map or {})}
        typed = tuple(args)  # Click empties the list
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _refuse(f"{_variable_of(error, typed)}{_plain(error)}")

    def _read_file(self, ctx: click.Context) -> dict[str, t.Any]:
        here = Path.cwd()
        for folder in (here, *here.parents):
            path = folder / "pyproject.toml"
            if path.is_file():
                return self._read_table(ctx, path)
        return {}

    def _read_table(self, ctx: click.Context, path: Path) -> dict[str, t.Any]:
        try:
            with path.open("rb") as file:
                table = tomllib.load(file).get("tool", {}).get("hipflask", {}).get(self.name, {})
        except (OSError, ValueError) as error:
            _refuse(f"cannot read {path}: {error}")
        where = f"{path}, [tool.hipflask.{self.name}]"
        if not isinstance(table, dict):
            _refuse(f"{where} is {table!r}, not a table")
        options = {_word(one): one for one in self.params if isinstance(one, click.Option)}
        values = {}
        for key, value in table.items():
            option = options.get(key.replace("_", "-"))
            if option is None or option.expose_value is False:
                near = get_close_matches(key.replace("_", "-"), options, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                _refuse(f"{where}: there is no setting {key!r}{hint}")
            name = option.name
            values[name] = _as_typed(option, value)
            try:
                option.process_value(ctx, values[name])
            except click.UsageError as error:
                _refuse(f"{where}: {_plain(error)}")
        return values


def _word(option: click.Option) -> str:
    """The option's long name without its dashes."""
    return max(option.opts, key=len).lstrip("-")


def _as_typed(option: click.Option, value: t.Any) -> t.Any:
    """A value of TOML in the form in which Click takes it from the command line."""
    if option.multiple:
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
    return value if isinstance(value, bool) and option.is_flag else str(value)


def _variable_of(error: click.UsageError, args: tuple[str, ...]) -> str:
    """The name of the variable that a wrong value was read from, for the front of a message."""
    option = getattr(error, "param", None)
    name = getattr(option, "envvar", None)
    if not isinstance(name, str) or name not in os.environ:
        return ""
    is_typed = any(arg.startswith(tuple(getattr(option, "opts", ()))) for arg in args)
    return "" if is_typed else f"{name}: "


def _plain(error: click.UsageError) -> str:
    return " ".join(error.format_message().split())


def _refuse(reason: str) -> t.NoReturn:
    click.echo(f"hipflask: {reason}", err=True)
    raise SystemExit(2)
