"""Answers ``import flask`` and every ``flask.*`` import with hipflask, for this process.

``import hipflask.as_flask`` switches the alias on; ``hipflask as-flask COMMAND`` does so for a
command and all the Python processes it starts. That works through ``hipflask_as_flask.pth`` in
site-packages, which runs this file at interpreter start when ``HIPFLASK_AS_FLASK`` is set. At that
moment nothing of hipflask is loaded, and nothing is until somebody imports ``flask``: a process
that never does pays for a finder on ``sys.meta_path`` only (and gevent can still patch first).
Hence this file imports no part of hipflask at its top.

Out of reach: ``python -S`` and child processes started with an emptied environment, and Python
environments in which hipflask is not installed.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType

TYPE_CHECKING = False  # typing itself takes longer to import than all the rest here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.abc import Loader
    from importlib.metadata import Distribution, DistributionFinder
    from types import CodeType
    from typing import Any

FLASK_VERSION = "3.1.3"
SWITCH = "HIPFLASK_AS_FLASK"
PTH_NAME = "hipflask_as_flask.pth"

# What Flask's modules let slip besides their own names, because they import it: extensions and
# tests reach for these. One line per source, `alias=name` where the two differ; a source that
# begins with a dot is one of ours, `module` lists modules, `typevar` names type variables.
_BORROWED = {
    "": """
        module: t=typing
        __future__: annotations
        submodule: app blueprints cli config ctx debughelpers globals helpers json logging sansio
        submodule: sessions signals templating testing typing views wrappers
    """,
    "app": """
        module: cabc=collections.abc cli=hipflask.cli click ft=hipflask.typing logging os sys
        module: t=typing weakref
        typevar: T_shell_context_processor T_teardown T_template_filter T_template_global
        typevar: T_template_test
        builtins: _sentinel=object
        datetime: timedelta
        inspect: iscoroutinefunction
        itertools: chain
        types: TracebackType
        urllib.parse: _url_quote=quote
        werkzeug.datastructures: Headers ImmutableDict
        werkzeug.exceptions: Aborter BadRequest BadRequestKeyError HTTPException
        werkzeug.exceptions: InternalServerError
        werkzeug.routing: BuildError Map MapAdapter RequestRedirect RoutingException Rule
        werkzeug.serving: is_running_from_reloader
        werkzeug.utils: _wz_redirect=redirect cached_property
        werkzeug.wrappers: BaseResponse=Response
        werkzeug.wsgi: get_host
        .app: App=Flask
        .config: Config ConfigAttribute
        .ctx: AppContext RequestContext _AppCtxGlobals
        .globals: _cv_app _cv_request current_app g request request_ctx session
        .helpers: _split_blueprint_path get_debug_flag get_flashed_messages get_load_dotenv
        .helpers: send_from_directory
        .json.provider: DefaultJSONProvider JSONProvider
        .logging: create_logger
        .packages: find_package
        .scaffold: Scaffold _endpoint_from_view_func setupmethod
        .sessions: SecureCookieSessionInterface SessionInterface
        .signals: appcontext_tearing_down got_request_exception request_finished
        .signals: request_started request_tearing_down
        .templating: DispatchingJinjaLoader Environment
        .wrappers: Request Response
    """,
    "blueprints": """
        module: ft=hipflask.typing os t=typing
        typevar: T_after_request T_before_request T_error_handler T_teardown
        typevar: T_template_context_processor T_template_filter T_template_global T_template_test
        typevar: T_url_defaults T_url_value_preprocessor
        builtins: _sentinel=object
        collections: defaultdict
        datetime: timedelta
        functools: update_wrapper
        typing: DeferredSetupFunction=Callable
        .blueprints: SansioBlueprint=Blueprint
        .cli: AppGroup
        .globals: current_app
        .helpers: send_from_directory
        .scaffold: Scaffold _endpoint_from_view_func setupmethod
    """,
    "cli": """
        module: ast cabc=collections.abc click importlib inspect os platform re sys t=typing
        module: traceback
        typevar: F
        click.core: ParameterSource
        functools: update_wrapper
        operator: itemgetter
        types: ModuleType
        werkzeug.serving: is_running_from_reloader run_simple
        werkzeug.utils: import_string
        .globals: current_app
        .helpers: get_debug_flag get_load_dotenv
    """,
    "config": """
        module: errno json os t=typing types
        typevar: T
        werkzeug.utils: import_string
    """,
    "ctx": """
        module: contextvars ft=hipflask.typing sys t=typing
        typevar: F
        builtins: _sentinel=object
        functools: update_wrapper
        types: TracebackType
        werkzeug.exceptions: HTTPException
        .globals: _cv_app _cv_request
        .signals: appcontext_popped appcontext_pushed
    """,
    "debughelpers": """
        module: t=typing
        jinja2.loaders: BaseLoader
        werkzeug.routing: RequestRedirect
        .app: App
        .blueprints: Blueprint
        .globals: request_ctx
    """,
    "globals": """
        module: t=typing
        contextvars: ContextVar
        werkzeug.local: LocalProxy
    """,
    "helpers": """
        module: importlib os sys t=typing werkzeug
        datetime: datetime
        functools: cache update_wrapper
        werkzeug.exceptions: _wz_abort=abort
        werkzeug.utils: _wz_redirect=redirect
        werkzeug.wrappers: BaseResponse=Response
        .globals: _cv_app _cv_request current_app request request_ctx session
        .signals: message_flashed
    """,
    "json": """
        module: _json=json provider=hipflask.json.provider t=typing tag=hipflask.json.tag
        .globals: current_app
        .json.provider: _default
    """,
    "json.provider": """
        module: dataclasses decimal json t=typing uuid weakref
        datetime: date
        werkzeug.http: http_date
    """,
    "json.tag": """
        module: t=typing
        base64: b64decode b64encode
        datetime: datetime
        markupsafe: Markup
        uuid: UUID
        werkzeug.http: http_date parse_date
        .json: dumps loads
    """,
    "logging": """
        module: logging sys t=typing
        werkzeug.local: LocalProxy
        .globals: request
    """,
    "scaffold": """
        module: ft=hipflask.typing importlib os pathlib sys t=typing
        typevar: F T_after_request T_before_request T_error_handler T_route T_teardown
        typevar: T_template_context_processor T_url_defaults T_url_value_preprocessor
        builtins: _sentinel=object
        collections: defaultdict
        functools: update_wrapper
        jinja2: BaseLoader FileSystemLoader
        werkzeug.exceptions: HTTPException default_exceptions
        werkzeug.utils: cached_property
        .packages: _find_package_path find_package get_root_path
        .templating: _default_template_ctx_processor
    """,
    "sessions": """
        module: c=collections.abc hashlib t=typing
        collections.abc: MutableMapping
        datetime: datetime timezone
        itsdangerous: BadSignature URLSafeTimedSerializer
        werkzeug.datastructures: CallbackDict
        .json.tag: TaggedJSONSerializer
    """,
    "signals": """
        __future__: annotations
        blinker: Namespace
    """,
    "templating": """
        module: t=typing
        jinja2: BaseEnvironment=Environment BaseLoader Template TemplateNotFound
        .globals: _cv_app _cv_request current_app request
        .helpers: stream_with_context
        .signals: before_render_template template_rendered
    """,
    "testing": """
        module: importlib t=typing werkzeug
        click.testing: CliRunner Result
        contextlib: ExitStack contextmanager
        copy: copy
        types: TracebackType
        urllib.parse: urlsplit
        werkzeug.test: Client
        werkzeug.wrappers: BaseRequest=Request
        .cli: ScriptInfo
        .sessions: SessionMixin
    """,
    "typing": """
        module: cabc=collections.abc t=typing
    """,
    "views": """
        module: ft=hipflask.typing t=typing
        typevar: F
        .globals: current_app request
    """,
    "wrappers": """
        module: json=hipflask.json t=typing
        werkzeug.exceptions: BadRequest HTTPException
        werkzeug.wrappers: RequestBase=Request ResponseBase=Response
        .globals: current_app
        .helpers: _split_blueprint_path
    """,
}
# Flask splits these subjects in two; here one module answers to both names.
_SANSIO = ("app", "blueprints", "scaffold")


class AliasError(ImportError):
    """Raised when the alias comes too late: Flask itself is already loaded."""


# --- borrowed names -----------------------------------------------------------------------------


def _find_source(subject: str, name: str) -> tuple[str, str] | None:
    """Returns where module ``subject`` of Flask has ``name`` from: (source, name there)."""
    for line in _BORROWED[subject].splitlines():
        source, _, names = line.strip().partition(": ")
        for entry in names.split():
            alias, _, there = entry.partition("=")
            if alias == name:
                return source, there or alias
    return None


def _borrow(subject: str, name: str) -> Any:
    """Returns the object that Flask's module ``subject`` carries under ``name``.

    Raises AttributeError for a name that the table does not know.
    """
    if subject == "" and name == "__version__":
        return _read_version()
    match _find_source(subject, name):
        case None:
            raise AttributeError(name)
        case "module", there:
            return import_module(there)
        case "submodule", there:
            return import_module(f"flask.{there}")
        case "typevar", there:
            from typing import TypeVar  # rarely asked for

            return TypeVar(there)
        case source, there:
            home = f"hipflask{source}" if source.startswith(".") else source
            return getattr(import_module(home), there)


def _read_version() -> str:
    """Returns Flask's version; warns, as this attribute of Flask's does."""
    import warnings
    from importlib.metadata import version  # not while the interpreter starts

    warnings.warn(
        'flask.__version__ goes away with Flask 3.2: ask importlib.metadata.version("flask").',
        DeprecationWarning,
        stacklevel=4,
    )
    return version("flask")


def _dress(module: ModuleType) -> None:
    """Lets a hipflask module answer for Flask's: its name in ``sys.modules``, borrowed names."""
    subject = module.__name__.removeprefix("hipflask").lstrip(".")
    own: Callable[[str], Any] | None = vars(module).get("__getattr__")

    def answer(name: str) -> Any:
        if own is not None:
            try:
                return own(name)
            except AttributeError:
                pass
        try:
            return _borrow(subject, name)
        except AttributeError:
            text = f"module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=module) from None

    module.__dict__["__getattr__"] = answer
    sys.modules[module.__name__.removeprefix("hip")] = module


# --- finding modules ----------------------------------------------------------------------------


class _DressingLoader:
    """Loads a hipflask module as its own loader does, then dresses it."""

    def __init__(self, inner: Loader) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Put back, so that whatever reads resources or source meets the loader it knows.
        module.__loader__ = self.inner
        if module.__spec__ is not None:
            module.__spec__.loader = self.inner
        self.inner.exec_module(module)
        _dress(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _AliasLoader:
    """Loads ``flask.x`` by handing out the very module object ``hipflask.x``."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just set the alias's spec on our module: undo that.
        module.__spec__ = self.spec


class _MadeLoader:
    """Loads the two modules that have no counterpart here: flask.sansio and flask.__main__."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "flask.__main__":
            exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - a constant
        else:
            module.__dict__["__getattr__"] = _get_sansio_module

    def get_code(self, name: str) -> CodeType:
        return compile("from hipflask.cli import main\n\nmain()\n", f"<{name}>", "exec")


def _get_sansio_module(name: str) -> ModuleType:
    if name in _SANSIO:
        return import_module(f"flask.sansio.{name}")
    raise AttributeError(f"module 'flask.sansio' has no attribute {name!r}")


class AliasFinder:
    """The entry on ``sys.meta_path`` that answers for Flask's modules and its metadata."""

    answers_for_flask = True

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, subject = name.partition(".")
        if root == "hipflask":
            return _find_dressed(name, path) if subject in _BORROWED else None
        if root != "flask":
            return None
        if subject in ("sansio", "__main__"):
            # The file name is what runpy puts into sys.argv[0] and reloaders look at.
            origin = os.path.join(os.path.dirname(__file__), "__main__.py")
            is_package = subject == "sansio"
            return ModuleSpec(name, _MadeLoader(), origin=origin, is_package=is_package)  # type: ignore[arg-type]  # duck-typed: importlib.abc is slow to import
        return _find_alias(name)

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        """Yields a stand-in for Flask's distribution where Flask is not installed."""
        from importlib.metadata import DistributionFinder  # not while the interpreter starts

        wanted = None if context is None else context.name
        if wanted is not None and wanted.lower() != "flask":
            return
        others = [f for f in sys.meta_path if not is_alias_finder(f)]
        real_context = DistributionFinder.Context(name="flask")
        for finder in others:
            find = getattr(finder, "find_distributions", None)
            if find is not None and any(True for _ in find(real_context)):
                return
        yield _make_stand_in()


def _find_dressed(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, path)
    if spec is not None and spec.loader is not None:
        spec.loader = _DressingLoader(spec.loader)  # type: ignore[assignment]  # duck-typed
    return spec


def _find_alias(name: str) -> ModuleSpec | None:
    subject = name.removeprefix("flask").removeprefix(".sansio")
    if name.startswith("flask.sansio.") and subject[1:] not in _SANSIO:
        return None
    target = f"hipflask{subject}"
    found = find_spec(target)
    if found is None:
        return None
    spec = ModuleSpec(name, _AliasLoader(target))  # type: ignore[arg-type]  # duck-typed
    # `python -m flask` asks whether it is a package.
    spec.submodule_search_locations = found.submodule_search_locations
    return spec


def is_alias_finder(finder: object) -> bool:
    """Returns whether a ``sys.meta_path`` entry is ours, from whichever load of this file."""
    return bool(getattr(finder, "answers_for_flask", False))


def _make_stand_in() -> Distribution:
    from importlib.metadata import Distribution  # not while the interpreter starts
    from pathlib import Path

    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: Flask\nVersion: {FLASK_VERSION}\n"
        "Summary: Answered by hipflask\n",
        "entry_points.txt": "[console_scripts]\nflask = flask.cli:main\n",
    }

    class StandIn(Distribution):
        """Flask's distribution as far as anything asks for it."""

        def read_text(self, filename: str) -> str | None:
            return texts.get(filename)

        def locate_file(self, path: str | os.PathLike[str]) -> Path:
            return Path(__file__).parent.parent / path

    return StandIn()


# --- switching on -------------------------------------------------------------------------------


def install() -> None:
    """Switches the alias on for this process; calling it again changes nothing.

    Raises AliasError when Flask itself is already loaded.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "flask" and not _is_ours(name, module):
            raise AliasError(
                f"cannot answer `import flask` with hipflask: Flask itself is already loaded, from"
                f" {getattr(module, '__file__', None)}. What has been imported of it would stay"
                " Flask's. Import hipflask.as_flask before anything that imports flask, or start"
                " the program with `hipflask as-flask`."
            )
    # Read when the configuration's defaults are chosen; an explicit choice stands.
    os.environ.setdefault("HIPFLASK_DEFAULTS", "flask")
    # The .pth may have put one there already, made by its own load of this file.
    sys.meta_path[:] = [f for f in sys.meta_path if not is_alias_finder(f)]
    sys.meta_path.insert(0, AliasFinder())  # duck-typed, as above
    for name, module in list(sys.modules.items()):
        root, _, subject = name.partition(".")
        if (
            root == "hipflask"
            and subject in _BORROWED
            and name.removeprefix("hip") not in sys.modules
        ):
            _dress(module)


def _is_ours(name: str, module: ModuleType | None) -> bool:
    if module is None:
        return True
    made = name in ("flask.sansio", "flask.__main__")
    return made or module.__name__.partition(".")[0] == "hipflask"


# --- hipflask as-flask --------------------------------------------------------------------------

USAGE = """\
usage: hipflask as-flask COMMAND [ARGUMENT...]

Runs a Python command with `import flask` answered by hipflask, in the command and in every
Python process it starts. Examples:

  hipflask as-flask pytest
  hipflask as-flask gunicorn shop:app
  hipflask as-flask python manage.py
  hipflask as-flask flask --app shop run
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command under the alias. On POSIX the command takes this process's place.

    Returns the command's exit status (Windows), or 2 when it cannot be started.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if not is_wired():
        print(
            f"hipflask as-flask: {PTH_NAME} is in none of this Python's site directories, so a"
            " command would load Flask itself. Install hipflask with pip into an environment, or"
            " write `import hipflask.as_flask` as the program's first line.",
            file=sys.stderr,
        )
        return 2
    environ = make_environ(os.environ)
    command = resolve_command(words, environ["PATH"])
    if command is None:
        hint = f"; did you mean `python {words[0]}`?" if words[0].endswith(".py") else ""
        print(f"hipflask as-flask: no command {words[0]!r} found{hint}", file=sys.stderr)
        return 2
    try:
        return _replace_process(command, environ)
    except OSError as error:
        print(f"hipflask as-flask: cannot run {command[0]!r}: {error}", file=sys.stderr)
        return 2


def is_wired() -> bool:
    """Returns whether the ``.pth`` that carries the alias into child processes is installed."""
    import site

    folders = [*site.getsitepackages(), site.getusersitepackages()]
    return any(os.path.isfile(os.path.join(folder, PTH_NAME)) for folder in folders)


def make_environ(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """Returns ``environ`` with the alias on and this Python's scripts found before others."""
    import sysconfig

    result = dict(environ)
    result[SWITCH] = "1"
    result.setdefault("HIPFLASK_DEFAULTS", "flask")
    scripts = sysconfig.get_path("scripts")
    folders = result.get("PATH", os.defpath).split(os.pathsep)
    if folders[0] != scripts:
        result["PATH"] = os.pathsep.join([scripts, *folders])
    return result


def resolve_command(words: Sequence[str], path: str) -> list[str] | None:
    """Returns the command with its program's full path, or None if there is no such program.

    ``python`` is this Python, and ``flask`` our command line, whether or not Flask's own script
    is installed.
    """
    import shutil

    name, *rest = words
    if name in ("python", "python3"):
        return [sys.executable, *rest]
    if name == "flask":
        return [sys.executable, "-m", "flask", *rest]
    program = shutil.which(name, path=path)
    return None if program is None else [program, *rest]


def _replace_process(command: list[str], environ: dict[str, str]) -> int:
    sys.stdout.flush()
    if sys.platform != "win32":
        os.execvpe(command[0], command, environ)
    import subprocess  # Windows' exec would return to the shell at once

    return subprocess.call(command, env=environ)


if __name__ == "__main__":
    sys.exit(main())
install()
