"""The command line: `hipflask run`, `serve`, `shell`, `routes`, `openapi` and the app's own.

One module per subject: `discovery` finds the app, `script` shares it between commands,
`dotenv` reads environment files, `options`, `commands` and `serving` hold what can be typed,
`groups` puts them together. Every name of `flask.cli` can be imported from here.
"""

from __future__ import annotations

import ast as ast
import collections.abc as cabc  # noqa: F401  # one of Flask's accidental names
import importlib as importlib
import inspect as inspect
import os as os
import platform as platform
import re as re
import sys as sys
import traceback as traceback
import typing as t  # noqa: F401  # one of Flask's accidental names
from functools import update_wrapper as update_wrapper
from operator import itemgetter as itemgetter
from pathlib import Path
from types import ModuleType as ModuleType

import click as click
from click.core import ParameterSource as ParameterSource
from werkzeug.serving import is_running_from_reloader as is_running_from_reloader
from werkzeug.serving import run_simple as run_simple
from werkzeug.utils import import_string as import_string

from hipflask.globals import current_app as current_app
from hipflask.helpers import get_debug_flag as get_debug_flag
from hipflask.helpers import get_load_dotenv as get_load_dotenv

from .commands import as_flask_command as as_flask_command
from .commands import routes_command as routes_command
from .commands import shell_command as shell_command
from .db import db_command as db_command
from .discovery import NoAppException as NoAppException
from .discovery import find_app_by_string as find_app_by_string
from .discovery import find_best_app as find_best_app
from .discovery import locate_app as locate_app
from .discovery import prepare_import as prepare_import
from .dotenv import load_dotenv as load_dotenv
from .groups import AppGroup as AppGroup
from .groups import FlaskGroup as FlaskGroup
from .hooks import hooks_command as hooks_command
from .openapi import openapi_command as openapi_command
from .options import CertParamType as CertParamType
from .options import SeparatedPathType as SeparatedPathType
from .options import get_version as get_version
from .options import version_option as version_option
from .script import F as F
from .script import ScriptInfo as ScriptInfo
from .script import pass_script_info as pass_script_info
from .script import with_appcontext as with_appcontext
from .serving import run_command as run_command
from .serving import serve_command as serve_command
from .serving import show_server_banner as show_server_banner
from .tool import tool_command as tool_command
from .worker import worker_command as worker_command

cli = FlaskGroup(
    name="hipflask",
    help="""\
Serve, explore and look after a Flask app.

The app is the one that '--app' or the environment variable FLASK_APP names; otherwise the
one in 'wsgi.py' or 'app.py' in the current directory.
""",
)
cli.add_command(as_flask_command)


def main(prog_name: str | None = None) -> None:
    """Run the command line with the arguments of this process; ends the process.

    `prog_name` is the name shown in help and errors; by default the name the program was
    started under.
    """
    prog_name = prog_name or _started_as()
    if sys.argv[1:2] == ["as-flask"]:
        # Not through the group: this command stands for another program, to which neither
        # '.env' files nor the variables we set for our own commands belong.
        as_flask_command.main(sys.argv[2:], prog_name=f"{prog_name or 'hipflask'} as-flask")
    cli.main(prog_name=prog_name)


def _started_as() -> str | None:
    """The name of our script, or of the one we stand in for; None leaves it to Click."""
    if getattr(sys.modules["__main__"], "__package__", None) == "flask":
        return "flask"  # `as-flask flask`, which runs `python -m flask`
    script = Path(sys.argv[0]).stem
    return script if script in {"flask", "hipflask"} else None
