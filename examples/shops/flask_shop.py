"""A shop with Flask: flags, conversions and consent are about the visitor of the request, whom no view has to name.

Run: cd examples/shops && gunicorn --workers 2 --preload --threads 4 flask_shop:app
Then: http://localhost:8000/ and, as a customer of that plan, http://localhost:8000/?plan=pro

It runs offline with ../flags.json; with KAMELEOON_SITE_CODE=<yours> set, with your site.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask, redirect, render_template_string, request
from flask.typing import ResponseReturnValue
from openfeature import api
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon.web import Exchange, current_visit
from openfeature_kameleoon.web.flask import Kameleoon

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


app = Flask(__name__)
app.config["KAMELEOON_SITE_CODE"] = SITE_CODE or "a8st4f59bj"
app.config["KAMELEOON_CONFIGURATION"] = {
    "data_file": None if SITE_CODE else Path(__file__).parents[1] / "flags.json",
    "goals": {"purchase": 4401},
}
Kameleoon(app, consent=consent)  # the data file is loaded here: with --preload, before the workers are forked
flags = api.get_client()


@app.get("/", defaults={"bought": False})
@app.get("/thanks", defaults={"bought": True})
def page(bought: bool) -> ResponseReturnValue:
    nonce = secrets.token_urlsafe(16)
    html = render_template_string(PAGE, nonce=nonce, bought=bought, plan=request.args.get("plan"))
    return html, {"Content-Security-Policy": POLICY.format(nonce)}


@app.post("/buy")
def buy() -> ResponseReturnValue:
    flags.track("purchase", tracking_event_details=TrackingEventDetails(value=9.5))
    return redirect("/thanks", 303)


@app.post("/consent")
def take_consent() -> ResponseReturnValue:
    answer = "yes" if request.args.get("answer") == "yes" else "no"
    visit = current_visit()
    visit.client.set_legal_consent(visit.visitor_code, answer == "yes")
    response = redirect("/", 303)
    response.set_cookie("consent", answer, max_age=31_536_000, samesite="Lax")
    return response


@app.get("/api/flags")
def api_flags() -> ResponseReturnValue:
    return {
        "checkout_button": flags.get_string_value("checkout_button", "Buy"),
        "new_checkout": flags.get_boolean_value("new_checkout", False),
    }
