"""The application that the servers of these tests serve: a source for each sender."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

from hipflask import Flask, request
from hipflask.ops import metrics
from hipflask.webhooks import Hooks
from tests.webhooks.senders import SENDERS

ROTATED = [f"whsec_{b64encode(text * 24).decode()}" for text in (b"n", b"o")]

app = Flask(__name__)
hooks = Hooks(app, workers=0, most_waiting=int(os.environ.get("MOST_WAITING", "1000")))


def setting(name: str) -> str:
    return name.upper().replace("-", "_")


SENDERS["paypal"].secret = os.environ.get("PAYPAL_CERTIFICATE", SENDERS["paypal"].secret)
for name, sender in SENDERS.items():
    app.config[setting(name)] = [sender.secret]
    options = dict(sender.options)
    if "url" in options:
        options["url"] = options["url"].partition("?")[0]
    hooks.source(
        f"/{name}",
        scheme=sender.scheme or name,
        secrets=setting(name),
        # The senders sign for a moment in the past; how old they may be is tested elsewhere.
        tolerance_s=None,
        **options,
    )

# The new secret, then the old one, as while one replaces the other; `FILE` can change them.
app.config["ROTATED"] = ",".join(ROTATED)
if "ROTATED_FILE" in os.environ:
    app.config["ROTATED"] = Path(os.environ["ROTATED_FILE"]).read_text()
hooks.source("/rotated", scheme="standard", secrets="ROTATED")
hooks.source("/small", scheme="github", secrets="GITHUB", max_body=1000, key="repository.id")
hooks.source("/json", scheme="github", secrets="GITHUB", accepts="json")
hooks.source("/gone", scheme="github", secrets="GITHUB", retired=True)
hooks.source("/events", scheme="cloudevents", secrets="CLOUDEVENTS", origins=["events.example.com"])


@app.before_request
def reader():
    """A hook that reads the body first, where the request asks for it."""
    how = request.args.get("read")
    if how == "form":
        request.form.get("a")
    elif how == "data":
        request.get_data()
    elif how == "stream":
        request.stream.read()


@app.get("/figures")
def figures():
    return [
        [one.name, [value for _, value in one.labels], one.value]
        for _, found in metrics.collect()
        for one in found
    ]


@app.get("/pid")
def pid():
    return json.dumps(os.getpid())
