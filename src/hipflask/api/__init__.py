"""Typed views: what a view's annotations say is read, checked, answered and documented."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .marks import Accepts as Accepts
from .marks import Body as Body
from .marks import Cookie as Cookie
from .marks import File as File
from .marks import Form as Form
from .marks import Header as Header
from .marks import Name as Name
from .marks import Path as Path
from .marks import Provide as Provide
from .marks import Query as Query
from .marks import Supplied as Supplied
from .marks import conditional as conditional
from .marks import exclude_unset as exclude_unset
from .marks import status as status

if TYPE_CHECKING:
    from ..streams import BodyStream as BodyStream
    from .conditions import check_preconditions as check_preconditions
    from .conditions import etag_of as etag_of
    from .model import Flaw as Flaw
    from .openapi import describe as describe
    from .openapi import document as document
    from .operations import operation as operation
    from .operations import operations as operations
    from .paging import CursorPaging as CursorPaging
    from .paging import Page as Page
    from .paging import Paging as Paging
    from .paging import page_of as page_of
    from .problems import Invalid as Invalid
    from .problems import Malformed as Malformed
    from .problems import Problem as Problem
    from .problems import ProblemDetails as ProblemDetails
    from .providers import override as override
    from .uploads import Upload as Upload
    from .versions import by_media_type as by_media_type

# Loaded when first asked for: a view that answers a struct needs none of it.
_LATER = {
    "BodyStream": "hipflask.streams",
    "CursorPaging": ".paging",
    "Flaw": ".model",
    "Invalid": ".problems",
    "Malformed": ".problems",
    "Page": ".paging",
    "Paging": ".paging",
    "Problem": ".problems",
    "ProblemDetails": ".problems",
    "Upload": ".uploads",
    "by_media_type": ".versions",
    "check_preconditions": ".conditions",
    "describe": ".openapi",
    "document": ".openapi",
    "etag_of": ".conditions",
    "operation": ".operations",
    "operations": ".operations",
    "override": ".providers",
    "page_of": ".paging",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return value
