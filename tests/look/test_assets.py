"""The stylesheet and the script: how small they are, and how they are served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from hipflask import Blueprint, Flask
from hipflask.look import Look
from hipflask.look.assets import TYPES, read_asset
from hipflask.security import roles


@pytest.fixture
def look(tmp_path):
    return Look("pages", tmp_path)


@pytest.fixture
def app(look):
    app = Flask(__name__)
    blueprint = Blueprint("pages", __name__, url_prefix="/pages")
    blueprint.access = roles("somebody")
    look.add_to(blueprint)
    app.register_blueprint(blueprint)
    return app


@pytest.fixture
def client(app):
    return app.test_client()


def address(app, look, name):
    with app.test_request_context():
        return look.asset(name)


def test_they_are_small():
    assert len(read_asset("look.js").body) <= 3 * 1024
    assert len(read_asset("look.css").body) <= 20 * 1024
    assert sum(len(read_asset(name).packed) for name in TYPES) <= 8 * 1024


def test_the_script_makes_no_code_of_texts():
    text = read_asset("look.js").body.decode()
    assert not re.search(r"eval|innerHTML =|insertAdjacent|document\.write|new Function", text)


def test_the_sheet_asks_for_nothing_from_elsewhere():
    text = read_asset("look.css").body.decode()
    assert "url(" not in text and "@import" not in text


def test_everybody_gets_them_whatever_stance_the_pages_have(app, look, client):
    for name, mimetype in TYPES.items():
        answer = client.get(address(app, look, name))
        assert (answer.status_code, answer.mimetype) == (200, mimetype)
        assert answer.data == read_asset(name).body
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_at_its_own_address_a_file_is_kept_for_good(app, look, client):
    where = address(app, look, "look.css")
    assert re.fullmatch(r"/pages/static/look\.css\?v=[0-9a-f]{12}", where)
    assert "immutable" in client.get(where).headers["Cache-Control"]
    for other in ("/pages/static/look.css", f"{where}0"):
        assert client.get(other).headers["Cache-Control"] == "no-cache"


def test_who_takes_it_packed_gets_it_packed(app, look, client):
    where = address(app, look, "look.css")
    plain, packed = client.get(where), client.get(where, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    refused = client.get(where, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_who_has_it_is_told_so(app, look, client):
    where = address(app, look, "look.js")
    known = {"If-None-Match": client.get(where).headers["ETag"]}
    answer = client.get(where, headers=known)
    assert (answer.status_code, answer.data) == (304, b"")


def test_there_are_no_other_files(client):
    for name in ("other.css", "../pages.py", "look.css/"):
        assert client.get(f"/pages/static/{name}").status_code == 404
    with pytest.raises(FileNotFoundError, match="it has look.css, look.js"):
        read_asset("other.css")


def test_in_a_blueprint_within_another_they_are_found(tmp_path):
    app = Flask(__name__)
    look = Look("outer.inner", tmp_path)
    outer, inner = Blueprint("outer", __name__, url_prefix="/o"), Blueprint("inner", __name__)
    outer.access = roles("somebody")
    look.add_to(inner)
    outer.register_blueprint(inner, url_prefix="/i")
    app.register_blueprint(outer)
    where = address(app, look, "look.css")
    assert where.startswith("/o/i/static/look.css?v=")
    assert app.test_client().get(where).status_code == 200


def test_a_page_of_a_folder_of_ones_own_extends_the_layout(app, look, client, tmp_path):
    Path(tmp_path / "own.html").write_text(
        '{% extends "look/layout.html" %}{% block title %}Own{% endblock %}'
        "{% block brand %}Shop{% endblock %}{% block main %}<h1>{{ text }}</h1>{% endblock %}"
    )

    app.add_url_rule("/own", "own", lambda: look.page("own.html", 418, text="<b>"))
    answer = client.get("/own")
    assert answer.status_code == 418 and "<h1>&lt;b&gt;</h1>" in answer.text
    assert "<title>Own · Shop</title>" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy and answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_frames_and_forms_are_opened_by_name_only(tmp_path):
    look = Look("pages", tmp_path, has_script=False, frames="https://inner.example")
    headers = dict(look.headers("https://id.example"))
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors https://inner.example" in policy
    assert "form-action 'self' https://id.example;" in policy
    assert "X-Frame-Options" not in headers and "script-src" not in policy
