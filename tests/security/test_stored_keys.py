"""API keys in a file and in the store: made, used, rotated, taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from hipflask import Flask
from hipflask.cli import cli
from hipflask.database import open_database
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, KeyRing, authenticated, current_identity, stored_keys
from hipflask.security.storedkeys import DAY_S

START = 1_790_000_000


class Now:
    def __init__(self):
        self.seconds = float(START)

    def __call__(self):
        return self.seconds


@pytest.fixture(params=["file", "store"])
def place(request, tmp_path):
    return tmp_path / "keys.json" if request.param == "file" else f"sqlite:///{tmp_path}/keys.db"


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("hipflask.security.storedkeys._FRESH_S", 0.0)


def make_client(check):
    app = Flask(__name__)
    app.identities = [ApiKey(check)]
    app.access = authenticated

    @app.get("/")
    async def index():
        identity = current_identity()
        return {**identity.claims, "name": identity.name, "roles": sorted(identity.roles)}

    return app.test_client()


def test_a_key_is_known_by_what_is_kept_of_it(place, at_once):
    ring = KeyRing(place)
    key, made = ring.new("billing", roles=["clerk", "clerk"], prefix="shop")
    assert key.startswith(made.id) and made.id.startswith("shop_") and len(made.id) == 11
    client = make_client(stored_keys(place))
    answer = client.get("/", headers={"X-API-Key": key})
    assert answer.json == {"key": made.id, "name": "billing", "roles": ["clerk"]}
    assert client.get("/", headers={"X-API-Key": key[:-1] + "x"}).status_code == 401
    if isinstance(place, str):
        text = json.dumps(open_database(place).shared.get("security:keys"))
    else:
        text = place.read_text()
        assert os.name != "posix" or place.stat().st_mode & 0o777 == 0o600
    assert made.hash in text and key not in text


def test_two_keys_are_valid_while_one_takes_the_others_place(place, at_once):
    now = Now()
    ring = KeyRing(place, clock=now)
    old, _ = ring.new("billing", days=365)
    other, _ = ring.new("reports")
    client = make_client(stored_keys(place, clock=now))

    def status(key):
        return client.get("/", headers={"X-API-Key": key}).status_code

    assert status(old) == 200
    new, _ = ring.new("billing", retire_days=7)
    assert [status(old), status(new)] == [200, 200]
    now.seconds += 7 * DAY_S
    assert [status(old), status(new), status(other)] == [401, 200, 200]
    refused = client.get("/", headers={"X-API-Key": old}).headers["WWW-Authenticate"]
    assert 'error_description="The key has expired"' in refused
    assert [entry.state(now()) for entry in ring.entries()] == ["expired", "valid", "valid"]


def test_a_key_that_was_taken_back_is_refused_from_then_on(place, at_once):
    ring = KeyRing(place)
    key, made = ring.new("billing")
    client = make_client(stored_keys(place))
    assert client.get("/", headers={"X-API-Key": key}).status_code == 200
    assert ring.revoke(made.id).revoked
    assert ring.revoke(made.id).revoked == ring.entries()[0].revoked
    answer = client.get("/", headers={"X-API-Key": key})
    assert answer.status_code == 401 and "revoked" in answer.headers["WWW-Authenticate"]
    with pytest.raises(LookupError, match="'nobody'"):
        ring.revoke("nobody")


def test_the_day_of_the_last_use_is_kept(place, at_once):
    now = Now()
    ring = KeyRing(place, clock=now)
    key, made = ring.new("billing")
    check = stored_keys(place, clock=now)
    assert ring.used() == {}
    check(key)
    check(key)
    assert ring.used() == {made.id: START // DAY_S}
    now.seconds += DAY_S
    stored_keys(place, clock=now)(key)
    assert ring.used() == {made.id: START // DAY_S + 1}


def test_what_cannot_be_written_stops_nobody(tmp_path, at_once, monkeypatch, caplog):
    ring = KeyRing(tmp_path / "keys.json")
    key, _ = ring.new("billing")

    def refuse(path, data):
        raise PermissionError("read-only")

    monkeypatch.setattr("hipflask.security.keyplaces._replace", refuse)
    assert stored_keys(tmp_path / "keys.json")(key).name == "billing"
    assert "read-only" in caplog.text


def test_a_file_that_cannot_be_read_any_more_leaves_what_is_known(tmp_path, at_once, caplog):
    path = tmp_path / "keys.json"
    key, _ = KeyRing(path).new("billing")
    check = stored_keys(path)
    assert check(key).name == "billing"
    path.write_text("{")
    assert check(key).name == "billing"
    assert "holds no API keys" in caplog.text
    path.unlink()
    assert check(key).name == "billing"


def test_a_file_is_read_again_only_when_it_changed(tmp_path, at_once, monkeypatch):
    path = tmp_path / "keys.json"
    ring = KeyRing(path)
    key, _ = ring.new("billing")
    check = stored_keys(path)
    read = []
    monkeypatch.setattr(
        "hipflask.security.keyplaces._parse", lambda *given: read.append(given) or ()
    )
    assert check(key) is not None and check(key) is not None and read == []


@pytest.mark.parametrize(
    "text", ["", "[]", '{"keys": {}}', '{"keys": [{"id": 1}]}', '{"keys": [[]]}']
)
def test_files_that_hold_something_else(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(SetupError, match=r"keys\.json"):
        stored_keys(path)
    with pytest.raises(SetupError, match=r"keys\.json"):
        KeyRing(path).new("billing")
    assert path.read_text() == text


def test_files_that_are_not_there_or_anybodys(tmp_path):
    path = tmp_path / "keys.json"
    with pytest.raises(SetupError, match="hipflask keys new NAME --in"):
        stored_keys(path)
    KeyRing(path).new("billing")
    if os.name == "posix":
        path.chmod(0o666)
        with pytest.raises(SetupError, match="chmod 600"):
            stored_keys(path)


def test_places_that_no_file_can_be_at(tmp_path):
    with pytest.raises(SetupError, match="cannot be read: Is a directory"):
        stored_keys(tmp_path)
    with pytest.raises(SetupError, match="cannot be written: No such file or directory"):
        KeyRing(tmp_path / "none" / "keys.json").new("billing")


def test_names_and_prefixes_that_cannot_be(tmp_path):
    ring = KeyRing(tmp_path / "keys.json")
    for name in ("", "a\nb", "x" * 256):
        with pytest.raises(ValueError, match="no name"):
            ring.new(name)
    with pytest.raises(ValueError, match="prefix"):
        ring.new("billing", prefix="a b")
    assert not (tmp_path / "keys.json").exists()


def test_commands_at_the_same_time_lose_no_key(place):
    KeyRing(place).new("first")
    made = []

    def make(number):
        made.append(KeyRing(place).new(f"name{number}")[1].id)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 8
    assert {entry.id for entry in KeyRing(place).entries()} >= set(made)


def test_a_lock_that_was_left_behind_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr("hipflask.security.keyplaces._LOCK_S", 0.0)
    (tmp_path / "keys.json.lock").touch()
    with pytest.raises(SetupError, match="remove it"):
        KeyRing(tmp_path / "keys.json").new("billing")


# --- the command ----------------------------------------------------------------------------------


def run(*words, **env):
    return CliRunner().invoke(cli, ["keys", *words], env=env)


def test_the_command_makes_lists_and_takes_back(tmp_path):
    path = str(tmp_path / "keys.json")
    made = run("new", "billing", "--role", "clerk", "--prefix", "shop", "--in", path)
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert key.startswith("shop_") and key not in made.stderr
    stored_keys(path)(key)
    second = run("new", "billing", "--retire-days", "7", "--days", "0", HIPFLASK_KEYS=path)
    assert second.exit_code == 0 and "it ends never" in second.stderr
    listed = run("list", "--in", path)
    lines = listed.stdout.splitlines()
    assert lines[0].split() == ["id", "name", "roles", "state", "made", "ends", "last", "used"]
    assert len(lines) == 3 and key not in listed.stdout
    rows = json.loads(run("list", "--json", "--in", path).stdout)
    assert [row["state"] for row in rows] == ["valid", "valid"]
    assert rows[0]["roles"] == ["clerk"] and rows[0]["used"] and not rows[1]["used"]
    assert 0 <= rows[0]["expires"] - 7 * DAY_S - rows[0]["created"] < DAY_S
    assert rows[1]["expires"] == 0
    assert run("revoke", rows[0]["id"], "--in", path).exit_code == 0
    assert json.loads(run("list", "--json", "--in", path).stdout)[0]["state"] == "revoked"


def test_what_the_command_cannot_do_is_a_line(tmp_path):
    path = str(tmp_path / "keys.json")
    far = ["new", "x", "--days", "1e300"]
    for words in (["list"], ["revoke", "x"], ["new", ""], far, ["new", "x", "--days", "nan"]):
        failed = run(*words, "--in", path)
        assert failed.exit_code == 2
        assert len(failed.stderr.splitlines()) == 1 and "Traceback" not in failed.output
    assert "Is a directory" in run("list", "--in", str(tmp_path)).stderr


def test_the_command_needs_no_app(tmp_path):
    words = [sys.executable, "-m", "hipflask", "keys", "new", "billing"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "keys.json").exists()
