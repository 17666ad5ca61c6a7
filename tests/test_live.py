import copy
import pickle
from abc import ABC, abstractmethod
from collections import defaultdict

import pytest

from hipflask import Flask
from hipflask.live import Cell, LiveDict, LiveHooks, LiveList, LiveType, empty_all


class Full(Cell):
    """A cell with something in it, to see whether it is emptied."""

    def __init__(self):
        super().__init__()
        self.plan = "worked out"


def announces(container, change):
    """Whether the change empties the container's cell."""
    container.cell = cell = Full()
    epoch = cell.epoch
    change(container)
    assert (cell.plan is None) == (cell.epoch > epoch)
    return cell.plan is None


DICT_CHANGES = {
    "setitem": lambda d: d.__setitem__("new", 1),
    "delitem": lambda d: d.__delitem__("a"),
    "ior": lambda d: d.__ior__({"b": 2}),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("a"),
    "pop absent": lambda d: d.pop("absent", None),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("c", 3),
    "update": lambda d: d.update(e=4),
}
LIST_CHANGES = {
    "setitem": lambda x: x.__setitem__(0, 9),
    "set slice": lambda x: x.__setitem__(slice(None), [9]),
    "delitem": lambda x: x.__delitem__(0),
    "iadd": lambda x: x.__iadd__([4]),
    "imul": lambda x: x.__imul__(2),
    "append": lambda x: x.append(4),
    "clear": lambda x: x.clear(),
    "extend": lambda x: x.extend([4]),
    "insert": lambda x: x.insert(0, 4),
    "pop": lambda x: x.pop(),
    "remove": lambda x: x.remove(2),
    "reverse": lambda x: x.reverse(),
    "sort": lambda x: x.sort(reverse=True),
}


@pytest.mark.parametrize("name", DICT_CHANGES)
def test_each_change_of_a_dict_empties_its_cell(name):
    change = DICT_CHANGES[name]
    plain = {"a": 1}
    live = LiveDict(a=1)
    assert announces(live, change)
    change(plain)
    assert live == plain


@pytest.mark.parametrize("name", LIST_CHANGES)
def test_each_change_of_a_list_empties_its_cell(name):
    change = LIST_CHANGES[name]
    plain = [1, 2, 3]
    live = LiveList(None, plain)
    assert announces(live, change)
    change(plain)
    assert live == plain


@pytest.mark.parametrize("name", DICT_CHANGES)
def test_each_change_of_the_hooks_empties_their_cell(name):
    hooks = LiveHooks()
    hooks["a"].append(1)
    assert announces(hooks, DICT_CHANGES[name])


def test_every_changing_method_of_dict_and_list_is_covered():
    # Methods that a new Python adds must be looked at here and in live.py.
    for kind, live, quiet in (
        (dict, LiveDict, {"copy", "fromkeys", "get", "items", "keys", "values"}),
        (list, LiveList, {"copy", "count", "index"}),
    ):
        named = {name for name in vars(kind) if not name.startswith("__")}
        assert named - quiet == {n for n in named if vars(live).get(n) is not None}


@pytest.mark.parametrize(
    "look",
    [
        lambda d: d["a"],
        lambda d: d.get("a"),
        lambda d: list(d.items()),
        lambda d: "a" in d,
        lambda d: d.copy(),
        lambda d: d | {"b": 2},
        lambda d: {"b": 2} | d,
        len,
    ],
)
@pytest.mark.parametrize("make", [lambda: LiveDict(a=[1]), lambda: LiveHooks()])
def test_looking_at_a_dict_leaves_its_cell_alone(make, look):
    live = make()
    live["a"] = [1]
    assert not announces(live, look)


@pytest.mark.parametrize(
    "look", [lambda x: x[0], lambda x: x + [4], lambda x: x[:], sorted, lambda x: x.copy(), len]
)
def test_looking_at_a_list_leaves_its_cell_alone(look):
    assert not announces(LiveList(None, [1, 2]), look)


@pytest.mark.parametrize(
    "live", [LiveDict(a=1), LiveList(None, [1]), LiveHooks()], ids=["dict", "list", "hooks"]
)
def test_containers_without_a_cell_may_change(live):
    assert live.cell is None
    live.clear()
    assert len(live) == 0


def test_change_that_fails_midway_empties_the_cell():
    def some():
        yield 1
        raise ZeroDivisionError

    def extend(live):
        with pytest.raises(ZeroDivisionError):
            live.extend(some())

    def update(live):
        with pytest.raises(ZeroDivisionError):
            live.update((number, number) for number in some())

    assert announces(LiveList(), extend)
    assert announces(LiveDict(), update)


def test_container_of_which_little_counts_announces_that_only():
    class Settings(LiveDict):
        def planned(self):
            return self.get("counts")

    assert not announces(Settings(counts=1), lambda d: d.update(other=2))
    assert not announces(Settings(counts=1), lambda d: d.update(counts=1))
    assert announces(Settings(counts=1), lambda d: d.update(counts=2))
    assert announces(Settings(counts=1), lambda d: d.clear())


def test_lists_of_hooks_are_made_when_asked_for_and_announce():
    cell = Full()
    hooks = LiveHooks(cell)
    scope = hooks["blog"]
    assert scope == [] and hooks["blog"] is scope
    cell.plan = "worked out"
    scope.append(print)
    assert cell.plan is None


def test_copied_hooks_are_a_plain_dictionary_of_the_same_lists():
    hooks = LiveHooks(Cell())
    hooks[None].append(print)
    for copied in (hooks.copy(), copy.copy(hooks), hooks | {}, {} | hooks):
        assert type(copied) is defaultdict
        assert copied[None] is hooks[None]
        assert copied["new"] == []
    assert "new" not in hooks


def test_containers_survive_copying_and_pickling_with_a_life_of_their_own():
    cell = Cell()
    hooks = LiveHooks(cell)
    hooks[None].append(len)
    views = LiveDict(index=len)
    views.cell = cell
    for original in (hooks, views, LiveList(cell, [len])):
        for other in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert other == original
            cell.plan = "worked out"
            other.clear()
            assert cell.plan == "worked out"
            assert len(original) == 1


def test_changed_methods_keep_name_and_docstring():
    assert LiveDict.update.__name__ == "update"
    assert LiveList.append.__doc__ == list.append.__doc__


# --- classes -----------------------------------------------------------------------------


def test_all_cells_are_emptied_and_none_is_kept_alive():
    cells = [Full(), Full()]
    empty_all()
    assert [cell.plan for cell in cells] == [None, None]


def test_setting_or_deleting_a_class_attribute_empties_every_cell():
    class Base(metaclass=LiveType):
        pass

    class Derived(Base):
        pass

    cell = Full()
    Derived.answer = 42
    assert cell.plan is None
    cell.plan = "worked out"
    del Derived.answer
    assert cell.plan is None
    assert not hasattr(Derived, "answer")


def test_registers_of_abc_are_no_change_of_the_class():
    class Service(ABC, metaclass=LiveType):
        @abstractmethod
        def serve(self): ...

    cell = Full()
    assert not isinstance(3, Service)
    assert issubclass(Service.register(int), int)
    Service._abc_mark = 1
    assert cell.plan == "worked out"


def test_application_may_also_derive_from_an_abc():
    class Service(ABC):
        @abstractmethod
        def serve(self): ...

    class Unfinished(Flask, Service):
        pass

    class App(Flask, Service):
        def serve(self):
            return "served"

    with pytest.raises(TypeError, match="abstract"):
        Unfinished(__name__)
    assert App(__name__).serve() == "served"
