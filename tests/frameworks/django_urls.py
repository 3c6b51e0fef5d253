"""What the Django project of the tests serves."""

import asyncio
from collections.abc import AsyncIterator

from django.contrib.auth import authenticate, login, logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from django.views import View

from asgi_audit import annotate, current_actor, set_actor


def change(request: HttpRequest, **values: object) -> HttpResponse:
    """Tell what was found."""
    return JsonResponse({key: str(value) for key, value in values.items()})


async def people(request: HttpRequest, person: str) -> HttpResponse:
    """Say who it is."""
    set_actor(person)
    await asyncio.sleep(0)
    annotate(reason=person)
    return HttpResponse()


def value(request: HttpRequest) -> HttpResponse:
    """Break."""
    raise ValueError("no")


def denied(request: HttpRequest) -> HttpResponse:
    """Refuse."""
    raise PermissionDenied


def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in."""
    login(request, authenticate(request, username="ada", password="lovelace"))
    return HttpResponse()


def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    logout(request)
    return HttpResponse()


def look(request: HttpRequest) -> HttpResponse:
    """Look who it is."""
    before = current_actor()
    return JsonResponse({"seen": request.user.is_authenticated, "before": before and before.id})


async def alook(request: HttpRequest) -> HttpResponse:
    """Look who it is, asynchronously."""
    user = await request.auser()
    return JsonResponse({"seen": user.is_authenticated})


def pass_by(request: HttpRequest) -> HttpResponse:
    """Don't look."""
    return HttpResponse()


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Stream."""

    async def content() -> AsyncIterator[bytes]:
        yield b"half"
        yield b"full"

    return StreamingHttpResponse(content())


class Things(View):  # type: ignore[misc]  # Django has no types
    """A view that is a class."""

    def put(self, request: HttpRequest) -> HttpResponse:
        """Put."""
        return HttpResponse()


class Members:
    """Looks like a view set of Django REST framework."""


def members(request: HttpRequest) -> HttpResponse:
    """Add."""
    return HttpResponse()


members.cls = Members  # type: ignore[attr-defined]
members.actions = {"post": "create", "get": "list"}  # type: ignore[attr-defined]


inner = [
    path("<int:number>/<path:rest>", change),
    re_path(r"^in/(?P<year>[0-9]{4})/(?:page-(?P<page>\d+)/)?$", change),
]
urlpatterns = [
    path("things/", include(inner)),
    path("class/", Things.as_view()),
    path("members/", members),
    path("people/<str:person>", people),
    *(path(view.__name__, view) for view in (value, denied, sign_in, sign_out, look, alook, pass_by, stream)),
]
