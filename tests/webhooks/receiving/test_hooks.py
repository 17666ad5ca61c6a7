"""Declaring sources: what is refused, and how it is told."""

from __future__ import annotations

import inspect
import os
import sys

import pytest

from hipflask import Flask
from hipflask.database import Query
from hipflask.scaffold import SetupError
from hipflask.security import authenticated
from hipflask.webhooks import Hooks, hmac_scheme, sign

from ..senders import BODY, SENDERS


@pytest.fixture
def hooks(tmp_path):
    app = Flask(__name__)
    app.config["GITHUB"] = SENDERS["github"].secret
    made = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    yield made
    made.stop()


def declare(hooks, rule="/github", **options):
    return hooks.source(rule, **{"scheme": "github", "secrets": "GITHUB", **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scheme": "gihtub"}, "Did you mean 'github'"),
        ({"secrets": "s3cret"}, "number 1 is no such name"),
        ({"secrets": ()}, "nothing to check signatures with"),
        ({"name": "a b"}, "a name has up to 64"),
        ({"when_dead": "explode"}, "none of park, block, skip"),
        ({"max_body": 0}, "give a number of bytes"),
        ({"max_body": "1 MB"}, "give a number of bytes"),
        ({"ack": 302}, "only 2xx"),
        ({"answer_s": 0}, "more than 0 seconds"),
        ({"concurrency": 0}, "give 1 or more"),
        ({"rate": "20"}, "write 20/s"),
        ({"rate": "0/s"}, "write 20/s"),
        ({"rate": 20}, "write 20/s"),
        ({"accepts": "JSON!"}, "no media type"),
        ({"rule": "/hooks/<tenant>"}, "has a variable"),
        ({"key": "a..b"}, "no place in a delivery"),
    ],
)
def test_what_is_refused_tells_the_line(hooks, options, words):
    with pytest.raises(SetupError, match=words) as caught:
        declare(hooks, **options)
    text = str(caught.value)
    assert "s3cret" not in text
    assert "scheme" in options or f"{os.path.basename(__file__)}:" in text


def test_names_are_used_once(hooks):
    first = declare(hooks, "/hooks/github")
    assert first.name == "github"
    with pytest.raises(SetupError, match="Two sources are named 'github'") as caught:
        declare(hooks, "/other/github")
    assert str(caught.value).count(os.path.basename(__file__)) == 2
    declare(hooks, "/other/github", name="other")
    first.on()(named)
    with pytest.raises(SetupError, match="two handlers 'named'"):
        first.on()(named)
    first.on(name="again")(named)
    with pytest.raises(SetupError, match="names no type"):
        first.on("")


def named(event):
    pass


def test_a_missing_secret_is_told_before_the_first_request(hooks, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    declare(hooks, "/x", secrets="NOWHERE")
    with pytest.raises(SetupError, match=r"The source 'x' \(.*test_hooks.py:\d+\) needs the"):
        hooks.start()


def test_a_secret_that_is_none_is_told_with_its_source(hooks):
    declare(hooks, "/standard", scheme="standard", secrets="GITHUB")
    with pytest.raises(SetupError, match=r"The source 'standard'.*Secret 1 .*whsec_") as caught:
        hooks.start()
    assert SENDERS["github"].secret not in str(caught.value)


def test_urls_and_ids_from_the_settings(hooks):
    hooks.app.config["HOOK_URL"] = "https://example.com/square"
    declare(hooks, "/square", scheme="square", url="HOOK_URL")
    declare(hooks, "/square2", scheme="square", url="https://example.com/square2")
    hooks.start()
    declare(hooks, "/square3", scheme="square")
    with pytest.raises(SetupError, match="signs the URL"):
        hooks.start()


def test_hooks_before_the_application(tmp_path):
    hooks = Hooks(inbox=f"sqlite:///{tmp_path}/inbox.db", workers=0)

    @hooks.receive("/github", scheme="github", secrets="GITHUB")
    def handle(event):
        pass

    assert callable(handle) and hooks.sources["github"].handlers[0].function is handle
    app = Flask(__name__)
    app.config["GITHUB"] = SENDERS["github"].secret
    hooks.init_app(app)
    assert app.extensions["hipflask.webhooks"] is hooks
    headers = dict(sign("github", BODY, SENDERS["github"].secret))
    assert app.test_client().post("/github", data=BODY, headers=headers).status_code == 202
    assert len(hooks.inbox.find(Query(limit=10))) == 1
    with pytest.raises(SetupError, match="registered with"):
        hooks.init_app(app)
    hooks.stop()


def test_a_scheme_of_your_own_and_the_settings_database(tmp_path, monkeypatch):
    app = Flask(__name__)
    app.config["ACME"] = "a secret"
    app.config["HIPFLASK_DATABASE_URL"] = f"sqlite:///{tmp_path}/configured.db"
    hooks = Hooks(app, workers=0)
    acme = hmac_scheme("acme", header="X-Acme", prefix="v1=")
    hooks.source("/acme", scheme=acme, secrets="ACME", type="kind", id="number", ack=204)
    body = b'{"kind":"order.made","number":17}'
    answer = app.test_client().post("/acme", data=body, headers=dict(sign(acme, body, "a secret")))
    assert answer.status_code == 204
    (row,) = hooks.inbox.find(Query(limit=10))
    assert (row.event_id, row.event_type, row.is_id_signed) == ("17", "order.made", True)
    assert (tmp_path / "configured.db").exists()
    hooks.stop()


def test_the_routes_are_public_whatever_the_application_says(hooks):
    hooks.app.access = authenticated
    declare(hooks)
    headers = dict(sign("github", BODY, SENDERS["github"].secret))
    assert hooks.app.test_client().post("/github", data=BODY, headers=headers).status_code == 202


def test_flask_wtf_is_told_that_no_page_posts_here(hooks):
    exempt = []

    class Protection:
        def exempt(self, view):
            exempt.append(view)

    hooks.app.extensions["csrf"] = Protection()
    declare(hooks)
    hooks.start()
    view = hooks.app.view_functions["hooks.github"]
    assert exempt[0] == f"{view.__module__}.{view.__name__}" and inspect.iscoroutinefunction(view)


def test_policies_reach_the_store(hooks):
    declare(hooks, when_dead="skip", concurrency=3, rate="90/m")
    assert hooks.inbox.when_dead["github"] == "skip"
    source = hooks.sources["github"]
    assert (source.concurrency, source.rate_per_s, source.rate_per_minute) == (3, 1.5, 90)
    assert repr(source) == "<Source 'github' github /github>"


def test_only_checking_loads_no_store():
    import subprocess

    code = (
        "import sys, hipflask.webhooks as w; w.verify; assert 'sqlalchemy' not in sys.modules;"
        "assert 'hipflask.database' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names():
    import hipflask.webhooks

    with pytest.raises(AttributeError, match="no attribute 'Hook'"):
        hipflask.webhooks.Hook  # noqa: B018
