"""Invoices in Django, on record.

    pip install "asgi-audit[sqlite,cli]" django uvicorn
    python app.py

    curl -c jar -X POST localhost:8000/sign-in --json '{"name": "ada", "password": "lovelace"}'
    curl -b jar -X PUT localhost:8000/invoices/2026-117 --json '{"cents": 2500}'
    asgi-audit log audit.db

Ada may change and approve, Grace ("hopper") may delete. A project of one file; of a real one, only what stands between
<install> and </install> belongs into `asgi.py`.
"""

import json
import os
import secrets
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import django
import uvicorn
from django.conf import settings

# <actor>
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "invoices.db"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET", secrets.token_urlsafe()),
    USE_TZ=True,
)
django.setup()
# </actor>

from django.contrib.auth import authenticate, login  # noqa: E402 - Django wants its settings first
from django.contrib.auth.models import User  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_http_methods  # noqa: E402

from asgi_audit import AuditTrail, Policy, Target, annotate, audited  # noqa: E402
from asgi_audit.contrib.django import install  # noqa: E402

invoices = {"2026-117": 1999}


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.user.is_authenticated else HttpResponse(status=401)

    return checked


@require_http_methods(["POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    given = json.loads(request.body)
    user = authenticate(request, username=given["name"], password=given["password"])
    if user is None:
        return HttpResponse(status=401)
    login(request, user)  # from here on the trail knows who it is
    return JsonResponse({})


# <actions>
@require_http_methods(["PUT", "DELETE"])
@signed_in
def invoice(request: HttpRequest, number: str) -> HttpResponse:
    if request.method == "DELETE":
        return delete(request, number)
    cents = json.loads(request.body)["cents"]
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
    invoices[number] = cents
    return JsonResponse({"cents": cents})


@require_http_methods(["POST"])
@signed_in
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
def approve(request: HttpRequest, number: str) -> HttpResponse:
    return JsonResponse({"approved": number})


# </actions>
def delete(request: HttpRequest, number: str) -> HttpResponse:
    if not request.user.is_superuser:
        return HttpResponse(status=403)
    annotate(target=Target(number, type="invoice"))
    return HttpResponse(status=204)


@require_http_methods(["POST"])
@signed_in
def attach(request: HttpRequest, number: str) -> HttpResponse:
    annotate(target=Target(number, type="invoice"))
    return JsonResponse({"size": len(request.FILES["file"].read())}, status=201)


@require_http_methods(["POST"])
def report(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the printer is on fire")


urlpatterns = [
    path("sign-in", sign_in),
    path("invoices/<str:number>", invoice),
    path("invoices/<str:number>/approve", approve),
    path("invoices/<str:number>/attachment", attach),
    path("reports", report),
]


def prepare() -> None:
    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_user("ada", password="lovelace", id=42)
        User.objects.create_superuser("grace", password="hopper", id=43)


with ThreadPoolExecutor(1) as aside:  # servers import this in their event loop, where the ORM does not work
    aside.submit(prepare).result()


# <install>
def tenant_of(scope: MutableMapping[str, Any]) -> str:
    host: bytes = dict(scope["headers"])[b"host"]
    return host.decode().partition(".")[0]  # acme, of acme.example


trail = AuditTrail(
    "sqlite:///audit.db",
    policy=Policy([*Policy.mutations, *Policy.denials]),
    tenant=tenant_of,
    service="invoices",
)
app = install(get_asgi_application(), trail)
# </install>

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
