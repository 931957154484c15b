"""Credentials stay out of errors, logs and what is shown, also when the server repeats them."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response
from werkzeug import Request

from openfeature_kameleoon.management.automation import AccessToken, Automation, ClientCredentials, OAuthApplication
from openfeature_kameleoon.management.rest import ApiError, FixedCredential, Retries
from openfeature_kameleoon.settings import MASK, Secret
from tests.management.echo import TOKEN, Echo
from tests.management.standins.serving import Fault, answering, dropped

PASSWORD = "canary pass+word&more"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()


class Repeating(Fault):
    """Answers with everything that came, in the body and in a header; with text in front nobody reads it as JSON."""

    def __init__(self, status: int) -> None:
        self._status = status

    def before(self, asked: Request) -> Response:
        authorization = asked.headers.get("Authorization", "none")
        came = f"you sent {authorization}, {authorization.rpartition(' ')[2]} and {asked.get_data(as_text=True)}"
        return Response(came, self._status, {"X-You-Sent": authorization})


def everything_of(error: ApiError) -> str:
    """All that an error says or holds."""
    held = [str(error), repr(error), error.body, error.url, repr(error.exchange), repr(dict(error.exchange.headers))]
    return "\n".join([*held, *traceback.format_exception(error), repr(pickle.dumps(error))])


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
def test_a_credential_that_the_server_repeats_is_masked(api: Echo, status: int) -> None:
    api.strike(Repeating(status))

    with pytest.raises(ApiError) as caught:
        api.rest(retries=Retries(attempts=1, patience_seconds=0)).call("GET", "goals")

    assert caught.value.status == status
    assert caught.value.body == f"you sent {MASK}, {MASK} and "
    assert caught.value.exchange.headers["x-you-sent"] == MASK
    assert TOKEN not in everything_of(caught.value)


@pytest.mark.parametrize(
    "spelling", [PASSWORD, "canary+pass%2Bword%26more", BASIC, f"Basic {BASIC}"], ids=["plain", "form", "base64", "all"]
)
def test_so_is_a_password_that_was_sent_in_base64(api: Echo, spelling: str) -> None:
    api.strike(answering(400, {"message": f"no user has {spelling}"}))
    basic = FixedCredential("Authorization", Secret(f"Basic {BASIC}"))

    with pytest.raises(ApiError, match="400 Bad Request: no user has ") as caught:
        api.rest(authentication=basic).call("GET", "goals")

    assert caught.value.payload == {"message": f"no user has {MASK}"}
    assert spelling not in everything_of(caught.value)


def test_so_is_a_secret_of_a_form(api: Echo) -> None:
    api.strike(Repeating(400))

    with pytest.raises(ApiError) as caught:
        api.rest().send("POST", "token", data={"client_id": "shop", "client_secret": Secret(PASSWORD)})

    assert caught.value.body == f"you sent {MASK}, {MASK} and client_id=shop&client_secret={MASK}"


def test_what_is_no_base64_is_masked_as_it_is(api: Echo) -> None:
    api.strike(Repeating(400))
    wrong = FixedCredential("Authorization", Secret("Basic canary:plain"))

    with pytest.raises(ApiError) as caught:
        api.rest(authentication=wrong).call("GET", "goals")

    assert "canary" not in everything_of(caught.value)


def test_an_answer_without_the_credential_is_told_whole(api: Echo) -> None:
    api.strike(answering(400, {"message": "A segment with the same name already exists"}))

    with pytest.raises(ApiError, match="400 Bad Request: A segment with the same name already exists") as caught:
        api.rest().call("POST", "segments")

    assert caught.value.payload == {"message": "A segment with the same name already exists"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: AccessToken("canary-token"),
        lambda: ClientCredentials("client", "canary-secret"),
        lambda: OAuthApplication("client", "canary-secret", "https://dash.example.net/callback"),
        lambda: OAuthApplication("client", "canary-secret", "https://dash.example.net/cb").kept("canary-refresh-token"),
        lambda: Automation(token="canary-token"),
        lambda: Automation("client", "canary-secret"),
        lambda: Automation(token="canary-token").goals,
        lambda: Automation(token="canary-token").goals.get,
    ],
)
def test_what_holds_a_credential_does_not_show_it(make: Callable[[], Any]) -> None:
    assert "canary" not in f"{make()!r} {make()}"


def test_a_log_of_everything_holds_no_credential(api: Echo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    grant = {"access_token": "canary-access", "expires_in": 7200}
    api.strike(
        answering(200, grant),
        answering(401),
        answering(200, {**grant, "access_token": "canary-second"}),
        answering(429, headers={"Retry-After": "30"}),
        answering(503),
        dropped(),
    )

    with Automation("shop", "canary-secret", base_url=api.url, wait=api.waits.append) as automation:
        automation.request("GET", "/goals", query=[("name", "n")])

    sent = [entry.headers.get("Authorization") for entry in api.log]
    assert [one for one in sent if one] == ["Bearer canary-access", *["Bearer canary-second"] * 4]
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert "canary" not in caplog.text
