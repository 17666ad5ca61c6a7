"""Each step for the event loop is the same text as its plain twin, but for async and await."""

from __future__ import annotations

import ast

import pytest

from hipflask import ctx, dispatch, errors

MODULES = (dispatch, errors, ctx)
# Names that stand for each other; what has a twin is told by the suffix alone.
NAMES = {
    "send_async": "send",
    "_sync_wrapper": "_async_wrapper",
    "ensure_async": "ensure_sync",
}
# What a step of its own stands for on the loop, where it may have to run in the pool.
SAID_OTHERWISE = {
    "ctx.open_session()": "ctx._session",
    "ctx.save_session(response)": "interface.save_session(app, ctx._session, response)",
}
# Not steps of a request, or without a plain twin for the reason given.
ALONE = {
    "serve": "the way in from an async door, where wsgi_app is the one from WSGI",
    "_take_body": "under WSGI the body is read when it is asked for",
    "open_session_async": "its twin is an attribute: `_session`",
    "save_session_async": "its twin is the session interface's own method",
    "ring_asgi": "the bell of ASGI",
    "ring_rsgi": "the bell of RSGI",
}


class Plain(ast.NodeTransformer):
    """Takes from a function all that tells the twin for the event loop from the plain one."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        plain = ast.FunctionDef(**{name: getattr(node, name, None) for name in node._fields})
        return self.visit(ast.copy_location(plain, node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.name = plain_name(node.name)
        if ast.get_docstring(node) is not None:
            del node.body[0]
        return node

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "in_pool":
            # in_pool(f, *arguments) is f(*arguments), elsewhere.
            function, *arguments = node.args
            return ast.Call(function, arguments, node.keywords)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "ready":
            return node.args[0]  # what is only made something to await
        text = ast.unparse(node)
        return ast.parse(SAID_OTHERWISE.get(text, text), mode="eval").body

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = plain_name(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = plain_name(node.id)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        node.arg = node.arg and plain_name(node.arg)
        return node


def plain_name(name: str) -> str:
    return NAMES.get(name, name.removesuffix("_async"))


def functions_of(tree: ast.AST) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """The module's functions and its classes' methods, the latter as "Class.method"."""
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            inner = functions_of(node)
            found.update({f"{node.name}.{name}": each for name, each in inner.items()})
    return found


def as_plain(node: ast.AST) -> list[str]:
    """The function's text, plain, in lines; equal for twins."""
    return ast.unparse(ast.fix_missing_locations(Plain().visit(node))).splitlines()


def twins() -> list[tuple[str, str]]:
    return [
        (module.__name__, name)
        for module in MODULES
        for name, node in functions_of(tree_of(module)).items()
        if (isinstance(node, ast.AsyncFunctionDef) or name.endswith("_async"))
        and name.rpartition(".")[2] not in ALONE
    ]


def tree_of(module: object) -> ast.Module:
    with open(module.__file__, encoding="utf-8") as file:  # type: ignore[attr-defined]
        return ast.parse(file.read())


def test_there_are_twins() -> None:
    assert len(twins()) >= 10
    assert ("hipflask.dispatch", "respond_async") in twins()
    assert ("hipflask.ctx", "RequestContext.pop_async") in twins()


@pytest.mark.parametrize("module, name", twins())
def test_twins_agree(module: str, name: str) -> None:
    source = next(found for found in MODULES if found.__name__ == module)
    functions = functions_of(tree_of(source))
    assert name.endswith("_async"), f"{module}.{name} is async and has no plain twin: see ALONE"
    plain = functions[name.removesuffix("_async")]
    assert as_plain(functions[name]) == as_plain(plain)


def test_a_difference_is_seen() -> None:
    plain = ast.parse("def f(x):\n    'Doc.'\n    return g.send(x, _async_wrapper=a.ensure_sync)")
    other = (
        "async def f_async(x):\n    return {}await g.send_async(x, _sync_wrapper=a.ensure_async)"
    )
    same, not_same = ast.parse(other.format("")), ast.parse(other.format("not "))
    assert as_plain(same.body[0]) == as_plain(plain.body[0])
    assert as_plain(not_same.body[0]) != as_plain(plain.body[0])


def test_an_omitted_await_is_seen() -> None:
    """A step that has a twin is awaited wherever its async one is called."""
    missing = []
    for module in MODULES:
        for name, node in functions_of(tree_of(module)).items():
            # A plain function may hand on what is to be awaited.
            ends = ast.Await if isinstance(node, ast.AsyncFunctionDef) else ast.Return
            awaited = {id(each.value) for each in ast.walk(node) if isinstance(each, ends)}
            for call in ast.walk(node):
                if not isinstance(call, ast.Call) or id(call) in awaited:
                    continue
                called = call.func.attr if isinstance(call.func, ast.Attribute) else ""
                if called.endswith("_async") and called != "ensure_async":
                    missing.append(f"{module.__name__}.{name}: {ast.unparse(call)}")
    assert missing == []
