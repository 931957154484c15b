"""A shop with Django: flags, conversions and consent are about the visitor of the request, whom no view has to name.

Run: cd examples/shops && gunicorn --workers 2 --preload --threads 4 django_shop:application
Or: cd examples/shops && uvicorn --workers 2 django_shop:asgi
Then: http://localhost:8000/ and, as a customer of that plan, http://localhost:8000/?plan=pro

It runs offline with ../flags.json; with KAMELEOON_SITE_CODE=<yours> set, with your site.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST
from openfeature import api
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon.web import Exchange, current_visit
from openfeature_kameleoon.web.django.asgi import get_asgi_application  # Django's own sends nothing at the end

SITE_CODE = os.environ.get("KAMELEOON_SITE_CODE")

# Kameleoon's own script, if the page has it, needs its hosts here, too.
POLICY = "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; form-action 'self'"

PAGE = """{% load kameleoon %}{% flag "new_checkout" plan=plan as is_new %}<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tea shop</title><link rel="icon" href="data:,">
<style nonce="{{ nonce }}">
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  button { font: inherit; padding: .5rem 1rem; border: 1px solid #888; border-radius: .4rem; background: #fff }
  .buy { width: 100%; border: 0; color: #fff; background: {{ is_new|yesno:"green,navy" }} }
</style>
{% if bought %}<h1>Thank you</h1><p>Your tea is on its way. <a href="/">Back to the shop</a></p>{% else %}
<h1>Assam tea</h1><p>Strong and malty, 100 g: <strong>€ 9.50</strong></p>
<form method="post" action="/buy">{% csrf_token %}<button class="buy">{% flag "checkout_button" "Buy" %}</button></form>
<form method="post">{% csrf_token %}<p>May we measure what you do here?</p>
<button formaction="/consent?answer=yes">Yes</button> <button formaction="/consent?answer=no">No</button></form>
{% endif %}{% engine_tracking_code nonce %}
"""  # the tracking code stands last: it tells of the flags that were evaluated before


def consent(exchange: Exchange) -> bool | None:
    """What the visitor has answered. A cookie keeps it, so that each worker knows."""
    return {"yes": True, "no": False}.get(exchange.cookies.get("consent", ""))


settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["openfeature_kameleoon.web.django"],
    MIDDLEWARE=[
        "django.middleware.csrf.CsrfViewMiddleware",
        "openfeature_kameleoon.web.django.middleware.KameleoonMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]},
        }
    ],
    KAMELEOON_SITE_CODE=SITE_CODE or "a8st4f59bj",
    KAMELEOON_CONFIGURATION={
        "data_file": None if SITE_CODE else Path(__file__).parents[1] / "flags.json",
        "goals": {"purchase": 4401},
    },
    KAMELEOON_OPTIONS={"consent": consent},
)
flags = api.get_client()


def page(request: HttpRequest, bought: bool = False) -> HttpResponse:
    nonce = secrets.token_urlsafe(16)
    response = render(request, "page.html", {"nonce": nonce, "bought": bought, "plan": request.GET.get("plan")})
    response["Content-Security-Policy"] = POLICY.format(nonce)
    return response


@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    flags.track("purchase", tracking_event_details=TrackingEventDetails(value=9.5))
    return redirect("/thanks")


@require_POST
def take_consent(request: HttpRequest) -> HttpResponse:
    answer = "yes" if request.GET.get("answer") == "yes" else "no"
    visit = current_visit()
    visit.client.set_legal_consent(visit.visitor_code, answer == "yes")
    response = redirect("/")
    response.set_cookie("consent", answer, max_age=31_536_000, samesite="Lax")
    return response


async def api_flags(request: HttpRequest) -> JsonResponse:
    button = await flags.get_string_value_async("checkout_button", "Buy")
    is_new = await flags.get_boolean_value_async("new_checkout", False)
    return JsonResponse({"checkout_button": button, "new_checkout": is_new})


urlpatterns = [
    path("", page),
    path("thanks", page, {"bought": True}),
    path("buy", buy),
    path("consent", take_consent),
    path("api/flags", api_flags),
]
application = get_wsgi_application()  # the data file is loaded here: with --preload, before the workers are forked
asgi = get_asgi_application()
