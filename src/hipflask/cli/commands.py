"""The commands that look at an app without serving it: `shell` and `routes`; `as-flask`."""

from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import click
from werkzeug.routing import Rule

from hipflask.globals import current_app

from .script import with_appcontext

IMPLIED_METHODS = frozenset({"HEAD", "OPTIONS"})


@click.command("shell", short_help="Open a Python shell with the app at hand.")
@with_appcontext
def shell_command() -> None:
    """Open an interactive Python shell inside the app's context.

    At hand are 'app', 'g' and whatever the app's shell context processors add. The file
    that PYTHONSTARTUP names is run first, and Tab completes names, as in plain Python.
    """
    import code  # only here

    names: dict[str, t.Any] = {}
    _run_startup_file(names)
    names.update(current_app.make_shell_context())
    _enable_completion(names)
    code.interact(
        local=names,
        banner=(
            f"Python {sys.version} on {sys.platform}\n"
            f"App: {current_app.import_name}\n"
            f"Instance: {current_app.instance_path}"
        ),
    )


def _run_startup_file(names: dict[str, t.Any]) -> None:
    startup = os.environ.get("PYTHONSTARTUP")
    if startup and os.path.isfile(startup):
        source = Path(startup).read_bytes()
        exec(compile(source, startup, "exec"), names)  # noqa: S102  # the user's own file


def _enable_completion(names: dict[str, t.Any]) -> None:
    """Set up line editing as an interactive Python does, completing these names."""
    hook = getattr(sys, "__interactivehook__", None)
    if hook is None:  # python -I, or somebody's choice
        return
    try:
        import readline  # missing on Windows
        from rlcompleter import Completer
    except ImportError:
        pass
    else:
        readline.set_completer(Completer(names).complete)
    hook()


@click.command("routes", short_help="List the app's routes.")
@click.option(
    "-s",
    "--sort",
    type=click.Choice(["endpoint", "methods", "domain", "rule", "match"]),
    default="endpoint",
    show_default=True,
    help="The column to sort by; 'match' is the order in which a request tries the routes.",
)
@click.option("--all-methods", is_flag=True, help="Name HEAD and OPTIONS as well.")
@with_appcontext
def routes_command(sort: str, all_methods: bool) -> None:
    """List every route of the app: endpoint, methods, host or subdomain, and rule."""
    url_map = current_app.url_map
    host_matching = url_map.host_matching
    rows = [_describe(rule, host_matching, all_methods) for rule in url_map.iter_rules()]
    if not rows:
        click.echo("No routes were registered.")
        return
    if sort != "match":
        rows.sort(key=lambda row: row[sort])
    titles = {"endpoint": "Endpoint", "methods": "Methods", "rule": "Rule"}
    if any(row["domain"] for row in rows):
        domain = "Host" if host_matching else "Subdomain"
        titles = {"endpoint": "Endpoint", "methods": "Methods", "domain": domain, "rule": "Rule"}
    _print_table(titles, rows)


def _describe(rule: Rule, host_matching: bool, all_methods: bool) -> dict[str, str]:
    methods = set(rule.methods or ()) - (set() if all_methods else IMPLIED_METHODS)
    return {
        "endpoint": rule.endpoint,
        "methods": ", ".join(sorted(methods)),
        "domain": (rule.host if host_matching else rule.subdomain) or "",
        "rule": rule.rule,
    }


def _print_table(titles: dict[str, str], rows: list[dict[str, str]]) -> None:
    widths = {key: max(len(row[key]) for row in [titles, *rows]) for key in titles}
    rule_off = {key: "-" * width for key, width in widths.items()}
    for row in [titles, rule_off, *rows]:
        cells = (row[key].ljust(width) for key, width in widths.items())
        click.echo("  ".join(cells).rstrip())


@click.command(
    "as-flask",
    short_help="Run a Python command with 'import flask' answered by hipflask.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def as_flask_command(command: tuple[str, ...]) -> None:
    """Run any Python command with 'import flask' answered by hipflask.

    COMMAND is what you would type otherwise, with its own options: 'pytest -q',
    'python manage.py', 'gunicorn site:app', 'flask --app site run'. Child processes are
    included. No app is loaded, and no '.env' file is read, on its behalf.
    """
    from hipflask.as_flask import main  # only here

    # Set for our own commands; inherited, it would make a script's app.run() do nothing.
    os.environ.pop("FLASK_RUN_FROM_CLI", None)
    sys.exit(main(list(command)))
