"""Imports go one way through the layers, type-only imports included, and never in a circle."""

from __future__ import annotations

import ast

from .source import PACKAGE, Import, imports_of, module_names, source_files

# Bottom first. A module imports from its own layer or from those above it in this list.
LAYERS = [
    ["typing", "hints", "signals", "config", "globals", "live", "packages", "bridge", "lifespan"]
    + ["interrupts"],
    ["json", "json.provider", "json.tag", "json.plain", "json.nesting", "routing"]
    + ["streaming", "streams", "background", "parts", "cookies", "signing", "bodies", "queries"],
    ["responses", "multipart"],
    ["wrappers", "scaffold", "sessions", "sessioncookie"],
    ["ctx", "helpers", "environment", "templating", "blueprints", "views", "logging", "plain"],
    ["debughelpers"],
    ["errors"],
    ["dispatch", "sealing"],
    ["websockets"],
    ["front", "front.exchange", "front.wsgi", "front.asgi", "front.rsgi", "front.chain"]
    + ["front.sending"],
    ["assembly", "app"],
    [""],
    ["ops"],
    ["settings.model"],
    ["settings.reading", "settings.sources"],
    ["settings.loading"],
    ["settings.shown"],
    ["settings"],
    # What pages are made of, for whoever has some.
    ["look"],
    ["security"],
    ["guards"],
    # Typed views, room by room: what annotations are made of, what they mean, what a request
    # then runs, and what is told of it. Nobody inside imports the package's own __init__.
    ["api.marks"],
    ["api.model"],
    ["api.kinds"],
    ["api.problems"],
    ["api.signatures"],
    ["api.inputs"],
    ["api.outputs"],
    ["api.providers"],
    ["api.details"],
    ["api.binding"],
    ["api.openapi"],
    ["api.pages"],
    ["api"],
    # The store below inbox, outbox and tools; knows nothing of either.
    ["database.errors", "database.clock", "database.failpoints", "database.states"],
    ["database.rows", "database.schema", "database.versions"],
    ["database.location", "database.writerlock", "database.faults"],
    ["database.migrating"],
    ["database.shared"],
    ["database.engine"],
    ["database.table"],
    ["database.claiming", "database.operating", "database.sweeping", "database.finding"],
    ["database.queue"],
    ["database.expiring", "database.opened", "database.backup"],
    ["database.restoring", "database.checking"],
    ["database"],
    # What outlives a request beside queues: sessions, the cache, answers kept by their keys.
    ["state"],
    ["cache.memory", "cache.flights", "cache.http"],
    ["cache.stored", "cache.values"],
    ["cache"],
    # Calls sent on, from what a call is made of to what decides where requests go.
    ["forward.clock", "forward.shared", "forward.answers", "forward.keys", "forward.paths"]
    + ["forward.schedule", "forward.deadlines", "forward.loops", "forward.hops"]
    + ["forward.figures", "forward.reach", "forward.fencing"],
    ["forward.request", "forward.breaker", "forward.compare", "forward.rollout"],
    ["forward.client", "forward.destination"],
    ["forward.attempts", "forward.exchange"],
    ["forward.proxy"],
    ["forward.sides"],
    ["forward.shadow"],
    ["forward.strangler"],
    ["forward.report"],
    ["forward"],
    # Webhooks, from what was delivered to who sent it: sans-IO, no application in sight.
    ["webhooks.fields"],
    ["webhooks.delivery", "webhooks.verdict"],
    ["webhooks.encodings", "webhooks.layouts", "webhooks.handshakes"],
    ["webhooks.keys"],
    ["webhooks.scheme", "webhooks.forms", "webhooks.certificates"],
    ["webhooks.schemes", "webhooks.claims", "webhooks.accepting"],
    ["webhooks.verifier"],
    ["webhooks.signer"],
    # The inbox, what is stored in it, for whom, and how it comes in.
    ["webhooks.inbox"],
    ["webhooks.failures", "webhooks.places", "webhooks.configured", "webhooks.heads"],
    ["webhooks.events"],
    ["webhooks.received"],
    ["webhooks.handlers", "webhooks.identify", "webhooks.tallies"],
    ["webhooks.replies"],
    ["webhooks.sources"],
    ["webhooks.gathering"],
    ["webhooks.reception"],
    ["webhooks.receiving"],
    # What happens after the 2xx.
    ["webhooks.metrics"],
    ["webhooks.working"],
    # What people see and do: at a terminal and in a browser.
    ["webhooks.display", "webhooks.actions", "webhooks.sending"],
    ["webhooks.selection"],
    ["webhooks.reconcile", "webhooks.console"],
    ["webhooks.hooks"],
    ["webhooks"],
    # Internal tools: what is done, by whom, and what became of it.
    ["tools.spans", "tools.audit", "tools.keys", "tools.rows", "tools.cells", "tools.fields"],
    ["tools.columns", "tools.forms"],
    ["tools.asked"],
    ["tools.memoryrows", "tools.data", "tools.exporting", "tools.filtering"]
    + ["tools.drawing", "tools.saving", "tools.once"],
    ["tools.sqlrows"],
    ["tools.actions"],
    ["tools.runs"],
    ["tools.pages", "tools.table"],
    ["tools.editing"],
    ["tools.views"],
    ["tools.desk"],
    ["tools.tool"],
    ["tools"],
    # From prototype to service: what a project says it is, what is found in it, what follows.
    ["stages.record"],
    ["checks"],
    ["assess"],
    ["stages"],
    ["cli", "testing", "clirunner", "doors", "socketclient", "server"],
    ["as_flask", "__main__"],
]
# Their users must see the types behind the proxies, the session interface, and what
# `app.test_client()` returns.
MAY_NAME_TYPES_ABOVE = {"globals", "sessions", "app"}
# Loaded only when used, so that a plain request and a plain import never meet them.
LOADED_WHEN_USED = {"cli", "testing", "clirunner", "server", "debughelpers", "environment"}
LOADED_WHEN_USED |= {"websockets", "front.websocket", "socketclient"}
LOADED_WHEN_USED |= {"api", "database", "forward", "guards", "security", "settings", "webhooks"}
LOADED_WHEN_USED |= {"cache", "look", "state", "tools", "checks", "assess", "stages"}
LOADED_WHEN_USED |= {"background", "front.sending", "interrupts", "streams"}
LOADED_WHEN_USED |= {"doors", "logging", "as_flask", "front.asgi", "front.rsgi", "front.chain"}


# Packages whose rooms are layers: what is above is not even imported when used.
HOUSES = {"api", "database", "forward", "settings", "tools", "webhooks"}


def layer_of(module: str) -> int:
    """The layer of the module, or of the innermost package around it that stands in one."""
    name = module
    while True:
        for number, layer in enumerate(LAYERS):
            if name in layer:
                return number
        if "." not in name:
            break
        name = name.rpartition(".")[0]
    raise AssertionError(f"hipflask.{module} stands in no layer: add it to LAYERS in {__file__}")


def is_within_a_house(source: str, target: str) -> bool:
    house = source.partition(".")[0]
    return house in HOUSES and target.partition(".")[0] == house


def inner_imports() -> list[tuple[Import, str]]:
    """Returns the imports between hipflask's modules, with the target's module name."""
    return [
        (found, found.target.removeprefix("hipflask").removeprefix("."))
        for path in source_files()
        for found in imports_of(path)
        if found.target.partition(".")[0] == "hipflask"
    ]


def describe(found: Import, target: str) -> str:
    return f"{found.source or '__init__'}:{found.line} imports {target} ({found.kind})"


def test_every_module_has_a_layer() -> None:
    for module in sorted(module_names()):
        layer_of(module)


def test_imports_point_down() -> None:
    wrong = []
    for found, target in inner_imports():
        if layer_of(target) <= layer_of(found.source):
            continue
        if found.kind == "type" and found.source in MAY_NAME_TYPES_ABOVE:
            continue
        is_late = found.kind == "lazy" and not is_within_a_house(found.source, target)
        if is_late and {target, target.partition(".")[0]} & LOADED_WHEN_USED:
            continue
        wrong.append(describe(found, target))
    assert wrong == []


def test_every_module_of_a_house_stands_in_a_room() -> None:
    """So that a new file in it does not count as the public names, which may import anything."""
    rooms = {name for layer in LAYERS for name in layer if name not in HOUSES}
    for module in sorted(module_names()):
        house, _, rest = module.partition(".")
        if house in HOUSES and rest:
            assert ".".join([house, rest.partition(".")[0]]) in rooms, module


def test_every_room_says_in_a_sentence_what_it_is() -> None:
    for house in sorted(HOUSES):
        for path in sorted((PACKAGE / house).glob("*/__init__.py")):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_no_import_cycle_counting_type_only_imports() -> None:
    graph: dict[str, set[str]] = {module: set() for module in module_names()}
    for found, target in inner_imports():
        exempt = found.kind == "type" and found.source in MAY_NAME_TYPES_ABOVE
        if found.kind != "lazy" and not exempt and target != found.source:
            graph[found.source].add(target)
    # A package's __init__ gathers its files; a file that names a sibling does not name it.
    state: dict[str, int] = {}
    cycles: list[str] = []

    def visit(module: str, path: list[str]) -> None:
        state[module] = 1
        for target in sorted(graph[module]):
            if state.get(target) == 1:
                cycles.append(" -> ".join([*path[path.index(target) :], target]))
            elif target not in state:
                visit(target, [*path, target])
        state[module] = 2

    for module in sorted(graph):
        if module not in state:
            visit(module, [module])
    assert cycles == []
