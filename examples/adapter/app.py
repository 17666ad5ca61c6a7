"""The adapter: GitHub's and Stripe's events come in, notices of one form go out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hipflask import Flask
from hipflask.security import Basic, Identity, hash_key, hashed_keys, roles
from hipflask.webhooks import Delivery, Hooks, Received

from .shapes import InvoiceEvent, IssueChanged, Push

# For everybody to try the demo with. A real adapter has its secrets in the environment alone.
SECRETS = {
    "GITHUB_SECRET": "demo-github-secret",
    "STRIPE_WHSEC": "whsec_demo_stripe_secret",
    "NOTICES_SECRET": "whsec_" + "ZGVtbyBzZWNyZXQgb2YgYWRhcHRlciBhbmQgYm9hcmQ=",
    "NOTICES_URL": "http://127.0.0.1:8003",
}

OPERATOR_KEY = "demo-operator-000000000000"
OPERATORS = hashed_keys({hash_key(OPERATOR_KEY): Identity("operator", roles={"operator"})})


def operator(name: str, password: str) -> Identity | None:
    """Who looks into the console, under any name: a browser asks for the key as a password."""
    return OPERATORS(password)


def kind_of(delivery: Delivery) -> str | None:
    """What GitHub calls the event; a push that was sent by hand is known by what it holds."""
    for value in delivery.values("x-github-event"):
        return value.decode("latin-1")
    return "push" if b'"commits"' in delivery.body else None


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the adapter; `config` goes over its defaults, and over the environment."""
    app = Flask(__name__)
    for name, value in SECRETS.items():
        app.config[name] = os.environ.get(name, value)
    app.config["ADAPTER_INBOX"] = os.environ.get("ADAPTER_INBOX")
    app.config.update(config or {})
    app.identities = [Basic(operator, realm="adapter")]
    hooks = Hooks(app, inbox=app.config.get("ADAPTER_INBOX"))
    hooks.console(access=roles("operator"))

    board = hooks.destination(
        "board",
        env="NOTICES_URL",
        timeout_s=5,
        retries="1s..24h",
        sign="standard",
        secrets="NOTICES_SECRET",
    )

    github = hooks.source(
        "/github",
        scheme="github",
        secrets="GITHUB_SECRET",
        key="repository.full_name",
        type=kind_of,
    )

    def is_default_branch(event: Push) -> bool:
        return event.ref == f"refs/heads/{event.repository.default_branch}" and not event.deleted

    @github.on("push", when=is_default_branch)
    def pushed(event: Push, delivery: Received) -> None:
        board.post("/notices", event.notice(delivery.id))

    @github.on("issues")
    def issue_changed(event: IssueChanged, delivery: Received) -> None:
        board.post("/notices", event.notice(delivery.id))

    stripe = hooks.source(
        "/stripe", scheme="stripe", secrets="STRIPE_WHSEC", key="data.object.customer"
    )

    @stripe.on("invoice.paid", "invoice.payment_failed")
    def invoiced(event: InvoiceEvent) -> None:
        board.post("/notices", event.notice())

    return app
