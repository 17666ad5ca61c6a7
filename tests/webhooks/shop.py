"""An application that receives webhooks, on a store of its own, for tests of what people see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hipflask import Flask
from hipflask.webhooks import Hooks, Permanent, sign

SECRET = "It's a Secret to Everybody"


class Shop:
    """The application, its hooks, and a client that delivers to it as GitHub does.

    Its handler does what the event says: "permanent" and "fails" fail, others post to the chat.
    """

    def __init__(self, folder: Path, inbox: str | None = None, **config: Any) -> None:
        self.app = app = Flask("shop", instance_path=str(folder))
        app.testing = True
        app.config.update(
            GITHUB_SECRET=SECRET, STRIPE_WHSEC="whsec_x", CHAT_URL="http://127.0.0.1:9", **config
        )
        self.hooks = hooks = Hooks(app, inbox=inbox or f"sqlite:///{folder}/inbox.db")
        self.github = hooks.source(
            "/github", scheme="github", secrets="GITHUB_SECRET", key="repository.id"
        )
        self.stripe = hooks.source("/stripe", scheme="stripe", secrets="STRIPE_WHSEC")
        self.chat = hooks.destination("chat", env="CHAT_URL")
        self.handled: list[Any] = []

        @self.github.on("push", name="tell")
        def tell(event: Any) -> None:
            self.handled.append(event)
            if event.get("do") == "permanent":
                raise Permanent("no such thing\nsecond line \x1b[31m")
            if event.get("do") == "fails":
                raise RuntimeError("not now")
            self.chat.post("/room", {"text": event.get("text", "")})

        self.client = app.test_client()

    def deliver(self, id: str = "one", event: str = "push", **body: Any) -> int:
        """Deliver an event; returns the status of the answer."""
        # Known bytes under another id would be a conflict.
        data = json.dumps({"delivery": id, **body}).encode()
        headers = [*sign("github", data, SECRET, id=id), ("X-GitHub-Event", event)]
        return int(self.client.post("/github", data=data, headers=headers).status_code)

    def rows(self, queue: str = "inbox") -> list[Any]:
        """Everything stored, the oldest first."""
        from hipflask.database import Query

        found: list[Any] = getattr(self.hooks, queue).find(Query(limit=1000))
        return found[::-1]

    def states(self, queue: str = "inbox") -> list[str]:
        """The states of all rows, the oldest first."""
        return [str(row.state) for row in self.rows(queue)]

    def close(self) -> None:
        """Close the store."""
        self.hooks.stop()
