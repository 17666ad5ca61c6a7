"""Typed views: what a view's annotations say is read, checked, answered and documented.

`marks.py` is what annotations are made of, `model.py` what they come to, `binding.py` what a
request then runs. Each knows those before it and none that follow:

    marks, model    the words of an annotation, and a view as its annotations describe it
    kinds           what a type is, and how its values are read and written
    problems        what a typed view answers where Flask sends an error page
    signatures      annotations -> the model
    inputs          a request -> the view's arguments
    outputs         what the view returns -> a response
    providers       what `Provide(...)` asks for: called, kept, closed
    details         what is told of a view beyond its annotations: `operation(...)`
    binding         all of these put together for one view, when the application is sealed
    openapi         routes -> the OpenAPI document, and what changed between two documents
    pages           where the document is served, and the page that shows it
"""

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
    from .details import operation as operation
    from .details import operations as operations
    from .inputs.uploads import Upload as Upload
    from .model import Flaw as Flaw
    from .openapi import describe as describe
    from .openapi import document as document
    from .outputs.conditions import check_preconditions as check_preconditions
    from .outputs.conditions import etag_of as etag_of
    from .outputs.paging import CursorPaging as CursorPaging
    from .outputs.paging import Page as Page
    from .outputs.paging import Paging as Paging
    from .outputs.paging import page_of as page_of
    from .outputs.versions import by_media_type as by_media_type
    from .problems import Invalid as Invalid
    from .problems import Malformed as Malformed
    from .problems import Problem as Problem
    from .problems import ProblemDetails as ProblemDetails
    from .providers.calling import override as override

# Loaded when first asked for: a view that answers a struct needs none of it.
_LATER = {
    "BodyStream": "hipflask.streams",
    "CursorPaging": ".outputs.paging",
    "Flaw": ".model",
    "Invalid": ".problems",
    "Malformed": ".problems",
    "Page": ".outputs.paging",
    "Paging": ".outputs.paging",
    "Problem": ".problems",
    "ProblemDetails": ".problems",
    "Upload": ".inputs.uploads",
    "by_media_type": ".outputs.versions",
    "check_preconditions": ".outputs.conditions",
    "describe": ".openapi",
    "document": ".openapi",
    "etag_of": ".outputs.conditions",
    "operation": ".details",
    "operations": ".details",
    "override": ".providers.calling",
    "page_of": ".outputs.paging",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name], __name__), name)
    return value
