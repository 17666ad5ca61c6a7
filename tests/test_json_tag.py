"""Tagged JSON: the wire format, the round trip, and tags of one's own."""

from collections import OrderedDict
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from hipflask.json.tag import JSONTag, TagDict, TaggedJSONSerializer

serializer = TaggedJSONSerializer()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ("é", '"\\u00e9"'),
        ((1, 2), '{" t":[1,2]}'),
        ((), '{" t":[]}'),
        ([(1, [b""])], '[{" t":[1,[{" b":""}]]}]'),
        (b"\xff", '{" b":"/w=="}'),
        (Markup("<b>"), '{" m":"<b>"}'),
        (UUID(int=7), '{" u":"00000000000000000000000000000007"}'),
        (datetime(2020, 1, 1, tzinfo=UTC), '{" d":"Wed, 01 Jan 2020 00:00:00 GMT"}'),
        ({"b": 1, "a": (2,)}, '{"b":1,"a":{" t":[2]}}'),
        ({" t": 1}, '{" di":{" t__":1}}'),
        ({" t__": 1}, '{" t__":1}'),
        ({" di": {" di": 1}}, '{" di":{" di__":{" di":{" di__":1}}}}'),
        ({" t": 1, "x": 2}, '{" t":1,"x":2}'),
        ({" zz": 1}, '{" zz":1}'),
        ({"": 1}, '{"":1}'),
    ],
)
def test_written_as_flask_writes_it_and_read_back(value, text):
    assert serializer.dumps(value) == text
    read = serializer.loads(text)
    assert read == value
    assert type(read) is type(value)


def test_naive_datetime_comes_back_in_utc():
    text = serializer.dumps(datetime(2020, 1, 1))
    assert serializer.loads(text) == datetime(2020, 1, 1, tzinfo=UTC)


def test_whatever_json_itself_takes_passes():
    # What app.json's `default` turns into text stays text.
    assert serializer.dumps(date(2020, 1, 1)) == '"Wed, 01 Jan 2020 00:00:00 GMT"'
    assert serializer.dumps({1: 2}) == '{"1":2}'


def test_subclasses_are_written_as_their_base():
    class Pair(tuple):
        pass

    assert serializer.dumps(Pair((1, 2))) == '{" t":[1,2]}'
    assert serializer.dumps(OrderedDict(a=1)) == '{"a":1}'


def test_text_with_html_method_is_markup():
    class Html(str):
        def __html__(self):
            return "<i>"

    assert serializer.loads(serializer.dumps(Html("q"))) == Markup("<i>")


def test_value_without_json_form_is_a_type_error():
    with pytest.raises(TypeError):
        serializer.dumps({1, 2})


def test_two_keys_are_never_a_tag():
    assert serializer.loads('{" t":[1]," b":"eA=="}') == {" t": [1], " b": "eA=="}


def test_inner_values_are_read_first():
    assert serializer.loads('{" t":[{" t":[1]},{"a":{" b":"eA=="}}]}') == ((1,), {"a": b"x"})


@pytest.mark.parametrize("text", ["", "{", '{" u":"short"}', '{" di":5}', '{" di":{}}'])
def test_unreadable_text_is_an_ordinary_error(text):
    with pytest.raises((ValueError, TypeError)):
        serializer.loads(text)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.text().map(Markup)
    | st.datetimes(min_value=datetime(1000, 1, 1)).map(
        lambda d: d.replace(microsecond=0, tzinfo=UTC)
    )
)
keys = st.text() | st.sampled_from([" t", " di", " b", " t__", " d__", " u"])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values)
def test_loads_is_the_inverse_of_dumps(value):
    assert serializer.loads(serializer.dumps(value)) == value


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees


class TagCelsius(JSONTag):
    __slots__ = ()
    key = " c"

    def check(self, value):
        return isinstance(value, Celsius)

    def to_json(self, value):
        return self.serializer.tag(value.degrees)

    def to_python(self, value):
        return Celsius(value)


def test_registered_tag_is_used():
    own = TaggedJSONSerializer()
    own.register(TagCelsius)
    assert own.dumps([Celsius(3)]) == '[{" c":3}]'
    assert own.loads('{" c":3}').degrees == 3
    assert own.loads('{" di":{" c__":3}}') == {" c": 3}


class TagShout(JSONTag):
    __slots__ = ()
    key = " s"

    def check(self, value):
        return isinstance(value, str)

    def to_json(self, value):
        return value.upper()

    def to_python(self, value):
        return value


def test_registered_tag_may_take_plain_text():
    own = TaggedJSONSerializer()
    assert own.dumps("a") == '"a"'
    own.register(TagShout)
    assert own.dumps("a") == '{" s":"A"}'


def test_order_changed_directly_is_seen():
    own = TaggedJSONSerializer()
    own.order.insert(0, TagShout(own))
    assert own.dumps("a") == '{" s":"A"}'


def test_default_tags_of_a_subclass_are_offered_plain_text():
    class Shouting(TaggedJSONSerializer):
        default_tags = [TagShout, *TaggedJSONSerializer.default_tags]

    assert Shouting().dumps(["a"]) == '[{" s":"A"}]'


def test_taken_key_is_refused_unless_forced():
    class Other(TagDict):
        __slots__ = ()
        key = " d"

    own = TaggedJSONSerializer()
    with pytest.raises(KeyError, match="taken by TagDateTime"):
        own.register(Other)
    own.register(Other, force=True, index=0)
    assert type(own.tags[" d"]) is Other
    assert type(own.order[0]) is Other


def test_index_places_a_tag_before_that_one():
    own = TaggedJSONSerializer()
    own.register(TagCelsius, index=-1)
    assert type(own.order[-2]) is TagCelsius
    own.register(TagShout, index=None)
    assert type(own.order[-1]) is TagShout


def test_special_case_before_the_general_one():
    class TagOrderedDict(JSONTag):
        __slots__ = ()
        key = " od"

        def check(self, value):
            return isinstance(value, OrderedDict)

        def to_json(self, value):
            return [[k, self.serializer.tag(v)] for k, v in value.items()]

        def to_python(self, value):
            return OrderedDict(value)

    own = TaggedJSONSerializer()
    own.register(TagOrderedDict, index=0)
    read = own.loads(own.dumps(OrderedDict(z=(1,), a=2)))
    assert type(read) is OrderedDict
    assert list(read.items()) == [("z", (1,)), ("a", 2)]


def test_tag_without_key_is_not_listed_by_key():
    class Quiet(JSONTag):
        __slots__ = ()

    own = TaggedJSONSerializer()
    own.register(Quiet)
    own.register(Quiet)
    assert "" not in own.tags
    assert len(own.order) == len(TaggedJSONSerializer.default_tags) + 2


def test_tag_class_is_an_interface():
    tag = JSONTag(serializer)
    for method in (tag.check, tag.to_json, tag.to_python):
        with pytest.raises(NotImplementedError):
            method(None)


def test_uuid_name_is_there_for_importers():
    from hipflask.json import tag

    assert tag.UUID is UUID
    with pytest.raises(AttributeError, match="no_such_name"):
        tag.no_such_name


@pytest.fixture(scope="module")
def flasks_serializer():
    tag = pytest.importorskip("flask.json.tag", reason="compares with the real Flask")
    return tag.TaggedJSONSerializer()


@settings(deadline=None)
@given(value=values)
def test_same_text_as_the_installed_flask(flasks_serializer, value):
    written = flasks_serializer.dumps(value)
    assert serializer.dumps(value) == written
    assert serializer.loads(written) == flasks_serializer.loads(written) == value
