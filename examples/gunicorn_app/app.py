"""A web application under gunicorn: its flags are loaded once, before the workers are forked.

Run: cd examples/gunicorn_app && gunicorn app:application (KAMELEOON_SITE_CODE=<yours> has to be set)
Then: curl 'localhost:8000/?visitor=ann' and curl 'localhost:8000/buy?visitor=ann'

``gunicorn.conf.py`` beside this file says that the application is loaded in the master. Workers need nothing: each of
them follows the data file, and reports what it did, by itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

log = logging.getLogger("shop")

configuration = KameleoonClientConfiguration(goals={"purchase": 4401})
try:
    api.set_provider_and_wait(KameleoonProvider(os.environ["KAMELEOON_SITE_CODE"], configuration))
except OpenFeatureError as error:  # it goes on trying in the background; until then callers' defaults are the answers
    log.warning("no flags yet: %s", error)
flags = api.get_client()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Show the button of the checkout; take an order."""
    visitor = EvaluationContext(parse_qs(environ["QUERY_STRING"]).get("visitor", [""])[0])
    if environ["PATH_INFO"] == "/buy":
        flags.track("purchase", visitor, TrackingEventDetails(value=9.5))
        page = "Thank you"
    else:
        page = flags.get_string_value("checkout_button", "Buy", visitor)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [page.encode()]
