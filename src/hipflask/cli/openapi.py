"""The command `openapi`: writes the app's document, compares it with what was written before."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import click

from .discovery import NoAppException
from .options import app_option
from .script import ScriptInfo, pass_script_info

# How many differences are named; past that the first say enough.
MOST_NAMED = 50
_YAML = (".yaml", ".yml")


class Failed(click.ClickException):
    """What makes an answer impossible: a line on stderr, exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


@click.command("openapi", short_help="Write the app's OpenAPI document, or compare it.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help=(
        "The document's file; '-' for standard output, YAML with the suffix .yaml or .yml."
        "  [default: openapi.json beside the app's module]"
    ),
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with 1, naming the differences, if the file is not up to date.",
)
@click.option(
    "--diff",
    "old",
    metavar="OLD",
    type=click.Path(exists=True, dir_okay=False),
    help="Write nothing; exit with 1, naming them, if changes since this document break clients.",
)
@click.option("--json", "as_json", is_flag=True, help="With --diff: all changes, as JSON.")
@pass_script_info
@click.pass_context
def openapi_command(
    ctx: click.Context,
    info: ScriptInfo,
    /,
    output: str | None,
    check: bool,
    old: str | None,
    as_json: bool,
) -> None:
    """Write the OpenAPI document of the app, made of its routes and types.

    Keep the file with the code and let 'hipflask openapi --check' run with the tests: then a
    change of the API is seen where it is reviewed. 'hipflask openapi --diff OLD' says which of
    the changes since an earlier document break a client that was made from it.

    Exit code 2 means that the app or a file could not be read.
    """
    if check and old is not None:
        raise click.UsageError("--check and --diff are two questions; ask one at a time.")
    if as_json and old is None:
        raise click.UsageError("--json goes with --diff; the document itself is JSON anyway.")
    app = _load(info)
    document = _document_of(app)
    if old is not None:
        ctx.exit(_show_changes(_read(Path(old)), document, as_json))
    path = Path(app.root_path, "openapi.json") if output is None else Path(output)
    if output == "-":
        if check:
            raise click.UsageError("--check compares with a file; standard output is none.")
        click.echo(_dump(document, path), nl=False)
    elif check:
        ctx.exit(_show_drift(path, document))
    else:
        _write(path, _dump(document, path))


openapi_command.params.insert(0, app_option)


def _load(info: ScriptInfo) -> t.Any:
    try:
        return info.load_app()
    except NoAppException:
        raise
    except Exception as error:
        raise Failed(f"The app failed to load: {type(error).__name__}: {error}") from error


def _document_of(app: t.Any) -> dict[str, t.Any]:
    from hipflask.api.openapi import document  # who runs another command does not pay for it

    try:
        return document(app)
    except Exception as error:
        raise Failed(f"The document cannot be made: {type(error).__name__}: {error}") from error


def _dump(document: dict[str, t.Any], path: Path) -> str:
    from hipflask.api.openapi import dump_json, dump_yaml  # as above

    if path.suffix.lower() not in _YAML:
        return dump_json(document)
    try:
        return dump_yaml(document)
    except AssertionError as error:  # SetupError
        raise Failed(str(error)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}") from error
    click.echo(f"Wrote {path}")


def _read(path: Path) -> dict[str, t.Any]:
    try:
        text = path.read_text(encoding="utf-8")
        found = _parse_yaml(text) if path.suffix.lower() in _YAML else json.loads(text)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise Failed(f"{path} is no {path.suffix[1:].upper() or 'JSON'}: {error}") from error
    if not isinstance(found, dict) or "openapi" not in found:
        raise Failed(f"{path} is no OpenAPI document: it has no member 'openapi'.")
    return found


def _parse_yaml(text: str) -> t.Any:
    try:
        import yaml  # optional
    except ImportError:
        raise Failed(
            "YAML needs a package that is not installed: pip install 'hipflask[docs]'."
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _show_drift(path: Path, document: dict[str, t.Any]) -> int:
    if not path.exists():
        click.echo(f"{path} does not exist. Write it: hipflask openapi", err=True)
        return 1
    differences = list(drift(_read(path), json.loads(json.dumps(document))))
    if not differences:
        click.echo(f"{path} is up to date.")
        return 0
    click.echo(f"{path} is not up to date:", err=True)
    _name(differences)
    click.echo("Write it anew: hipflask openapi", err=True)
    return 1


def _name(lines: list[str]) -> None:
    for line in lines[:MOST_NAMED]:
        click.echo(f"  {line}", err=True)
    if len(lines) > MOST_NAMED:
        click.echo(f"  and {len(lines) - MOST_NAMED} more", err=True)


def drift(old: t.Any, new: t.Any, where: str = "") -> Iterator[str]:
    """Yield where two documents differ, as JSON pointers, with what was and what is."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            place = f"{where}/{str(name).replace('~', '~0').replace('/', '~1')}"
            if name not in new:
                yield f"{place}: is not there any more"
            elif name not in old:
                yield f"{place}: is new"
            else:
                yield from drift(old[name], new[name], place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from drift(was, now, f"{where}/{index}")
    elif old != new or type(old) is not type(new):
        yield f"{where}: was {_short(old)}, is {_short(new)}"


def _short(value: t.Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _show_changes(old: dict[str, t.Any], new: dict[str, t.Any], as_json: bool) -> int:
    from hipflask.api.openapi.changes import changes  # who compares nothing does not pay for it

    try:
        found = changes(old, new)
    except (AttributeError, KeyError, TypeError) as error:
        raise Failed(f"The old document is not well-formed: {error!r}") from error
    breaking = [change for change in found if change.is_breaking]
    if as_json:
        click.echo(json.dumps([change._asdict() for change in found], indent=2, ensure_ascii=False))
        return bool(breaking)
    for change in breaking:
        click.echo(f"breaking: {change}")
    others = len(found) - len(breaking)
    click.echo(f"{len(breaking)} breaking, {others} other{'' if others == 1 else 's'}.")
    return bool(breaking)
