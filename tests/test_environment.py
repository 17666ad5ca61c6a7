import jinja2
import pytest

from hipflask import Flask
from hipflask.environment import DispatchingJinjaLoader, Environment


class Owner:
    """The little that a loader asks of an application or a blueprint."""

    def __init__(self, loader=None, parts=(), explain=False):
        self.jinja_loader = loader
        self.parts = parts
        self.config = {"EXPLAIN_TEMPLATE_LOADING": explain}

    def iter_blueprints(self):
        return iter(self.parts)

    def create_global_jinja_loader(self):
        return DispatchingJinjaLoader(self)


class Counting(jinja2.DictLoader):
    asked = 0

    def get_source(self, environment, template):
        self.asked += 1
        return super().get_source(environment, template)


def test_loader_stops_at_the_first_that_has_the_template():
    first, second = Counting({"a": "1"}), Counting({"a": "2", "b": "2"})
    env = Environment(Owner(first, [Owner(None), Owner(second)]))
    assert env.get_template("a").render() == "1"
    assert (first.asked, second.asked) == (1, 0)
    assert env.get_template("b").render() == "2"
    with pytest.raises(jinja2.TemplateNotFound, match="c"):
        env.get_template("c")


def test_loader_lists_each_name_once_and_skips_owners_without_templates():
    parts = [Owner(None), Owner(jinja2.DictLoader({"a": "", "c": ""}))]
    env = Environment(Owner(jinja2.DictLoader({"a": "", "b": ""}), parts))
    assert sorted(env.list_templates()) == ["a", "b", "c"]


def test_environment_takes_the_loader_it_is_given():
    loader = jinja2.DictLoader({})
    assert Environment(Owner(), loader=loader).loader is loader


@pytest.mark.parametrize("given", [None, {"url_for": 1, "own": 2}])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("local_names", [None, {"x": 5, "g": 6}])
def test_context_is_the_one_that_jinja_makes(given, shared, local_names):
    environment = Flask("x").jinja_env
    template = environment.from_string("{{ x }}", globals=given)
    values = {"x": 1, "config": 2}
    ours = template.new_context(dict(values), shared, local_names)
    theirs = jinja2.Template.new_context(template, dict(values), shared, local_names)
    assert isinstance(template, jinja2.Template)
    assert ours.get_all() == theirs.get_all()
    assert ours.globals_keys == theirs.globals_keys
    assert ours.blocks == theirs.blocks
    environment.globals["later"] = 7
    assert environment.from_string("{{ later }}").render() == "7"
