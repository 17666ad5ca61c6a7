"""The factory: who logs in, which tables there are for whom, and what is drawn."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from hipflask import Flask, redirect
from hipflask.security import Identity, add_login, hash_password, hashed_passwords, public
from hipflask.tools import Tool

from .actions import add_actions
from .store import Archive, documents, postings, suppliers

#: Name, password and roles of each. For a machine of one's own: they stand in the open.
PEOPLE = {
    "cleo": ("clerk", {"clerk"}),
    "carl": ("clerk", {"clerk"}),
    "cora": ("controller", {"clerk", "controller"}),
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make it; ARCHIVE_URL is its database, HIPFLASK_DATABASE_URL that of runs and audit."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
    app.config["ARCHIVE_URL"] = os.environ.get("ARCHIVE_URL", "sqlite:///documents.db")
    app.config.update(config or {})
    archive = Archive(app.config["ARCHIVE_URL"])
    known = {
        name: (hash_password(password), Identity(name, roles=roles))
        for name, (password, roles) in PEOPLE.items()
    }
    add_login(app, hashed_passwords(known), after="/books/")
    add_books(app, archive)
    app.add_url_rule("/", "index", lambda: redirect("/books/"), access=public)
    return app


def add_books(app: Flask, archive: Archive) -> Tool:
    """The tool itself."""
    books = Tool(app, "books", title="Documents", data=lambda: archive.engine, audit="controller")
    shown = books.table(
        documents,
        search=["supplier", "number", "file"],
        filters=["state", "issued"],
        columns=["id", "supplier", "number", "issued", "total", "state", "flaws"],
        hide=["digest"],
        sort="came_at.desc",
        views={
            "To be looked at": "state.is=held",
            "To be posted": "state.is=checked&sort=issued.asc",
        },
        read="clerk",
        edit="clerk",
        export="controller",
        editable=["supplier", "number", "issued", "net", "tax", "total"],
    )
    books.table(
        postings,
        filters=["account", "posted_at"],
        sort="id.desc",
        read="clerk",
        export="controller",
    )
    books.table(suppliers, search=["name"], read="clerk", create="controller", edit="controller")

    @books.chart(read="clerk", name="State", unit="Documents")
    def documents_by_state() -> list[tuple[str, int]]:
        """All that have come."""
        return archive.by_state()

    add_actions(books, shown, archive)
    app.extensions["archive"] = archive
    return books
