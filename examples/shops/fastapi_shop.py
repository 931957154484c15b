"""A shop with FastAPI: flags, conversions and consent are about the visitor of the request, whom no view has to name.

Run: cd examples/shops && uvicorn --workers 2 fastapi_shop:app
Then: http://localhost:8000/ and, as a customer of that plan, http://localhost:8000/?plan=pro

It runs offline with ../flags.json; with KAMELEOON_SITE_CODE=<yours> set, with your site.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import DictLoader, Environment
from openfeature import api
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.web import Exchange, current_visit, start_provider
from openfeature_kameleoon.web.asgi import KameleoonASGIMiddleware
from openfeature_kameleoon.web.jinja import add_globals

SITE_CODE = os.environ.get("KAMELEOON_SITE_CODE")

# Kameleoon's own script, if the page has it, needs its hosts here, too.
POLICY = "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; form-action 'self'"

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tea shop</title><link rel="icon" href="data:,">
<style nonce="{{ nonce }}">
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  button { font: inherit; padding: .5rem 1rem; border: 1px solid #888; border-radius: .4rem; background: #fff }
  .buy { width: 100%; border: 0; color: #fff; background: {{ "green" if flag("new_checkout", plan=plan) else "navy" }} }
</style>
{% if bought %}<h1>Thank you</h1><p>Your tea is on its way. <a href="/">Back to the shop</a></p>{% else %}
<h1>Assam tea</h1><p>Strong and malty, 100 g: <strong>€ 9.50</strong></p>
<form method="post" action="/buy"><button class="buy">{{ flag("checkout_button", "Buy") }}</button></form>
<form method="post"><p>May we measure what you do here?</p>
<button formaction="/consent?answer=yes">Yes</button> <button formaction="/consent?answer=no">No</button></form>
{% endif %}{{ engine_tracking_code(nonce) }}
"""  # the tracking code stands last: it tells of the flags that were evaluated before


def consent(exchange: Exchange) -> bool | None:
    """What the visitor has answered. A cookie keeps it, so that each worker knows."""
    return {"yes": True, "no": False}.get(exchange.cookies.get("consent", ""))


data_file = None if SITE_CODE else Path(__file__).parents[1] / "flags.json"
configuration = KameleoonClientConfiguration(data_file=data_file, goals={"purchase": 4401})
provider = KameleoonProvider(SITE_CODE or "a8st4f59bj", configuration)
start_provider(provider)  # waits for the data file

app = FastAPI()
app.add_middleware(KameleoonASGIMiddleware, client=provider, consent=consent)
templates = Jinja2Templates(env=Environment(loader=DictLoader({"page.html": PAGE}), autoescape=True))
add_globals(templates.env)
flags = api.get_client()


@app.get("/")
@app.get("/thanks")
def page(request: Request, plan: str | None = None) -> HTMLResponse:
    nonce = secrets.token_urlsafe(16)
    values = {"nonce": nonce, "bought": request.url.path == "/thanks", "plan": plan}
    headers = {"Content-Security-Policy": POLICY.format(nonce)}
    return templates.TemplateResponse(request, "page.html", values, headers=headers)


@app.post("/buy")
def buy() -> RedirectResponse:
    flags.track("purchase", tracking_event_details=TrackingEventDetails(value=9.5))
    return RedirectResponse("/thanks", 303)


@app.post("/consent")
def take_consent(answer: str = "no") -> RedirectResponse:
    visit = current_visit()
    visit.client.set_legal_consent(visit.visitor_code, answer == "yes")
    response = RedirectResponse("/", 303)
    response.set_cookie("consent", "yes" if answer == "yes" else "no", max_age=31_536_000)
    return response


@app.get("/api/flags")
async def api_flags() -> dict[str, object]:
    return {
        "checkout_button": await flags.get_string_value_async("checkout_button", "Buy"),
        "new_checkout": await flags.get_boolean_value_async("new_checkout", False),
    }
