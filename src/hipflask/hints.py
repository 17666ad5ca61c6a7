"""The types of `hipflask.typing`, and `Application`: all that dispatch asks of one.

A module of its own, loaded when one of the names is asked for: making them takes as long as
a third of the other core modules' classes together, and no request needs them.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.datastructures import Headers
    from werkzeug.wrappers import Response

# What one header may be, and what all of them together may be.
HeaderValue = Union[str, list[str], tuple[str, ...]]
HeadersValue = Union[
    "Headers",
    Mapping[str, HeaderValue],
    Sequence[tuple[str, HeaderValue]],
]

# A body: text, bytes, something to dump as JSON, or a stream of text or bytes.
ResponseValue = Union[
    "Response",
    str,
    bytes,
    list[Any],
    Mapping[str, Any],
    Iterator[str],
    Iterator[bytes],
    AsyncIterable[str],
    AsyncIterable[bytes],
]

# A body alone, or with a status, headers or both; or any WSGI application.
ResponseReturnValue = Union[
    ResponseValue,
    tuple[ResponseValue, HeadersValue],
    tuple[ResponseValue, int],
    tuple[ResponseValue, int, HeadersValue],
    "WSGIApplication",
]

ResponseClass = TypeVar("ResponseClass", bound="Response")

# A key of the hook dictionaries: a blueprint's dotted name, None for the application.
AppOrBlueprintKey = Union[str, None]

# Any answer: that of a typed view is whatever its annotation says, which no type here can list.
RouteCallable = Callable[..., Any]
BeforeFirstRequestCallable = Union[Callable[[], None], Callable[[], Awaitable[None]]]
BeforeRequestCallable = Union[
    Callable[[], Union[ResponseReturnValue, None]],
    Callable[[], Awaitable[Union[ResponseReturnValue, None]]],
]
AfterRequestCallable = Union[
    Callable[[ResponseClass], ResponseClass],
    Callable[[ResponseClass], Awaitable[ResponseClass]],
]
TeardownCallable = Union[
    Callable[[Union[BaseException, None]], None],
    Callable[[Union[BaseException, None]], Awaitable[None]],
]
# The argument stays Any: a handler names the exception type it was registered for.
ErrorHandlerCallable = Union[
    Callable[[Any], ResponseReturnValue],
    Callable[[Any], Awaitable[ResponseReturnValue]],
]
URLDefaultCallable = Callable[[str, dict[str, Any]], None]
URLValuePreprocessorCallable = Callable[[Union[str, None], Union[dict[str, Any], None]], None]
ShellContextProcessorCallable = Callable[[], dict[str, Any]]
TemplateContextProcessorCallable = Union[
    Callable[[], dict[str, Any]],
    Callable[[], Awaitable[dict[str, Any]]],
]
TemplateFilterCallable = Callable[..., Any]
TemplateGlobalCallable = Callable[..., Any]
TemplateTestCallable = Callable[..., bool]

# The two names WSGI gives: (status, headers, exc_info) and what a server passes in.
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIBody = Iterable[bytes]


class Application(Protocol):
    """All that contexts, dispatch, front-ends and helpers ask of an application.

    `Flask` is the one implementation; the protocol exists so that the request's path does
    not import the class that assembles it. The types are those of `Flask`'s own members.
    """

    # What it holds.
    @property
    def name(self) -> Any: ...
    @property
    def import_name(self) -> Any: ...
    @property
    def root_path(self) -> Any: ...
    @property
    def instance_path(self) -> Any: ...
    @property
    def config(self) -> Any: ...
    @property
    def json(self) -> Any: ...
    @property
    def debug(self) -> Any: ...
    @property
    def testing(self) -> Any: ...
    @property
    def secret_key(self) -> Any: ...
    @property
    def permanent_session_lifetime(self) -> Any: ...
    @property
    def logger(self) -> Any: ...
    @property
    def url_map(self) -> Any: ...
    @property
    def view_functions(self) -> Any: ...
    @property
    def blueprints(self) -> Any: ...
    @property
    def extensions(self) -> Any: ...
    @property
    def jinja_env(self) -> Any: ...
    @property
    def jinja_options(self) -> Any: ...
    @property
    def jinja_environment(self) -> Any: ...
    @property
    def jinja_loader(self) -> Any: ...
    @property
    def error_handler_spec(self) -> Any: ...
    @property
    def before_request_funcs(self) -> Any: ...
    @property
    def after_request_funcs(self) -> Any: ...
    @property
    def teardown_request_funcs(self) -> Any: ...
    @property
    def before_websocket_funcs(self) -> Any: ...
    @property
    def after_websocket_funcs(self) -> Any: ...
    @property
    def teardown_websocket_funcs(self) -> Any: ...
    @property
    def teardown_appcontext_funcs(self) -> Any: ...
    @property
    def identities(self) -> Any: ...
    @property
    def url_value_preprocessors(self) -> Any: ...
    @property
    def url_default_functions(self) -> Any: ...
    @property
    def template_context_processors(self) -> Any: ...
    @property
    def subdomain_matching(self) -> Any: ...
    @property
    def request_class(self) -> Any: ...
    @property
    def response_class(self) -> Any: ...
    @property
    def session_interface(self) -> Any: ...
    @property
    def app_ctx_globals_class(self) -> Any: ...
    @property
    def aborter(self) -> Any: ...
    @property
    def sealed(self) -> Any: ...
    @property
    def _cell(self) -> Any: ...
    @property
    def _begin(self) -> Any: ...
    @property
    def _observing(self) -> Any: ...
    @property
    def _got_first_request(self) -> Any: ...

    # What it does.
    @property
    def ensure_sync(self) -> Callable[..., Any]: ...
    @property
    def ensure_async(self) -> Callable[..., Any]: ...
    @property
    def bind_view(self) -> Callable[..., Any]: ...
    @property
    def complete(self) -> Callable[[], bool]: ...
    @property
    def request_context(self) -> Callable[..., Any]: ...
    @property
    def app_context(self) -> Callable[..., Any]: ...
    @property
    def wsgi_app(self) -> Callable[..., Any]: ...
    @property
    def asgi(self) -> Callable[..., Any]: ...
    @property
    def create_url_adapter(self) -> Callable[..., Any]: ...
    @property
    def raise_routing_exception(self) -> Callable[..., Any]: ...
    @property
    def trap_http_exception(self) -> Callable[..., Any]: ...
    @property
    def _find_error_handler(self) -> Callable[..., Any]: ...
    @property
    def make_default_options_response(self) -> Callable[..., Any]: ...
    @property
    def log_exception(self) -> Callable[..., Any]: ...
    @property
    def should_ignore_error(self) -> Callable[..., Any]: ...
    @property
    def do_teardown_request(self) -> Callable[..., Any]: ...
    @property
    def do_teardown_appcontext(self) -> Callable[..., Any]: ...
    @property
    def inject_url_defaults(self) -> Callable[..., Any]: ...
    @property
    def handle_url_build_error(self) -> Callable[..., Any]: ...
    @property
    def url_for(self) -> Callable[..., Any]: ...
    @property
    def redirect(self) -> Callable[..., Any]: ...
    @property
    def iter_blueprints(self) -> Callable[..., Any]: ...
    @property
    def select_jinja_autoescape(self) -> Callable[..., Any]: ...
    @property
    def update_template_context(self) -> Callable[..., Any]: ...
    @property
    def get_send_file_max_age(self) -> Callable[..., Any]: ...
