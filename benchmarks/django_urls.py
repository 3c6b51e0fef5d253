"""What the Django application of the benchmarks serves."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


async def order(request: HttpRequest, number: str) -> HttpResponse:
    """Answer."""
    return HttpResponse("{}")


urlpatterns = [path("orders/<str:number>", order)]
