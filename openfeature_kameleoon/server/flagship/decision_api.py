"""Flagship's CDN and decision API as SDKs of any language ask them (specs/flagship.md 2, 3.1, 4.1).

On the event loop. Any API key will do: nobody is to need Flagship's here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...flagship.engine.decision import decide_all
from ...flagship.engine.evaluation import Variation
from ..guard import OF_FLAGSHIP
from ..tracked import Tracked
from .answers import campaign_answer, campaigns_answer, flags_answer
from .environment import Environment, Served
from .hits import NO_ENVIRONMENT, activation_flaws, activations_of, told
from .overrides import declared_group
from .questions import Question, Refused, Wanted, decoded, read_question, refusal_of_fields

__all__ = ["DecisionApi", "answering", "json_response"]

Endpoint = Callable[[Request], Awaitable[Response]]

ACTIVATE, CAMPAIGN, CONTEXT = "ACTIVATE", "CAMPAIGN", "CONTEXT"
"""What is noted of activations, of campaigns that an answer activated by itself, and of contexts."""


class DecisionApi:
    """Routes for SDKs, below one prefix; those without an environment id are a self-hosted decision API's."""

    def __init__(self, environment: Environment, tracked: Tracked) -> None:
        self._environment = environment
        self._tracked = tracked
        prefix = OF_FLAGSHIP.rstrip("/")
        posts = [
            Route(f"{prefix}/{version}{path}", answering(endpoint), methods=["POST"])
            for version in ("v2", "v1")
            for path, endpoint in (
                ("/activate", self._activate),
                *(
                    (f"{env_id}{place}", endpoint)
                    for env_id in ("", "/{env_id}")
                    for place, endpoint in (
                        ("/campaigns", self._campaigns),
                        ("/campaigns/", self._campaigns),
                        ("/campaigns/{campaign:path}", self._campaign),
                        ("/flags", self._flags),
                        ("/events", self._context),
                    )
                ),
            )
        ]
        self.routes = [*posts, Route(f"{prefix}/{{env_id}}/bucketing.json", self._file)]

    # The bucketing file -----------------------------------------------------------------------------------------------

    async def _file(self, request: Request) -> Response:
        if not self._environment.is_served(request.path_params["env_id"]):
            return Response("no such environment", 404)
        served = self._environment.served
        if served is None:
            return Response("there is no bucketing file yet", 503, {"Retry-After": "1"})
        headers = {"Last-Modified": served.last_modified, "Cache-Control": "no-cache"}
        if request.headers.get("if-modified-since") == served.last_modified:
            return Response(status_code=304, headers=headers)
        return Response(served.raw, headers=headers, media_type="application/json")

    # Decisions --------------------------------------------------------------------------------------------------------

    async def _campaigns(self, request: Request) -> Response:
        served, question, wanted = await self._asked(request)
        variations = self._decided(served, question, wanted)
        answer = campaigns_answer(
            question.visitor_id,
            variations,
            mode=wanted.mode,
            all_keys=wanted.exposes_all_keys,
            in_panic=served.ruleset.panic,
        )
        if wanted.has_settings:
            members = msgspec.json.decode(served.raw, type=dict[str, msgspec.Raw])
            answer["extras"] = {"accountSettings": members.get("accountSettings", {})}
        return json_response(answer)

    async def _campaign(self, request: Request) -> Response:
        served, question, wanted = await self._asked(request)
        asked_for = request.path_params["campaign"]
        place = next(
            (
                place
                for place, campaign in enumerate(served.ruleset.campaigns)
                if asked_for in (campaign.id, campaign.slug)
            ),
            None,
        )
        if place is None:
            raise Refused(f"campaign {asked_for:.100} not found")
        variations = self._decided(served, question, wanted, place)
        if not variations:
            return Response(status_code=204)
        return json_response(campaign_answer(variations[0], all_keys=wanted.exposes_all_keys))

    async def _flags(self, request: Request) -> Response:
        served, question, wanted = await self._asked(request, exposes_all_keys=True)
        variations = self._decided(served, question, wanted)
        return json_response(flags_answer(variations, all_keys=wanted.exposes_all_keys))

    async def _asked(self, request: Request, *, exposes_all_keys: bool = False) -> tuple[Served, Question, Wanted]:
        self._check_environment(request.path_params.get("env_id"))
        question = read_question(await request.body())
        served = self._environment.served
        if served is None:
            raise Refused("there is no bucketing file yet", 500)
        return served, question, Wanted.of(request.query_params, exposes_all_keys=exposes_all_keys)

    def _decided(self, served: Served, question: Question, wanted: Wanted, place: int | None = None) -> list[Variation]:
        """What the visitor gets of all campaigns, or of the one at this place; and what becomes of it (2.7)."""
        ruleset, assignments = served.ruleset, self._environment.assignments
        owners = question.owners(is_continued=ruleset.settings.enabled_xpc is True)
        visitor = self._environment.visitor(served, question.visitor, owners)
        choices = ruleset.choices if place is None else ruleset.choices[place : place + 1]
        one_test = ruleset.one_test(visitor)
        variations = [] if ruleset.panic else decide_all(choices, visitor, one_test).variations
        assignments.remember(owners, variations, as_seen=question.trigger_hit)
        if question.trigger_hit:
            for variation in variations:
                seen = {"caid": variation.group_id, "vaid": variation.id}
                self._tracked.note(CAMPAIGN, question.visitor_id, seen, words=_words(variation))
        if wanted.sends_context and question.visitor_consent and not ruleset.panic:
            self._tracked.note(CONTEXT, question.visitor_id, question.context)
        return variations

    # What is reported -------------------------------------------------------------------------------------------------

    async def _context(self, request: Request) -> Response:
        self._check_environment(request.path_params.get("env_id"))
        fields = decoded(await request.body())
        visitor_id, context = fields.get("visitorId"), fields.get("data")
        if not isinstance(visitor_id, str) or not visitor_id:
            raise refusal_of_fields({"visitorId": "Field is mandatory."})
        if fields.get("type") != CONTEXT or not isinstance(context, dict):
            raise Refused("the body is not what is expected: an event of the type CONTEXT, whose data are the context")
        self._tracked.note(CONTEXT, visitor_id, context)
        return Response(status_code=204)

    async def _activate(self, request: Request) -> Response:
        activations = activations_of(decoded(await request.body()))
        flaws = [self._flaws(activation) for activation in activations]
        if all(flaws):
            raise refusal_of_fields(flaws[0] if flaws else {"batch": "Field is mandatory."})
        for activation, wrong in zip(activations, flaws, strict=True):
            self._activated(activation, wrong)
        return Response(status_code=204)

    def _flaws(self, activation: dict[str, Any]) -> dict[str, str]:
        flaws = activation_flaws(activation)
        if "cid" not in flaws and not self._environment.is_served(activation["cid"]):
            flaws["cid"] = NO_ENVIRONMENT
        return flaws

    def _activated(self, activation: dict[str, Any], flaws: dict[str, str]) -> None:
        if flaws:
            visitor_id = activation.get("vid")
            self._note(visitor_id if isinstance(visitor_id, str) else "", activation, problem=told(flaws))
            return
        visitor_id, group_id, variation_id = (activation[name] for name in ("vid", "caid", "vaid"))
        variation = self._variation(group_id, variation_id)
        if variation is None:
            problem = f"there is no variation {variation_id:.60} in a variation group {group_id:.60}"
            self._note(visitor_id, activation, problem=problem)
            return
        owners = [("visitor", each) for each in (visitor_id, activation.get("aid")) if isinstance(each, str) and each]
        self._environment.assignments.activate(owners, group_id, variation_id)
        self._note(visitor_id, activation, words=_words(variation))

    def _note(self, visitor_id: str, activation: dict[str, Any], **more: str) -> None:
        fields = {name: value for name, value in activation.items() if name != "vid"}
        self._tracked.note(ACTIVATE, visitor_id, fields, **more)

    def _variation(self, group_id: str, variation_id: str) -> Variation | None:
        """The variation; also of an override that is gone since, as SDKs report later than they decide."""
        served, group_id = self._environment.served, declared_group(group_id)
        for campaign in served.declared.campaigns if served else ():
            for group in campaign.groups:
                if group.id == group_id:
                    return group.by_id.get(variation_id)
        return None

    def _check_environment(self, env_id: str | None) -> None:
        if env_id is not None and not self._environment.is_served(env_id):
            raise Refused(f"environment {env_id:.100} not found")


def answering(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose refusals are answers, too."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refused:
            return json_response({"message": refused.message}, refused.status)
        except ClientDisconnect:  # also the guard's way to end a body that is too long
            return json_response({"message": "the body is too long, or did not come in time"}, 400)

    return answer


def json_response(content: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _words(variation: Variation) -> str:
    return f"{variation.campaign_name or variation.campaign_id}: {variation.name or variation.id}"
