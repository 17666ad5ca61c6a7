"""`cacheable`: answers that browsers and proxies may keep (RFC 9111), and need not get twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from ..bridge import is_async
from ..globals import _cv_request, _no_req_msg
from ..scaffold import SetupError

F = TypeVar("F", bound=Callable[..., Any])


def cacheable(
    max_age_s: int | None = None,
    *,
    is_public: bool = False,
    stale_s: int | None = None,
    vary: Iterable[str] = (),
    has_etag: bool = True,
) -> Callable[[F], F]:
    """Decorate a view, plain, async or typed: its 200s may be kept by clients for `max_age_s`.

        @app.get("/rates")
        @cacheable(max_age_s=60, is_public=True)
        def rates(): ...

    0 is `no-cache`: kept, and asked about each time. None leaves Cache-Control alone. Without
    `is_public` only the caller's own browser keeps it; an answer that rests on the session or on
    who calls is private in any case. `stale_s` is stale-while-revalidate (RFC 5861), `vary`
    names fields of the request that decide. With `has_etag` an answer whose body is in one piece
    has an ETag of its bytes, and 304 is sent to who has it. What the view has set itself stays.
    """
    if (max_age_s is not None and max_age_s < 0) or (stale_s is not None and stale_s < 0):
        raise SetupError(f"@cacheable(max_age_s={max_age_s}, stale_s={stale_s}): no less than 0.")
    if stale_s is not None and not max_age_s:
        raise SetupError("@cacheable(stale_s=...) counts from the end of max_age_s: give that too.")
    fields = tuple(vary)

    def finish(response: Any) -> Any:
        ctx = _cv_request.get()
        if ctx.request.method not in ("GET", "HEAD") or response.status_code != 200:
            return response
        for field in fields:
            response.vary.add(field)
        if max_age_s is not None and "Cache-Control" not in response.headers:
            is_shared = is_public and not _is_personal(ctx, response)
            response.headers["Cache-Control"] = _directives(max_age_s, stale_s, is_shared)
        if has_etag and not response.is_streamed and not response.direct_passthrough:
            response.add_etag()
        if "ETag" in response.headers or "Last-Modified" in response.headers:
            return response.make_conditional(ctx.request)
        return response

    # It never waits: on the loop it needs no thread.
    finish.is_quick = True  # type: ignore[attr-defined]

    def decorate(view: F) -> F:
        if is_async(view):

            @wraps(view)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                _before_others(finish)
                return await view(*args, **kwargs)

            return run_async  # type: ignore[return-value]

        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            _before_others(finish)
            return view(*args, **kwargs)

        return run  # type: ignore[return-value]

    return decorate


def _before_others(finish: Callable[[Any], Any]) -> None:
    """`after_this_request`, before what a login asks for, which leaves alone what is said."""
    ctx = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    ctx._after_request_functions = (finish, *ctx._after_request_functions)
    ctx.is_processed = True


def _directives(max_age_s: int, stale_s: int | None, is_shared: bool) -> str:
    parts = ["public" if is_shared else "private"]
    parts.append(f"max-age={max_age_s}" if max_age_s else "no-cache")
    if stale_s:
        parts.append(f"stale-while-revalidate={stale_s}")
    return ", ".join(parts)


def _is_personal(ctx: Any, response: Any) -> bool:
    """Whether another caller could have got another answer."""
    if "Set-Cookie" in response.headers or getattr(ctx, "_identity", None) is not None:
        return True
    return bool(ctx.has_opened_session and ctx._session.accessed)
