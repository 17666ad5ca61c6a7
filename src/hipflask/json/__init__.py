"""JSON through the current application's provider, or the standard library without one."""

from __future__ import annotations

import json as _json
import typing as t

from hipflask.globals import _cv_app, current_app
from hipflask.json.provider import _default

if t.TYPE_CHECKING:
    from hipflask.globals import Response
    from hipflask.json.provider import JSONProvider


def _provider() -> JSONProvider | None:
    ctx = _cv_app.get(None)
    return None if ctx is None else ctx.app.json


def dumps(obj: t.Any, **kwargs: t.Any) -> str:
    """Return `obj` as JSON text, by `app.json.dumps` while an application is current.

    Without one it is `json.dumps`, with the same extra types: keys are then not sorted.
    """
    provider = _provider()
    if provider is not None:
        return provider.dumps(obj, **kwargs)
    return _json.dumps(obj, **{"default": _default, **kwargs})


def dump(obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
    """Write `obj` as JSON text to the open file `fp`; see `dumps`."""
    provider = _provider()
    if provider is not None:
        provider.dump(obj, fp, **kwargs)
    else:
        _json.dump(obj, fp, **{"default": _default, **kwargs})


def loads(s: str | bytes, **kwargs: t.Any) -> t.Any:
    """Return the value of JSON text or bytes, by `app.json.loads` while an app is current.

    Raises `ValueError` for what is no JSON.
    """
    provider = _provider()
    return _json.loads(s, **kwargs) if provider is None else provider.loads(s, **kwargs)


def load(fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
    """Return the value of the JSON in the open file `fp`; see `loads`."""
    provider = _provider()
    return _json.load(fp, **kwargs) if provider is None else provider.load(fp, **kwargs)


def jsonify(*args: t.Any, **kwargs: t.Any) -> Response:
    """Return a response whose body is the arguments as JSON; needs a current application.

    One positional argument is the value itself, several are an array, keywords an object:

        return jsonify(id=7, name="tea")
    """
    return current_app.json.response(*args, **kwargs)
