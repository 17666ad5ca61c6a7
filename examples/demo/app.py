"""The factory: configuration, blueprints and what holds for every answer."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from hipflask import Flask
from hipflask.guards import protect

from . import api, errors, pages

# Nothing inline, no script, nothing from elsewhere, in nobody's frame.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the demo. `config` wins over the environment; without a key a random one is used."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
    app.config["CONTENT_SECURITY_POLICY"] = POLICY
    app.config.update(config or {})
    protect(app)
    app.register_blueprint(pages.bp)
    app.register_blueprint(api.bp)
    errors.init_app(app)
    app.context_processor(lambda: {"version": version("hipflask")})
    return app
