"""An app with Sentry, for `uvicorn sentry_app:app`; what Sentry would send is told at /events."""

from __future__ import annotations

from typing import Any

import flask
import sentry_sdk
from sentry_sdk.integrations.flask import FlaskIntegration

events: list[Any] = []
sentry_sdk.init(
    dsn="http://k@127.0.0.1:9/1",
    integrations=[FlaskIntegration()],
    auto_enabling_integrations=False,
    traces_sample_rate=1.0,
    before_send=lambda event, hint: events.append(event),
    before_send_transaction=lambda event, hint: events.append(event),
)
app = flask.Flask(__name__)


@app.get("/plain")
def plain() -> str:
    return flask.request.args["name"]


@app.get("/async")
async def awaited() -> str:
    return plain()


@app.post("/body")
def body() -> str:
    return str(len(flask.request.get_data()))


@app.get("/fail")
def fail() -> str:
    raise ZeroDivisionError("on purpose")


@app.get("/events")
def told() -> Any:
    return [event.get("transaction") for event in events]
