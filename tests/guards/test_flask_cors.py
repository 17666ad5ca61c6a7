"""Flask-Cors beside the guards, and beside `cors` of ours."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

SHOP = "https://shop.example"
# In a process of its own, where `import flask` is answered by hipflask.
PROGRAM = """
import hipflask.as_flask, json, sys
from flask import Blueprint, Flask
from flask_cors import CORS
from hipflask.guards import cors, protect

SHOP = "https://shop.example"
app = Flask(__name__)
app.config["TRUSTED_ORIGINS"] = [SHOP] if "trusted" in sys.argv else []
CORS(app, resources={r"/theirs/*": {"origins": [SHOP]}}, supports_credentials=True)
ours = Blueprint("ours", __name__, url_prefix="/ours")
cors(ours, origins=[SHOP], credentials=True)
app.add_url_rule("/theirs/item", "theirs", lambda: "theirs", methods=["GET", "PUT"])
ours.add_url_rule("/item", "item", lambda: "ours", methods=["GET", "PUT"])
app.register_blueprint(ours)
protect(app)
found = {}
for door in ("wsgi", "asgi", "rsgi"):
    client = app.test_client(door=door)
    for path in ("/theirs/item", "/ours/item"):
        for origin in (SHOP, "https://evil.example"):
            for method in ("GET", "PUT", "OPTIONS"):
                fields = {"Origin": origin}
                if method == "OPTIONS":
                    fields["Access-Control-Request-Method"] = "PUT"
                answer = client.open(path, method=method, headers=fields)
                told = [v for n, v in answer.headers if n.lower() == "access-control-allow-origin"]
                found[f"{door} {method} {path} {origin}"] = (
                    answer.status_code, told, answer.headers.get("X-Content-Type-Options"))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers():
    if importlib.util.find_spec("flask_cors") is None:
        pytest.skip("needs Flask-Cors")
    found = {}
    for word in ("trusted", "not"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found[word] = {tuple(k.split()): v for k, v in json.loads(done.stdout).items()}
        assert len(found[word]) == 36
    return found


def test_each_answers_for_its_own_routes_and_says_it_once(answers):
    for (_, method, path, origin), (status, told, sniffing) in answers["trusted"].items():
        case = method, path, origin
        assert sniffing == "nosniff", case
        assert told == ([SHOP] if origin == SHOP else []), case
        if origin == SHOP:
            assert status in (200, 204), case


def test_another_origin_writes_by_neither(answers):
    for found in answers.values():
        for (_, method, path, origin), (status, _, _) in found.items():
            if method == "PUT" and origin != SHOP:
                assert status == 403, path


def test_who_may_write_by_flask_cors_is_named_in_trusted_origins_too(answers):
    for (_, method, path, origin), (status, _, _) in answers["not"].items():
        if method == "PUT" and origin == SHOP:
            assert status == (200 if path.startswith("/ours") else 403), path
