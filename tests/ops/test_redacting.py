"""Secrets, by their names, and out of any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.ops.environs import EnvironHead
from hipflask.ops.redacting import MASK, Redactor, shown_fields

redactor = Redactor(["X-Badge"])


def test_names_of_secrets_in_any_spelling() -> None:
    for name in ("Authorization", "PROXY-AUTHORIZATION", "Set-Cookie", "api_key", "X-Api-Key",
                 "Stripe-Signature", "x-badge", "user_password", "csrfToken"):  # fmt: skip
        assert redactor.is_secret(name), name
    for name in ("Accept", "Host", "page", "monkey", "X-Request-ID"):
        assert not redactor.is_secret(name), name


def test_a_query_keeps_names_and_what_is_no_secret() -> None:
    assert redactor.query("a=1&token=abc&b&password=") == f"a=1&token={MASK}&b&password={MASK}"
    assert redactor.query("%74oken=abc") == f"%74oken={MASK}"


def test_text_loses_credentials_that_are_written_out_by_name() -> None:
    for text in (
        "Authorization: Bearer hunter2hunter2",
        'headers {"Authorization": "hunter2hunter2"}',
        "POST /x?token=hunter2hunter2&a=1",
        "password='hunter2hunter2'",
        "used Basic hunter2hunter2==",
        "X-Badge=hunter2hunter2",
    ):
        assert "hunter2hunter2" not in redactor.text(text), text
    assert redactor.text("the status code: 404, page=2") == "the status code: 404, page=2"


def test_what_a_request_brought_is_found_wherever_it_turns_up() -> None:
    app = Flask("redacting")
    headers = {
        "Authorization": "Bearer s1secret",
        "Cookie": "session=s2secret; theme=s3secret",
        "X-Hub-Signature-256": "sha256=s4secret",
        "Accept": "text/html",
    }
    with app.test_request_context("/?api_key=s5%20secret&page=7", headers=headers) as ctx:
        head = EnvironHead()
        head.environ = ctx.request.environ
        secrets = redactor.of_request(head)
        shown = redactor.text(f"{secrets} {dict(ctx.request.headers)}", secrets)
        for secret in ("s1secret", "s2secret", "s3secret", "s4secret", "s5 secret", "s5%20secret"):
            assert secret in secrets
            assert secret not in shown
        assert "text/html" in shown
        assert set(shown_fields(head)) - {"user-agent"} == {"host", "accept"}


def test_no_secret_is_cut_in_two() -> None:
    text = "x" * 10 + "hunter2hunter2" + "y" * 10
    for most in (*range(1, 30), *range(-30, 0)):
        assert "hun" not in redactor.text(text, ["hunter2hunter2"], most)
        assert "er2" not in redactor.text(text, ["hunter2hunter2"], most)


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(redactor.text(text), str)
    assert isinstance(redactor.query(text), str)
