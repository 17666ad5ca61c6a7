"""An app that keeps webhooks in the store at `HOSTILE_STORE`, and has a session that expires."""

from __future__ import annotations

import os
from typing import Any

from hipflask import Flask, request, session
from hipflask.webhooks import Hooks

from .servers import SECRET

app = Flask(__name__)
app.config.update(ORDERS_SECRET=SECRET, SECRET_KEY="only for these batteries, and no secret")
hooks = Hooks(app, inbox=os.environ["HOSTILE_STORE"], workers=0)
# Told within three seconds: less than the client here waits.
hooks.source("/orders", scheme="standard", secrets="ORDERS_SECRET", answer_s=5)


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


@app.get("/plain")
def plain() -> str:
    return "ok"


@app.post("/take")
def take() -> str:
    return str(len(request.get_data()))


@app.get("/visits")
def visits() -> dict[str, Any]:
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}
