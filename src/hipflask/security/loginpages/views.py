"""The login's routes. Plain functions: they wait for argon2 and for stores, in the pool."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException

from ...globals import current_app, request, session
from ...look import check_origin
from ...wrappers import Response
from ..audit import tell_login
from ..identity import Identity, Refused, current_identity
from ..oidc import CAME, OIDCLogin, ProviderAway
from ..passwords import LONGEST_PASSWORD
from ..redirects import safe_next
from ..sessionlogin import SessionLogin
from ..throttle import Throttle
from .pages import link, page

LONGEST_NAME = 256
#: In the session of whoever logged in elsewhere, and may log out there.
_WENT_OUT = "out"


class Views:
    """The views of one application's login."""

    def __init__(
        self,
        check: Callable[[str, str], Any] | None,
        oidc: OIDCLogin | None,
        throttle: Throttle,
        provider: SessionLogin,
        after: str,
        keep: tuple[str, ...],
        title: str,
        name_label: str,
    ) -> None:
        self._check: Any = check
        self._oidc = oidc
        self._throttle = throttle
        self._provider = provider
        self._after = after
        self._keep = keep
        self._texts: dict[str, Any] = {"title": title, "name_label": name_label}

    def register(self, blueprint: Any) -> None:
        """Give the blueprint its rules."""
        blueprint.add_url_rule("", "page", self.show, methods=["GET"])
        if self._check is not None:
            blueprint.add_url_rule("", "enter", self.enter, methods=["POST"])
        blueprint.add_url_rule("/out", "out", self.leave, methods=["POST"])
        if self._oidc is not None:
            blueprint.add_url_rule("/oidc", "oidc", self.go, methods=["GET"])
            blueprint.add_url_rule("/oidc/callback", "callback", self.come, methods=["GET"])

    def show(self) -> Response:
        """The form, or who is logged in."""
        wanted = safe_next(request.args.get("next"), "")
        identity = self._known()
        if identity is not None:
            return page(
                "known.html", forms=self._leads_to(), identity=identity,
                wanted=wanted or self._after, **self._texts,
            )  # fmt: skip
        notice = "You are logged out." if _WENT_OUT in request.args else ""
        return self._form(wanted, notice=notice)

    def enter(self) -> Response:
        """Take name and password."""
        check_origin(request, also="none")
        name, password = request.form.get("name", ""), request.form.get("password", "")
        wanted = safe_next(request.form.get("next"), "")
        if not name or not password:
            text = "Give both your name and your password."
            return self._form(wanted, 400, error=text, name=name[:LONGEST_NAME])
        if len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
            return self._form(wanted, 400, error="Name or password is too long.")
        try:
            identity = self._ask(name, password)
        except HTTPException as error:
            if error.code not in (429, 503):
                raise
            return self._not_now(error, wanted, name)
        if identity is None:
            tell_login("wrong", name)
            text = "Name and password do not belong together."
            response = self._form(wanted, 401, error=text, name=name)
            response.headers["WWW-Authenticate"] = self._provider.challenge()
            return response
        self._provider.begin(identity, self._keep)
        return _to(wanted or self._after)

    def leave(self) -> Response:
        """Log out, here or everywhere."""
        check_origin(request, also="none")
        where = None
        if self._oidc is not None:
            back = link("page", _external=True, **{_WENT_OUT: ""})
            where = self._oidc.logout_location(back)
        self._provider.end(everywhere="everywhere" in request.form)
        return _to(where or link("page", **{_WENT_OUT: ""}))

    def go(self) -> Response:
        """Send somebody to the provider of OpenID Connect."""
        wanted = safe_next(request.args.get("next"), "")
        try:
            return _to(self._provided().begin(link("callback", _external=True), wanted))
        except HTTPException as error:
            return self._not_now(error, wanted)

    def come(self) -> Response:
        """Take whoever comes back from there."""
        try:
            identity, wanted = self._provided().finish(
                request.args, link("callback", _external=True)
            )
        except Refused as error:
            tell_login("wrong", "")
            return self._form("", 403, error=error.description or "Logging in failed.")
        except ProviderAway as error:
            return self._not_now(error, "")
        self._provider.begin(identity, self._keep)
        session[CAME] = True
        return _to(safe_next(wanted, "") or self._after)

    def _provided(self) -> OIDCLogin:
        assert self._oidc is not None  # its routes are there only if it is
        return self._oidc

    def _known(self) -> Identity | None:
        """Who has logged in here; a key in a header field is no login."""
        identity = current_identity()
        return identity if identity is not None and identity.via == self._provider.name else None

    def _ask(self, name: str, password: str) -> Identity | None:
        attempt = self._throttle.begin(name, request.remote_addr)
        try:
            found: Identity | None = current_app.ensure_sync(self._check)(name, password)
        except Refused:
            return None
        except BaseException:
            attempt.take_back()
            raise
        if found is not None:
            attempt.succeeded()
        return found

    def _form(self, wanted: str, code: int = 200, **names: Any) -> Response:
        return page(
            "form.html", code, wanted=wanted, has_passwords=self._check is not None,
            oidc_title=None if self._oidc is None else self._oidc.title,
            **self._texts, **names,
        )  # fmt: skip

    def _not_now(self, error: HTTPException, wanted: str, name: str = "") -> Response:
        wait_s: Any = getattr(error, "retry_after", None) or 5
        text = f"{error.description} Wait {_span(int(wait_s))}."
        response = self._form(wanted, error.code or 503, error=text, name=name)
        response.headers["Retry-After"] = str(wait_s)
        return response

    def _leads_to(self) -> str:
        where = None if self._oidc is None else self._oidc.logout_location("")
        parts = urlsplit(where or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _to(place: str) -> Response:
    return Response("", 303, {"Location": place, "Cache-Control": "no-store"})


def _span(seconds: int) -> str:
    if seconds < 100:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{math.ceil(seconds / 60)} minutes"
