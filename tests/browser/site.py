"""What is looked at: both examples and the console of webhooks, in one application."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from examples.document_workflow.app import add_books
from examples.document_workflow.store import Archive
from examples.ops_desk.app import add_desk
from examples.ops_desk.store import Desk
from hipflask import Flask, Response
from hipflask.guards import takes_any_origin
from hipflask.security import Identity, add_login, hash_password, hashed_passwords, public, roles
from hipflask.tools.actions import Run
from hipflask.webhooks import Hooks, Permanent, sign

SECRET = "It's a Secret to Everybody"
PEOPLE = {
    "sue": {"support", "clerk"},
    "lea": {"support", "lead", "clerk", "controller", "operator"},
}
#: An action that takes its time, so that its run can be watched: steps, and seconds for each.
STEPS, STEP_S = 20, 1.0


def create_app() -> Flask:
    """Make it, its data in the folder BROWSER_FOLDER; BROWSER_FAULT leaves a door open."""
    folder = Path(os.environ["BROWSER_FOLDER"])
    app = Flask(__name__, instance_path=str(folder))
    app.config.update(
        SECRET_KEY="of a browser's tests, of some length",
        HIPFLASK_DATABASE_URL=f"sqlite:///{folder / 'runs.db'}",
        GITHUB_SECRET=SECRET,
    )
    known = {
        name: (hash_password("right"), Identity(name, roles=roles))
        for name, roles in PEOPLE.items()
    }
    add_login(app, hashed_passwords(known), after="/ops/")
    ops = add_desk(app, Desk(f"sqlite:///{folder / 'desk.db'}"))
    add_books(app, Archive(f"sqlite:///{folder / 'documents.db'}"))

    @ops.action(roles="support")
    def count(run: Run, name: str = "nobody") -> None:
        """Count slowly, so that somebody can watch."""
        for number in range(1, STEPS + 1):
            run.do(f"count to {number} for {name}", time.sleep, STEP_S)

    hooks = Hooks(app, inbox=f"sqlite:///{folder / 'inbox.db'}")
    github = hooks.source("/github", scheme="github", secrets="GITHUB_SECRET")

    @github.on("push", name="tell")
    def tell(event: Any) -> None:
        if event.get("fails"):
            raise Permanent("nobody is there")

    hooks.console(access=roles("operator"))
    if os.environ.get("BROWSER_FAULT"):
        door = takes_any_origin(lambda: Response("", 303))
        app.add_url_rule("/ops/open-door", "door", door, methods=["POST"], access=public)
    return app


def delivery(number: int) -> tuple[bytes, list[tuple[str, str]]]:
    """A webhook's body and header fields, as a sender would send it."""
    data = json.dumps({"number": number, "fails": number % 2}).encode()
    return data, [*sign("github", data, SECRET, id=f"id{number}"), ("X-GitHub-Event", "push")]
