"""Environment variables from `.env`, `.flaskenv` and a file of the user's choice."""

from __future__ import annotations

import os
from pathlib import Path

import click

# Later files win over earlier ones; the real environment wins over all of them.
DEFAULT_FILES = (".flaskenv", ".env")


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set the environment variables that dotenv files define; True if they define any.

    A variable that is set already keeps its value. After it come the file at `path`, then
    `.env`, then `.flaskenv`; the last two are looked for in the current directory and
    above it, and only with `load_defaults`. Files are read as UTF-8; one that does not
    exist is passed over. Without python-dotenv nothing is loaded, and a tip on stderr says
    so if there was something to load.
    """
    try:
        import dotenv  # optional
    except ImportError:
        if path is not None or (load_defaults and any(Path(f).is_file() for f in DEFAULT_FILES)):
            _show_tip()
        return False

    files = []
    if load_defaults:
        files += [dotenv.find_dotenv(name, usecwd=True) for name in DEFAULT_FILES]
    if path is not None:
        files.append(os.fspath(path))
    found: dict[str, str | None] = {}
    for file in files:
        if os.path.isfile(file):
            found.update(dotenv.dotenv_values(file, encoding="utf-8"))
    for name, value in found.items():
        if value is not None:
            os.environ.setdefault(name, value)
    return bool(found)


def _show_tip() -> None:
    click.secho(
        " * Tip: dotenv files were found but not loaded. To use them: pip install python-dotenv",
        fg="yellow",
        err=True,
    )
