"""The runner of commands for tests. Apart from `testing`, which most use without Click."""

from __future__ import annotations

import typing as t

from click.testing import CliRunner, Result

from .cli import ScriptInfo

if t.TYPE_CHECKING:
    from .app import Flask


class FlaskCliRunner(CliRunner):
    """Click's runner, for the commands of an application.

    `app.test_cli_runner().invoke(args=["import", "file.csv"]).output` is what it printed.
    """

    def __init__(self, app: Flask, **kwargs: t.Any) -> None:
        self.app = app
        super().__init__(**kwargs)

    def invoke(  # type: ignore[override]  # `cli` may be left out
        self, cli: t.Any = None, args: t.Any = None, **kwargs: t.Any
    ) -> Result:
        """Run a command and return its result; see Click's `CliRunner.invoke`.

        Without `cli` the whole group `app.cli` is run, and `args` begins with the command's
        name. Without `obj` the command finds this application.
        """
        if "obj" not in kwargs:
            kwargs["obj"] = ScriptInfo(create_app=lambda: self.app)
        return super().invoke(self.app.cli if cli is None else cli, args, **kwargs)
