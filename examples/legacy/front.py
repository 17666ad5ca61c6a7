"""What stands before both services, and decides who answers."""

from __future__ import annotations

import re
from typing import Any

from hipflask import Flask
from hipflask.forward import Compare, Destination, Limits, Seen, add_reports, strangle
from hipflask.security import public


def create_app() -> Flask:
    """Needs LEGACY_URL and ORDERS_URL; HIPFLASK_DATABASE_URL names what processes share."""
    app = Flask(__name__)
    strangle(
        app,
        "/orders/<path:rest>",
        old=Destination("legacy", env="LEGACY_URL", timeout_s=5),
        new=Destination("orders", env="ORDERS_URL", timeout_s=5),
        by="x-account",
        override="TESTERS_SECRET",
        # The two never agree on these, and nobody reads them.
        compare=Compare(headers=("content-type",), ignore=("server",), clean=clean),
        limits=Limits(errors=0.05, differences=0.02, least=60),
        most=16,
    )
    # On a laptop; elsewhere roles("operator"), as reports show values out of answers.
    add_reports(app, access=public)
    return app


def clean(answer: Seen) -> Any:
    """What of an answer is compared: JSON as it is, a page without its comments."""
    if answer.is_json:
        return answer.json()
    return re.sub(rb"<!--.*?-->", b"", answer.body or b"")
