"""The application: who may call, and what is told of it."""

from __future__ import annotations

import os
from typing import Any

from hipflask import Flask
from hipflask.api import describe, problems
from hipflask.security import ApiKey, Identity, hash_key, hashed_keys

from .views import orders, products

# For everybody to try the demo with. A real shop stores what `hash_key` returns, not the keys.
CLERK_KEY = "demo-clerk-0000000000000"
MANAGER_KEY = "demo-manager-0000000000000"
KEYS = {
    hash_key(CLERK_KEY): Identity("ada", roles={"clerk"}),
    hash_key(MANAGER_KEY): Identity("grace", roles={"clerk", "manager"}),
}


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """Return the shop's application; `config` goes over its defaults."""
    app = Flask(__name__)
    app.config["DATABASE"] = os.environ.get("ORDERS_DATABASE")
    app.config.update(config or {})
    app.identities = [ApiKey(hashed_keys(KEYS))]
    app.register_blueprint(products)
    app.register_blueprint(orders)
    # A URL that leads nowhere is answered like an order that is not there.
    problems.everywhere(app)
    describe(
        app,
        title="Orders of a small shop",
        version="1.0.0",
        description="What is sold, who ordered it, and where each order stands.",
    )
    return app
