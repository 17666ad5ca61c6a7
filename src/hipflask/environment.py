"""Jinja's environment and loader, each knowing its application.

Loaded by `templating` when first asked for, since importing it imports Jinja.
"""

from __future__ import annotations

import typing as t
from collections import ChainMap

from jinja2 import BaseLoader, TemplateNotFound
from jinja2 import Environment as BaseEnvironment
from jinja2 import Template as BaseTemplate
from jinja2.runtime import Context, new_context

if t.TYPE_CHECKING:
    from .scaffold import Scaffold

    # What a loader answers with: source, path of the file, a test for being up to date.
    Source = tuple[str, str | None, t.Callable[[], bool] | None]


class Template(BaseTemplate):
    """Jinja's template, which takes the globals into a context all at once."""

    def new_context(
        self,
        vars: dict[str, t.Any] | None = None,
        shared: bool = False,
        locals: t.Mapping[str, t.Any] | None = None,
    ) -> Context:
        """Return the context of one rendering; see Jinja's own."""
        names: t.Any = self.globals
        if type(names) is ChainMap:
            # `dict(names)` would look each up in Python: a tenth of a page of 20 rows.
            scopes = names.maps
            names = dict(scopes[-1])
            for scope in scopes[-2::-1]:
                names.update(scope)
        return new_context(self.environment, self.name, self.blocks, vars, shared, names, locals)


class Environment(BaseEnvironment):
    """A Jinja environment that knows its application, as `app`; so do its overlays.

    Without a `loader` it asks the application's `create_global_jinja_loader` for one.
    """

    template_class = Template

    def __init__(self, app: t.Any, **options: t.Any) -> None:
        if "loader" not in options:
            options["loader"] = app.create_global_jinja_loader()
        super().__init__(**options)
        self.app = app


class DispatchingJinjaLoader(BaseLoader):
    """Looks for a template in the application's folder, then in each blueprint's.

    With EXPLAIN_TEMPLATE_LOADING it looks everywhere and logs what it found where.
    """

    def __init__(self, app: t.Any) -> None:
        self.app = app

    def get_source(self, environment: BaseEnvironment, template: str) -> Source:
        """Return the source from the first loader that has it, else raise TemplateNotFound."""
        explain = self.app.config["EXPLAIN_TEMPLATE_LOADING"]
        attempts: list[tuple[BaseLoader, Scaffold, Source | None]] = []
        chosen: Source | None = None
        for owner, loader in self._iter_loaders(template):
            found = _look_up(loader, environment, template)
            attempts.append((loader, owner, found))
            chosen = chosen or found
            if chosen is not None and not explain:
                break
        if explain:
            from .debughelpers import explain_template_loading_attempts  # deferred: rare

            explain_template_loading_attempts(self.app, template, attempts)
        if chosen is None:
            raise TemplateNotFound(template)
        return chosen

    def list_templates(self) -> list[str]:
        """Return the names of all templates, of the application and of its blueprints."""
        names: set[str] = set()
        for _owner, loader in self._iter_loaders(""):
            names.update(loader.list_templates())
        return list(names)

    def _iter_loaders(self, template: str) -> t.Iterator[tuple[Scaffold, BaseLoader]]:
        # `template` is for subclasses that look only where it may be.
        for owner in (self.app, *self.app.iter_blueprints()):
            if owner.jinja_loader is not None:
                yield owner, owner.jinja_loader


def _look_up(loader: BaseLoader, environment: BaseEnvironment, template: str) -> Source | None:
    try:
        return loader.get_source(environment, template)
    except TemplateNotFound:
        return None
