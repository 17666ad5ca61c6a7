"""Values that pass through: the same JSON bytes, and sessions that either side can read."""

from __future__ import annotations

import datetime
import decimal
import uuid
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from . import apps_state
from .catalog import SUBJECTS
from .effort import effort
from .harness import compare, load_differences, open_side

TEXTS = st.text(max_size=8)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
TAGGED = st.one_of(
    PLAIN,
    st.binary(max_size=8),
    st.uuids(),
    TEXTS.map(Markup),
    st.datetimes(
        min_value=datetime.datetime(1000, 1, 1),
        max_value=datetime.datetime(9000, 1, 1),
        timezones=st.just(datetime.UTC),
    ).map(lambda moment: moment.replace(microsecond=0)),
)
KEYS = st.one_of(TEXTS, st.sampled_from((" t", " b", " di", " u", " m", " d", " t__", "__ t")))
SESSIONS = st.dictionaries(
    KEYS,
    st.recursive(
        TAGGED,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(KEYS, inner, max_size=3),
        ),
        max_leaves=8,
    ),
    max_size=3,
)
JSON_LEAVES = st.one_of(
    PLAIN,
    st.floats(),
    st.uuids(),
    TEXTS.map(Markup),
    st.decimals(allow_nan=False, places=3),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.timezone(datetime.timedelta(hours=-3)))),
    st.just(object()),
    st.binary(max_size=3),
)
JSON_KEYS = st.one_of(TEXTS, st.integers(), st.none(), st.booleans(), st.floats(allow_nan=False))
JSON_VALUES = st.recursive(
    JSON_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(TEXTS, inner, max_size=3),
        st.dictionaries(JSON_KEYS, inner, max_size=2),
    ),
    max_leaves=8,
)


def signing_app(fl: ModuleType, key: str = "key", **config: Any) -> Any:
    app = fl.Flask("contract_signing", static_folder=None)
    app.secret_key = key
    app.config.update(config)
    return app


def serializer_of(app: Any) -> Any:
    return app.session_interface.get_signing_serializer(app)


def test_any_session_reads_the_same_on_both_sides(real: ModuleType, hip: ModuleType) -> None:
    theirs, ours = serializer_of(signing_app(real)), serializer_of(signing_app(hip))

    @effort(300)
    @given(SESSIONS)
    def travel(session: dict[str, Any]) -> None:
        cookies = theirs.dumps(session), ours.dumps(session)
        payloads = [cookie.rsplit(".", 2)[0] for cookie in cookies]
        assert payloads[0] == payloads[1]
        for cookie in cookies:
            assert theirs.loads(cookie) == ours.loads(cookie) == session
            assert repr(theirs.loads(cookie)) == repr(ours.loads(cookie))

    travel()


def test_any_session_survives_a_request_on_the_other_side(
    real: ModuleType, hip: ModuleType
) -> None:
    sides = signing_app(real), signing_app(hip)
    held: dict[str, Any] = {}

    for fl, app in zip((real, hip), sides, strict=True):

        def put(fl: ModuleType = fl) -> str:
            fl.session.update(held)
            return "put"

        app.add_url_rule("/put", "put", put)
        app.add_url_rule("/show", "show", lambda fl=fl: repr(dict(fl.session)))

    @effort(100)
    @given(SESSIONS)
    def travel(session: dict[str, Any]) -> None:
        held.clear()
        held.update(session)
        for writer in sides:
            reply = writer.test_client().get("/put")
            cookie = reply.headers.get("Set-Cookie", "session=").split(";")[0]
            shown = [
                app.test_client(use_cookies=False).get("/show", headers={"Cookie": cookie}).text
                for app in sides
            ]
            assert shown[0] == shown[1]
            assert (shown[0] == "{}") == (session == {})

    travel()


@pytest.mark.parametrize("signer", ["current", "older", "oldest", "unknown"])
def test_rotated_keys_are_accepted_alike(real: ModuleType, hip: ModuleType, signer: str) -> None:
    fallbacks = {"SECRET_KEY_FALLBACKS": ["older", "oldest"]}
    for writing, reading in ((real, hip), (hip, real)):
        cookie = serializer_of(signing_app(writing, signer)).dumps({"n": 1})
        reader = signing_app(reading, "current", **fallbacks)
        reader.add_url_rule("/", "show", lambda fl=reading: str(dict(fl.session)))
        found = (
            reader.test_client(use_cookies=False)
            .get("/", headers={"Cookie": f"session={cookie}"})
            .text
        )
        assert found == ("{}" if signer == "unknown" else "{'n': 1}")
        fresh = serializer_of(signing_app(writing, "current", **fallbacks)).dumps({"n": 2})
        assert serializer_of(signing_app(reading, "current")).loads(fresh) == {"n": 2}


@pytest.mark.parametrize("name", sorted(apps_state.SESSION_SETTINGS))
@pytest.mark.filterwarnings("ignore:The 'session' cookie is too large")
def test_a_client_may_change_sides_at_every_request(
    real: ModuleType, hip: ModuleType, name: str, door: str
) -> None:
    topic = SUBJECTS[name]
    theirs, ours = open_side(real, topic.build), open_side(hip, topic.build, door)
    for side in (theirs, ours):
        side.app.logger.disabled = True
    for sequence in topic.probes:
        theirs.jar.values.clear()
        ours.jar.values.clear()
        for call in sequence:
            answers = theirs.send(call), ours.send(call)
            compare(name, theirs, ours, call, answers, load_differences())
            theirs.jar, ours.jar = ours.jar, theirs.jar


def test_any_value_becomes_the_same_json(real: ModuleType, hip: ModuleType) -> None:
    held: list[Any] = [None]
    pairs = []
    for fl in (real, hip):
        app = fl.Flask("contract_json_values", static_folder=None)
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.add_url_rule("/made", "made", lambda fl=fl: fl.jsonify(held[0]))
        app.add_url_rule("/returned", "returned", lambda: {"value": held[0]})
        app.add_url_rule("/listed", "listed", lambda: [held[0]])
        app.add_url_rule("/dumped", "dumped", lambda fl=fl: fl.json.dumps(held[0]))
        pairs.append(app.test_client())

    def answer(client: Any, path: str) -> Any:
        try:
            reply = client.get(path)
        except Exception as error:
            return type(error)
        return reply.status_code, reply.headers["Content-Type"], reply.data

    @effort(250)
    @given(JSON_VALUES)
    def say(value: Any) -> None:
        held[0] = value
        for path in ("/made", "/returned", "/listed", "/dumped"):
            assert answer(pairs[0], path) == answer(pairs[1], path)

    say()


def test_json_read_back_is_the_same(real: ModuleType, hip: ModuleType) -> None:
    sides = [fl.Flask("contract_json_read", static_folder=None) for fl in (real, hip)]

    @effort(150)
    @given(st.one_of(st.text("[]{},:\"'\\0123456789.eE+-tfn ulrasd\n", max_size=12), st.text()))
    def read(text: str) -> None:
        found = []
        for app in sides:
            try:
                found.append(repr(app.json.loads(text)))
            except Exception as error:
                found.append(type(error).__name__)
        assert found[0] == found[1]

    read()


def test_numbers_keep_their_types(real: ModuleType, hip: ModuleType) -> None:
    values = [decimal.Decimal("1E+3"), decimal.Decimal("-0.10"), 10**30, 1e22, -0.0, 5e-324]
    values += [uuid.UUID(int=0)]
    for value in values:
        shown = [fl.Flask("x", static_folder=None).json.dumps(value) for fl in (real, hip)]
        assert shown[0] == shown[1]
