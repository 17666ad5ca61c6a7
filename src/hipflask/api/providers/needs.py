"""What a view and its providers read, and in which order the providers are called."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from typing import Any

from werkzeug.routing import Rule

from ...globals import _cv_request
from ...plain import converted_types
from ...scaffold import SetupError
from ..inputs.reading import Leaf, is_request
from ..kinds import bare, members_of
from ..marks import Place
from ..model import NO_DEFAULT, Input
from ..signatures.signature import function_of, signature_of
from .calling import Node, app_values, kind_of, name_of, replacement_of


class Needs:
    """All that a view and its providers read, and the providers in the order they are called."""

    def __init__(self, app: Any, rule: Rule) -> None:
        self._app = app
        self._rule = rule
        self.leaves: list[Leaf] = []
        self.nodes: list[Node] = []
        #: The view's parameters that providers fill.
        self.provided: list[tuple[str, Hashable]] = []
        #: Whether finding out who calls has to be awaited.
        self.waits = False
        self._known: dict[Any, Node] = {}
        self._open: list[Any] = []

    def add_of_view(self, input: Input) -> None:
        """Take in a parameter of the view."""
        if input.place is Place.PROVIDED and not is_request(input):
            self.provided.append((input.name, self._node_of(input).key))
        elif input.place is not Place.SUPPLIED:
            self.leaves.append(Leaf(input.name, input))

    def _identity_node(self, input: Input) -> Node:
        """Who calls: `Identity`, or with None where nobody needs to be known."""
        types = [bare(member)[0] for member in members_of(input.type)]
        if not any(getattr(kind, "__name__", "") == "Identity" for kind in types):
            raise SetupError(
                f"The view of {self._rule.rule!r} has a parameter {input.name!r} of type WebSocket,"
                " and is called for requests. Register it with @app.websocket(...)."
            )
        is_optional = type(None) in types or not input.is_required
        plain, on_loop, self.waits = _identity_readers(self._app, is_optional)
        key: Hashable = ("identity", is_optional)
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = Node(key, plain, kind_of(plain), (), False, on_loop)
            self.nodes.append(node)
        return node

    def _node_of(self, input: Input) -> Node:
        if input.provided is None:
            return self._identity_node(input)
        asked, scope = input.provided.provider, input.provided.scope
        provider = replacement_of(self._app, asked)
        if provider in self._known:
            return self._known[provider]
        if provider in self._open:
            circle = " -> ".join(map(name_of, (*self._open, provider)))
            raise SetupError(f"Providers need one another in a circle: {circle}.")
        self._open.append(provider)
        is_of_app = scope == "app"
        number = ("provider", len(self._known) + len(self._open), id(provider))
        needs = input.needs
        if provider is not asked:
            needs = signature_of(provider, converted_types(self._rule)).inputs
        arguments: list[tuple[str, Hashable]] = []
        for need in needs:
            if need.place is Place.PROVIDED and not is_request(need):
                node = self._node_of(need)
                if is_of_app and not node.is_of_app:
                    raise SetupError(_too_short_lived(provider, need.name))
                arguments.append((need.name, node.key))
            elif need.place is not Place.SUPPLIED:
                if is_of_app:
                    raise SetupError(_too_short_lived(provider, need.name))
                self.leaves.append(Leaf((number, need.name), need))
                arguments.append((need.name, (number, need.name)))
        named = {need.name for need in needs}
        for name in sorted(self._rule.arguments & _parameters_of(provider) - named):
            # A variable of the URL as it is, which a view is given by Flask.
            self.leaves.append(Leaf((number, name), Input(name, Place.PATH, name, Any, NO_DEFAULT)))
            arguments.append((name, (number, name)))
        self._open.pop()
        key: Hashable = ("app", provider) if is_of_app else number
        node = Node(key, provider, kind_of(provider), tuple(arguments), is_of_app)
        self._known[provider] = node
        self.nodes.append(node)
        if is_of_app:
            app_values(self._app).nodes[provider] = node
        return node


def _parameters_of(provider: Any) -> set[str]:
    """The names that a provider's parameters may be given by."""
    try:
        parameters = inspect.signature(provider).parameters.values()
    except (TypeError, ValueError):
        return set()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name for parameter in parameters if parameter.kind in named}


def _identity_readers(app: Any, is_optional: bool) -> tuple[Any, Any, bool]:
    """What gives an `Identity` parameter, plain and on the event loop; whether it has to be there.

    Without `is_optional` both raise 401 where nobody knows who calls.
    """
    from ...security.identity import (  # loaded by whoever names the type
        current_identity,
        current_identity_async,
        providers_of,
    )

    providers = providers_of(app)

    def checked(identity: Any) -> Any:
        if identity is None and not is_optional:
            raise providers.missing(_cv_request.get())
        return identity

    async def on_loop() -> Any:
        return checked(await current_identity_async())

    return lambda: checked(current_identity()), on_loop, providers.has_async


def _too_short_lived(provider: Any, name: str) -> str:
    return (
        f"The provider {name_of(provider)} is of the application, and its parameter {name!r} is of"
        ' one request, which there may be none of when it is called. Give it scope="request", or'
        ' the parameter a provider of scope="app".'
    )


def refuse_unknowable(app: Any, rule: Rule, view: Any, method: str | None) -> None:
    """Raise SetupError where a view needs to know who calls, and that is not found out."""
    from ...security.access import access_of  # loaded by whoever names the type
    from ...security.identity import providers_of
    from ...security.stances import public

    function = function_of(view, method)
    where = f"The view {name_of(function)} takes an Identity"
    if not providers_of(app).all:
        raise SetupError(
            f"{where}, but nothing tells who calls, so that every request would be refused. Set"
            " app.identities, for example to [ApiKey(hashed_keys({...}))]."
        )
    methods = [method] if method else sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    if any(access_of(app, rule, rule.endpoint, each) == public for each in methods):
        raise SetupError(
            f"{where}, and its route is public. Write 'Identity | None' where nobody needs to be"
            " known, or give the route another stance, such as access=authenticated."
        )
