"""Django with its own templates and signed cookies; orders are checked by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import path

from ..workloads import route_paths
from .shared import PRODUCTS, file_path, next_number, read_order

Respond = Callable[[HttpRequest], HttpResponse]


def plaintext(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello, World! {next_number()}", content_type="text/plain")


def greet(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!", "number": next_number()})


def show(request: HttpRequest, user: int) -> HttpResponse:
    limit = int(request.GET.get("limit", 10))
    return JsonResponse({"id": user, "limit": limit, "number": next_number()})


def create(request: HttpRequest) -> HttpResponse:
    try:
        return JsonResponse(read_order(json.loads(request.body)))
    except ValueError as error:
        return HttpResponseBadRequest(str(error))


def page(request: HttpRequest) -> HttpResponse:
    content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
    return render(request, "page.html", content)


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(file_path().open("rb"))


def form(request: HttpRequest) -> HttpResponse:
    fields = request.POST
    return JsonResponse(
        {
            "name": fields["name"],
            "city": fields["city"],
            "agreed": fields["agreed"],
            "note": fields["note"],
            "number": next_number(),
        }
    )


def visit(request: Any) -> HttpResponse:
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    session["number"] = next_number()
    return JsonResponse(
        {"visits": session["visits"], "steps": request.steps, "number": session["number"]}
    )


def step(number: int) -> Callable[[Respond], Respond]:
    """Return a middleware: a hook before and one after."""

    def middleware(get_response: Respond) -> Respond:
        def respond(request: Any) -> HttpResponse:
            request.steps = getattr(request, "steps", 0) + 1
            response = get_response(request)
            response[f"X-After-{number}"] = str(number)
            return response

        return respond

    return middleware


step_1, step_2, step_3 = step(1), step(2), step(3)


def build(urls: list[Any]) -> Any:
    """Return the application with these URLs; once in a process."""
    urlconf: Any = ModuleType("urls")
    urlconf.urlpatterns = urls
    settings.ROOT_URLCONF = urlconf
    return get_wsgi_application()


def core() -> Any:
    return build(
        [
            path("plaintext", plaintext),
            path("json", greet),
            path("users/<int:user>", show),
            path("orders", create),
            path("page", page),
            path("file", file),
            path("form", form),
        ]
    )


def routes(count: int) -> Any:
    return build([path(rule[1:], _thing(rule.split("/")[2])) for rule in route_paths(count)])


def _thing(name: str) -> Any:
    def view(request: HttpRequest, number: int | None = None) -> HttpResponse:
        found = "all" if number is None else number
        return HttpResponse(f"{name} {found} {next_number()}", content_type="text/plain")

    return view


def visits() -> Any:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.sessions.middleware.SessionMiddleware",
        *(f"{__name__}.step_{number}" for number in (1, 2, 3)),
    ]
    return build([path("visit", visit)])
