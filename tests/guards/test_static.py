"""Static files: no spelling of a path leads out of the folder, and no folder is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.exceptions import NotFound

from hipflask import Flask
from hipflask.guards import protect

DOORS = ("wsgi", "asgi", "rsgi")
SECRET = "the secret of the folder above"
OUT = """
../secret.txt ..%2fsecret.txt %2e%2e/secret.txt %2e%2e%2fsecret.txt ..%252fsecret.txt
%252e%252e%252fsecret.txt ....//secret.txt ..././secret.txt ./../secret.txt sub/../../secret.txt
sub/%2e%2e/%2e%2e/secret.txt sub/..%2f..%2fsecret.txt ..\\secret.txt ..%5csecret.txt
sub\\..\\..\\secret.txt %5c..%5csecret.txt ..%c0%afsecret.txt %c0%ae%c0%ae/secret.txt
..%e0%80%afsecret.txt %uff0e%uff0e/secret.txt ..%00/secret.txt a.txt%00/../../secret.txt
secret.txt%00 %00secret.txt ..%0a/secret.txt ..;/secret.txt ..%3b/secret.txt ;/../secret.txt
/secret.txt //secret.txt %2fsecret.txt %2f..%2fsecret.txt /../secret.txt //../secret.txt
.../secret.txt ..../secret.txt ~/secret.txt file:secret.txt file:///secret.txt C:secret.txt
C:\\secret.txt C:/secret.txt \\\\host\\secret.txt CON NUL aux.txt com1 lpt1.txt a.txt::$DATA
a.txt. a.txt%20 sub/ sub . ./ .. ../ %2e %2e%2e %2e%2e%2f
""".split()


def make_app(tmp_path, guarded):
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("public")
    (folder / "sub" / "b.txt").write_text("public too")
    (tmp_path / "secret.txt").write_text(SECRET)
    app = Flask(__name__, static_folder=str(folder), static_url_path="/files")
    if guarded:
        protect(app)
    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("guarded", [False, True])
def test_no_spelling_leads_out(tmp_path, door, guarded):
    client = make_app(tmp_path, guarded).test_client(door=door)
    assert client.get("/files/a.txt", buffered=True).text == "public"
    assert client.get("/files/sub/b.txt", buffered=True).text == "public too"
    for spelling in OUT:
        answer = client.get(f"/files/{spelling}", buffered=True)
        assert answer.status_code in (301, 308, 400, 404), (spelling, answer.status_code)
        assert SECRET not in answer.text and "public" not in answer.text, spelling
        assert "b.txt" not in answer.text, f"{spelling} lists the folder"
        assert not answer.headers.get("Location", "/").startswith("//"), spelling


HIDDEN = (".env", ".git/config", "sub/.htpasswd", "sub/.git/HEAD", ".well-known/.env", ".x/a.txt")
SHOWN = (".well-known/security.txt", "sub/b.txt", "a.b.txt", "sub.d/b.txt")


@pytest.mark.parametrize("door", DOORS)
def test_hidden_files_are_not_served(tmp_path, door):
    app = make_app(tmp_path, True)
    folder = tmp_path / "public"
    for name in (*HIDDEN, *SHOWN):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text of " + name)
    client = app.test_client(door=door)
    for name in HIDDEN:
        answer = client.get(f"/files/{name}", buffered=True)
        assert (answer.status_code, "text of" in answer.text) == (404, False), name
    for name in SHOWN:
        assert client.get(f"/files/{name}", buffered=True).text == "text of " + name
    app.config["STATIC_DOTFILES"] = True  # as in Flask
    assert client.get("/files/.env", buffered=True).text == "text of .env"


def test_a_path_object_names_a_static_file(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / ".hidden").write_text("b")
    app = Flask(__name__, static_folder=str(tmp_path))
    with app.test_request_context():
        response = app.send_static_file(Path("a.txt"))
        assert response.status_code == 200
        response.close()
        with pytest.raises(NotFound):
            app.send_static_file(Path(".hidden"))
