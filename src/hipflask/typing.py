"""What a view may return and what each kind of hook looks like, for annotations.

The names stand in `hints.py`, which is loaded when one of them is asked for. So annotate with
`ft.RouteCallable` after `from . import typing as ft`, which costs nothing until it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hints import AfterRequestCallable as AfterRequestCallable
    from .hints import Application as Application
    from .hints import AppOrBlueprintKey as AppOrBlueprintKey
    from .hints import BeforeFirstRequestCallable as BeforeFirstRequestCallable
    from .hints import BeforeRequestCallable as BeforeRequestCallable
    from .hints import Environ as Environ
    from .hints import ErrorHandlerCallable as ErrorHandlerCallable
    from .hints import HeadersValue as HeadersValue
    from .hints import HeaderValue as HeaderValue
    from .hints import ResponseClass as ResponseClass
    from .hints import ResponseReturnValue as ResponseReturnValue
    from .hints import ResponseValue as ResponseValue
    from .hints import RouteCallable as RouteCallable
    from .hints import ShellContextProcessorCallable as ShellContextProcessorCallable
    from .hints import StartResponse as StartResponse
    from .hints import TeardownCallable as TeardownCallable
    from .hints import TemplateContextProcessorCallable as TemplateContextProcessorCallable
    from .hints import TemplateFilterCallable as TemplateFilterCallable
    from .hints import TemplateGlobalCallable as TemplateGlobalCallable
    from .hints import TemplateTestCallable as TemplateTestCallable
    from .hints import URLDefaultCallable as URLDefaultCallable
    from .hints import URLValuePreprocessorCallable as URLValuePreprocessorCallable
    from .hints import WSGIBody as WSGIBody


def __getattr__(name: str) -> Any:
    if not name.startswith("__"):  # the import system asks every module for such
        from . import hints

        if hasattr(hints, name):
            return getattr(hints, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from . import hints

    return dir(hints)
