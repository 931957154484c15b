"""Every operation of the Automation API: the call, the exact request it makes, the object it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses

from openfeature_kameleoon.management.automation import Automation, Condition, all_of, any_of, where
from openfeature_kameleoon.management.rest import DOCUMENTED, OBSERVED, Record, operations
from tests.management.examples import example

BASE = "https://api.kameleoon.com"
SITE = example("automation-site")
ACCOUNT = example("automation-account-create")
EXPERIMENT = example("automation-experiment-create")
LAUNCH = example("automation-experiment-update-launch")
CLONE = example("automation-experiment-clone")["response"]["body"]
VARIATION = example("automation-variation")
PERSONALIZATION = example("automation-personalization")
GOAL = example("automation-goal")
SEGMENT = example("automation-segment")
CUSTOM_DATA = example("automation-custom-data")
FLAG = example("automation-feature-flag-create")
RULES = example("automation-feature-flag-rules")
TARGETING = example("automation-targeting-rule")
RESULTS = example("automation-results")
MISC = example("automation-misc")

PAGE = {"page": "1", "perPage": "200"}

Call = Callable[[Automation], Any]


@dataclass(frozen=True)
class Row:
    """A call; what it asks; what the API answers, and what comes of that."""

    call: Call
    asks: str
    answer: Any = None
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 200


def listing(call: Call, asks: str, item: Any, **query: str) -> Row:
    return Row(call, asks, [item], {**PAGE, **query})


def named(name: str) -> dict[str, Any]:
    return {"id": 5, "name": name, "siteId": 9120}


CALLS: dict[str, list[Row]] = {
    "accounts.list": [listing(lambda api: api.accounts.list(), "GET /accounts", ACCOUNT["response"])],
    "accounts.create": [
        Row(
            lambda api: api.accounts.create(body=ACCOUNT["request"]),
            "POST /accounts",
            ACCOUNT["response"],
            body=ACCOUNT["request"],
            status=201,
        ),
        Row(
            lambda api: api.accounts.create(
                email="a@b.example", first_name="A", last_name="B", password="p", password_confirm="p"
            ),
            "POST /accounts",
            ACCOUNT["response"],
            body={
                "email": "a@b.example",
                "firstName": "A",
                "lastName": "B",
                "password": "p",
                "passwordConfirm": "p",
            },
        ),
    ],
    "accounts.get": [Row(lambda api: api.accounts.get(70551), "GET /accounts/70551", ACCOUNT["response"])],
    "accounts.update": [
        Row(
            lambda api: api.accounts.update(70551, status="DEACTIVATED", roles=[{"name": "ROLE_SITE_DEMO"}]),
            "PATCH /accounts/70551",
            ACCOUNT["response"],
            body={"status": "DEACTIVATED", "roles": [{"name": "ROLE_SITE_DEMO"}]},
        )
    ],
    "accounts.delete": [Row(lambda api: api.accounts.delete(70551), "DELETE /accounts/70551", status=204)],
    "sites.list": [
        listing(
            lambda api: api.sites.list(filter=where.code.equal("k3v9qd7w2m", "aaaaaaaaaa")),
            "GET /sites",
            SITE,
            filter='[{"field":"code","operator":"EQUAL","parameters":["k3v9qd7w2m","aaaaaaaaaa"]}]',
        )
    ],
    "sites.get": [Row(lambda api: api.sites.get(9120), "GET /sites/9120", SITE)],
    "sites.get_by_code": [Row(lambda api: api.sites.get_by_code("k3v9qd7w2m"), "GET /sites/byCode/k3v9qd7w2m", SITE)],
    "sites.create": [
        Row(
            lambda api: api.sites.create(name="Harbour Shop", url="https://shop.example.com", site_type="ECOMMERCE"),
            "POST /sites",
            SITE,
            body={"name": "Harbour Shop", "url": "https://shop.example.com", "siteType": "ECOMMERCE"},
            status=201,
        )
    ],
    "sites.replace": [Row(lambda api: api.sites.replace(9120, body=SITE), "PUT /sites/9120", SITE, body=SITE)],
    "sites.update": [
        Row(
            lambda api: api.sites.update(9120, tracking_script="go()"),
            "PATCH /sites/9120",
            SITE,
            body={"trackingScript": "go()"},
        )
    ],
    "sites.delete": [Row(lambda api: api.sites.delete(9120), "DELETE /sites/9120")],
    "sites.integration_tools": [
        listing(
            lambda api: api.sites.integration_tools(9120),
            "GET /sites/9120/integration-tools",
            {"name": "GOOGLE_UNIVERSAL_ANALYTICS", "settings": {"trackingId": "UA-1"}},
        )
    ],
    "experiments.list": [
        listing(
            lambda api: api.experiments.list(
                filter=(where.site_id == 9120) & where.status.is_in("PAUSED", "STOPPED"),
                sort=where.date_modified.descending(),
                optional_fields=("goals", "tags"),
            ),
            "GET /experiments",
            EXPERIMENT["response"],
            filter='[{"field":"siteId","operator":"EQUAL","parameters":[9120]},'
            '{"field":"status","operator":"IN","parameters":["PAUSED","STOPPED"]}]',
            sort='[{"field":"dateModified","direction":"DESC"}]',
            optionalFields="goals,tags",
        )
    ],
    "experiments.create": [
        Row(
            lambda api: api.experiments.create(
                name="Free shipping banner",
                site_id=9120,
                base_url="https://shop.example.com/cart",
                type="DEVELOPER",
                description="",
                traffic_allocation_method="MANUAL",
            ),
            "POST /experiments",
            EXPERIMENT["response"],
            body=EXPERIMENT["request"],
        )
    ],
    "experiments.get": [
        Row(
            lambda api: api.experiments.get(31877, optional_fields=["variations"]),
            "GET /experiments/31877",
            EXPERIMENT["response"],
            {"optionalFields": "variations"},
        )
    ],
    "experiments.update": [
        Row(
            lambda api: api.experiments.update(
                31877,
                variations=[55310, 55311],
                deviations={"origin": 0.34, "55310": 0.33, "55311": 0.33},
                goals=(44120, 44121),
                main_goal_id=44121,
                targeting_configuration="SAVED_TEMPLATE",
                targeting_segment_id=20881,
                tags=["cart"],
            ),
            "PATCH /experiments/31877",
            LAUNCH["launched_response"],
            body=LAUNCH["update"]["body"],
        ),
        Row(
            lambda api: api.experiments.update(31877, action="ACTIVATE"),
            "PATCH /experiments/31877",
            LAUNCH["launched_response"],
            {"action": "ACTIVATE"},
            body={},
        ),
    ],
    "experiments.clone": [
        Row(lambda api: api.experiments.clone(31877), "POST /experiments/31877/clone", CLONE, body={}, status=201)
    ],
    "experiments.delete": [Row(lambda api: api.experiments.delete(31877), "DELETE /experiments/31877", status=204)],
    "experiments.restart": [
        Row(
            lambda api: api.experiments.restart(31877),
            "POST /experiments/restart/31877",
            LAUNCH["launched_response"],
            body={},
        )
    ],
    "experiments.request_results": [
        Row(
            lambda api: api.experiments.request_results(
                31877,
                goals_ids=[44121],
                reference_variation_id="0",
                conversion_type="CONVERTED_VISITS",
                visitor_data=False,
                sequential_testing=True,
                all_variations_data=True,
                bayesian=False,
                enabled_multiple_testing=False,
                date_intervals=[{"start": "2026-04-02T00:00:00", "end": "2026-04-30T23:59:59"}],
                filters=[{"type": "DEVICE_TYPE", "values": ["PHONE"], "include": True}],
            ),
            "POST /experiments/31877/results",
            RESULTS["request_response"],
            body=RESULTS["request"]["body"],
        )
    ],
    "variations.list": [listing(lambda api: api.variations.list(), "GET /variations", VARIATION["response"])],
    "variations.create": [
        Row(
            lambda api: api.variations.create(name="Banner on top", site_id=9120, color=1),
            "POST /variations",
            VARIATION["response"],
            body=VARIATION["create_request"],
            status=201,
        ),
        Row(
            lambda api: api.variations.create(body=VARIATION["redirect_variation_request"]),
            "POST /variations",
            VARIATION["response"],
            body=VARIATION["redirect_variation_request"],
        ),
    ],
    "variations.get": [Row(lambda api: api.variations.get(55310), "GET /variations/55310", VARIATION["response"])],
    "variations.update": [
        Row(
            lambda api: api.variations.update(
                55310,
                experiment_id=31877,
                name="Banner on top",
                js_code="document.body.dataset.banner='top';",
                css_code=".banner{position:sticky}",
            ),
            "PATCH /variations/55310",
            VARIATION["response"],
            body=VARIATION["patch_request"],
        )
    ],
    "variations.replace": [
        Row(
            lambda api: api.variations.replace(55310, body=VARIATION["response"]),
            "PUT /variations/55310",
            VARIATION["response"],
            body=VARIATION["response"],
        )
    ],
    "variations.delete": [Row(lambda api: api.variations.delete(55310), "DELETE /variations/55310", status=204)],
    "variations.search": [
        Row(
            lambda api: api.variations.search(where.name.like("banner")),
            "POST /variations/search",
            [VARIATION["response"]],
            body={
                "filter": {"field": "name", "operator": "LIKE", "parameters": ["banner"]},
                "page": 1,
                "perPage": 200,
            },
        )
    ],
    "personalizations.list": [
        listing(
            lambda api: api.personalizations.list(optional_fields=["goals"]),
            "GET /personalizations",
            PERSONALIZATION["response"],
            optionalFields="goals",
        )
    ],
    "personalizations.get": [
        Row(lambda api: api.personalizations.get(8812), "GET /personalizations/8812", PERSONALIZATION["response"])
    ],
    "personalizations.create": [
        Row(
            lambda api: api.personalizations.create(
                site_id=9120, name="Loyal customers", base_url="https://shop.example.com"
            ),
            "POST /personalizations",
            PERSONALIZATION["response"],
            body=PERSONALIZATION["create_request"],
        )
    ],
    "personalizations.update": [
        Row(
            lambda api: api.personalizations.update(
                8812, goals=[44120], main_goal_id=44120, java_script_code="window.loyal=true;", css_code=""
            ),
            "PATCH /personalizations/8812",
            PERSONALIZATION["response"],
            body=PERSONALIZATION["patch_request"],
        )
    ],
    "goals.list": [
        listing(
            lambda api: api.goals.list(filter=where.name == "Order placed", per_page=50),
            "GET /goals",
            GOAL["response"],
            perPage="50",
            filter='[{"field":"name","operator":"EQUAL","parameters":["Order placed"]}]',
        )
    ],
    "goals.get": [Row(lambda api: api.goals.get(44121), "GET /goals/44121", GOAL["response"])],
    "goals.create": [
        Row(
            lambda api: api.goals.create(
                name="Order placed",
                site_id=9120,
                type="CUSTOM",
                has_multiple_conversions=True,
                status="ACTIVE",
                description="Sent by the checkout",
            ),
            "POST /goals",
            GOAL["response"],
            body=GOAL["create_custom"],
        ),
        Row(
            lambda api: api.goals.create(body=GOAL["create_url"]),
            "POST /goals",
            GOAL["response"],
            body=GOAL["create_url"],
        ),
    ],
    "goals.replace": [
        Row(
            lambda api: api.goals.replace(44121, body=GOAL["response"], name="Paid"),
            "PUT /goals/44121",
            GOAL["response"],
            body={**GOAL["response"], "name": "Paid"},
        )
    ],
    "goals.update": [
        Row(
            lambda api: api.goals.update(44121, status="INACTIVE"),
            "PATCH /goals/44121",
            GOAL["response"],
            body={"status": "INACTIVE"},
        )
    ],
    "goals.delete": [Row(lambda api: api.goals.delete(44121), "DELETE /goals/44121", status=204)],
    "segments.list": [
        listing(
            lambda api: api.segments.list(filter=where.site_id == 9120),
            "GET /segments",
            SEGMENT["response"],
            filter='[{"field":"siteId","operator":"EQUAL","parameters":[9120]}]',
        )
    ],
    "segments.create": [
        Row(
            lambda api: api.segments.create(
                name="Gold phone users or modern French visitors",
                site_id=9120,
                segment_type="STANDARD",
                conditions_data=any_of(
                    all_of(
                        Condition(
                            targeting_type="CUSTOM_DATUM",
                            custom_data_index="4",
                            value_match_type="EXACT",
                            value="gold",
                        ),
                        Condition(targeting_type="DEVICE_TYPE", device="PHONE"),
                    ),
                    all_of(
                        Condition(
                            targeting_type="BROWSER",
                            include=False,
                            browser="SAFARI",
                            version="15",
                            version_match_type="LOWER",
                        ),
                        Condition(targeting_type="GEOLOCATION", country="France"),
                    ),
                ),
            ),
            "POST /segments",
            SEGMENT["response"],
            body=SEGMENT["create_request"],
        )
    ],
    "segments.search": [
        Row(
            lambda api: api.segments.search(
                (where.site_id == 9120) & (where.name.like("gold") | where.tags.contains("loyal")),
                sort=[where.name.ascending()],
                optional_fields=["tags"],
            ),
            "POST /segments/search",
            [SEGMENT["response"]],
            {"optionalFields": "tags"},
            body={
                "filter": {
                    "conditionalOperator": "AND",
                    "expressions": [
                        {"field": "siteId", "operator": "EQUAL", "parameters": [9120]},
                        {
                            "conditionalOperator": "OR",
                            "expressions": [
                                {"field": "name", "operator": "LIKE", "parameters": ["gold"]},
                                {"field": "tags", "operator": "CONTAINS", "parameters": ["loyal"]},
                            ],
                        },
                    ],
                },
                "sort": [{"field": "name", "direction": "ASC"}],
                "page": 1,
                "perPage": 200,
            },
        )
    ],
    "segments.get": [Row(lambda api: api.segments.get(20881), "GET /segments/20881", SEGMENT["response"])],
    "segments.replace": [
        Row(
            lambda api: api.segments.replace(20881, body=SEGMENT["create_request"]),
            "PUT /segments/20881",
            SEGMENT["response"],
            body=SEGMENT["create_request"],
        )
    ],
    "segments.update": [
        Row(
            lambda api: api.segments.update(20881, is_deleted=True),
            "PATCH /segments/20881",
            SEGMENT["response"],
            body={"isDeleted": True},
        )
    ],
    "segments.replace_condition": [
        Row(
            lambda api: api.segments.replace_condition(20881, 3, targeting_type="JS_CODE", weight=1, js_code="true"),
            "PUT /segments/20881/conditions/3",
            {"id": 3, "targetingType": "JS_CODE", "weight": 1, "jsCode": "true"},
            body={"targetingType": "JS_CODE", "weight": 1, "jsCode": "true"},
        )
    ],
    "custom_datas.list": [listing(lambda api: api.custom_datas.list(), "GET /custom-datas", CUSTOM_DATA["response"])],
    "custom_datas.create": [
        Row(
            lambda api: api.custom_datas.create(
                name="plan",
                site_id=9120,
                method="SDK",
                type="UNIQUE",
                format="STRING",
                scope="VISITOR",
                description="Billing plan of the visitor",
                is_local_only=False,
            ),
            "POST /custom-datas",
            CUSTOM_DATA["response"],
            body=CUSTOM_DATA["create_request"],
        )
    ],
    "custom_datas.get": [
        Row(lambda api: api.custom_datas.get(3310), "GET /custom-datas/3310", CUSTOM_DATA["response"])
    ],
    "custom_datas.replace": [
        Row(
            lambda api: api.custom_datas.replace(3310, body=CUSTOM_DATA["response"]),
            "PUT /custom-datas/3310",
            CUSTOM_DATA["response"],
            body=CUSTOM_DATA["response"],
        )
    ],
    "custom_datas.update": [
        Row(
            lambda api: api.custom_datas.update(3310, description="d"),
            "PATCH /custom-datas/3310",
            CUSTOM_DATA["response"],
            body={"description": "d"},
        )
    ],
    "custom_datas.delete": [Row(lambda api: api.custom_datas.delete(3310), "DELETE /custom-datas/3310", status=204)],
    "feature_flags.list": [
        listing(
            lambda api: api.feature_flags.list(optional_fields=["tags", "description"]),
            "GET /feature-flags",
            FLAG["response"],
            optionalFields="tags,description",
        )
    ],
    "feature_flags.create": [
        Row(
            lambda api: api.feature_flags.create(body=FLAG["request"]),
            "POST /feature-flags",
            FLAG["response"],
            body=FLAG["request"],
        ),
        Row(
            lambda api: api.feature_flags.create(feature_key="express_pay", name="Express pay", site_code="k3v9qd7w2m"),
            "POST /feature-flags",
            FLAG["response"],
            body={"featureKey": "express_pay", "name": "Express pay", "siteCode": "k3v9qd7w2m"},
        ),
    ],
    "feature_flags.search": [
        Row(
            lambda api: api.feature_flags.search(where.name.like("checkout"), sort=where.name.ascending(), per_page=20),
            "POST /feature-flags/search",
            [FLAG["response"]],
            body=example("automation-search-request")["simple"],
        )
    ],
    "feature_flags.get": [
        Row(
            lambda api: api.feature_flags.get("k3v9qd7w2m", "express_pay"),
            "GET /feature-flags/k3v9qd7w2m/express_pay",
            FLAG["response"],
        )
    ],
    "feature_flags.update": [
        Row(
            lambda api: api.feature_flags.update("k3v9qd7w2m", "express_pay", is_archived=True),
            "PATCH /feature-flags/k3v9qd7w2m/express_pay",
            FLAG["response"],
            body={"featureKey": "express_pay", "isArchived": True},
        )
    ],
    "feature_flags.update_environment": [
        Row(
            lambda api: api.feature_flags.update_environment(
                "k3v9qd7w2m", "express_pay", "development", body=RULES["patch_environment"]["body"]
            ),
            "PATCH /feature-flags/k3v9qd7w2m/express_pay/development",
            FLAG["response"],
            body=RULES["patch_environment"]["body"],
        )
    ],
    "feature_flags.update_rule": [
        Row(
            lambda api: api.feature_flags.update_rule(
                301, feature_key="express_pay", environment_configurations=[{"environmentKey": "development"}]
            ),
            "PATCH /feature-flags/rules/301",
            FLAG["response"],
            body={"featureKey": "express_pay", "environmentConfigurations": [{"environmentKey": "development"}]},
        )
    ],
    "feature_flags.duplicate": [
        Row(
            lambda api: api.feature_flags.duplicate("k3v9qd7w2m", "express_pay"),
            "POST /feature-flags/k3v9qd7w2m/express_pay/duplicate",
            FLAG["response"],
            body={},
        )
    ],
    "feature_flags.request_results": [
        Row(
            lambda api: api.feature_flags.request_results(1290, conversion_type="ALL_CONVERSION"),
            "POST /feature-flags/1290/results",
            RESULTS["request_response"],
            body={"conversionType": "ALL_CONVERSION"},
        )
    ],
    "targeting_rules.list": [
        listing(lambda api: api.targeting_rules.list(), "GET /targeting-rules", TARGETING["response"])
    ],
    "targeting_rules.create": [
        Row(
            lambda api: api.targeting_rules.create(experiment_id=31877, body=TARGETING["create"]["body"]),
            "POST /targeting-rules",
            TARGETING["response"],
            {"experimentId": "31877"},
            body=TARGETING["create"]["body"],
        )
    ],
    "reports.poll": [
        Row(
            lambda api: api.reports.poll(data_code="71523098861240552198004417"),
            "GET /results",
            RESULTS["poll_ready"],
            {"dataCode": "71523098861240552198004417"},
        )
    ],
    "audiences.poll": [
        Row(
            lambda api: api.audiences.poll(data_code="88120034"),
            "GET /audiences/poll",
            MISC["audience_poll"]["response"],
            {"dataCode": "88120034"},
        )
    ],
    "tags.list": [listing(lambda api: api.tags.list(type="SEGMENT"), "GET /tags", {"name": "loyalty"}, type="SEGMENT")],
    "key_moments.list": [listing(lambda api: api.key_moments.list(), "GET /key-moments", named("Sale"))],
    "key_pages.list": [listing(lambda api: api.key_pages.list(), "GET /key-pages", named("Cart"))],
    "images.list": [listing(lambda api: api.images.list(), "GET /images", {"id": 5, "fileName": "a.png"})],
    "referrers.list": [listing(lambda api: api.referrers.list(), "GET /referrers", named("Portal"))],
    "referrers.update": [
        Row(
            lambda api: api.referrers.update(
                511,
                name="Partner portal",
                priority=2,
                tags="partners",
                detections=MISC["referrer_patch"]["body"]["detections"],
            ),
            "PATCH /referrers/511",
            MISC["referrer_patch"]["response"],
            body=MISC["referrer_patch"]["body"],
        )
    ],
    "templates.list": [listing(lambda api: api.templates.list(), "GET /templates", named("Bar"))],
    "templates.update": [
        Row(
            lambda api: api.templates.update(77, body=MISC["template_patch"]["body"]),
            "PATCH /templates/77",
            {"id": 77, **MISC["template_patch"]["body"]},
            body=MISC["template_patch"]["body"],
        )
    ],
    "widgets.list": [listing(lambda api: api.widgets.list(), "GET /widget-studio", named("Bar"))],
    "widget_templates.list": [
        listing(lambda api: api.widget_templates.list(), "GET /widget-studio-templates", named("Bar"))
    ],
    "recommender_blocks.list": [
        listing(lambda api: api.recommender_blocks.list(), "GET /studio-recommender-blocks", named("Bar"))
    ],
}

IN_THE_INDEX = """
GET /accounts D                    POST /accounts D                        GET /accounts/{} O
PATCH /accounts/{} D               DELETE /accounts/{} O                   GET /sites D
GET /sites/{} O                    GET /sites/byCode/{} O                  POST /sites O
PUT /sites/{} O                    PATCH /sites/{} O                       DELETE /sites/{} O
GET /sites/{}/integration-tools O  GET /experiments D                      POST /experiments D
GET /experiments/{} D              PATCH /experiments/{} D                 POST /experiments/{}/clone D
DELETE /experiments/{} O           POST /experiments/restart/{} O          POST /experiments/{}/results D
GET /variations O                  POST /variations D                      GET /variations/{} D
PATCH /variations/{} D             PUT /variations/{} O                    DELETE /variations/{} O
POST /variations/search O          GET /personalizations D                 GET /personalizations/{} D
POST /personalizations O           PATCH /personalizations/{} D            GET /goals O
POST /goals O                      GET /goals/{} O                         PUT /goals/{} O
PATCH /goals/{} O                  DELETE /goals/{} O                      GET /segments O
POST /segments O                   POST /segments/search D                 GET /segments/{} O
PUT /segments/{} D                 PATCH /segments/{} D                    PUT /segments/{}/conditions/{} O
GET /custom-datas O                POST /custom-datas O                    GET /custom-datas/{} O
PUT /custom-datas/{} O             PATCH /custom-datas/{} O                DELETE /custom-datas/{} O
GET /feature-flags D               POST /feature-flags D                   POST /feature-flags/search D
GET /feature-flags/{}/{} D         PATCH /feature-flags/{}/{} D            PATCH /feature-flags/{}/{}/{} D
PATCH /feature-flags/rules/{} O    POST /feature-flags/{}/{}/duplicate D   POST /feature-flags/{}/results D
GET /targeting-rules D             POST /targeting-rules D                 GET /results O
GET /audiences/poll D              GET /tags O                             GET /key-moments O
GET /key-pages O                   GET /images O                           GET /referrers O
PATCH /referrers/{} D              GET /templates O                        PATCH /templates/{} D
GET /widget-studio O               GET /widget-studio-templates O          GET /studio-recommender-blocks O
"""
"""The specification's endpoint index (section 8) without /oauth and without what is only inferred."""


@pytest.fixture
def api() -> Iterator[Automation]:
    with Automation(token="t0ken") as client:
        yield client


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{name}-{number}") for name, rows in CALLS.items() for number, row in enumerate(rows)]
)
def test_a_call_makes_exactly_this_request_and_gives_this_object(api: Automation, row: Row) -> None:
    method, _, path = row.asks.partition(" ")
    with responses.RequestsMock() as server:
        server.add(method, BASE + path, json=row.answer, status=row.status)

        given = row.call(api)
        if not isinstance(given, Record) and given is not None:
            given = list(given)

        (asked,) = [call.request for call in server.calls]
    parts = urlsplit(asked.url or "")
    assert (asked.method, f"{parts.scheme}://{parts.netloc}{parts.path}") == (method, BASE + path)
    assert dict(parse_qsl(parts.query)) == row.query
    assert asked.headers["Authorization"] == "Bearer t0ken"
    assert (None if asked.body is None else json.loads(asked.body)) == row.body
    assert asked.headers.get("Content-Type") == (None if row.body is None else "application/json")
    if isinstance(row.answer, list):
        assert [item.raw for item in given] == row.answer
    else:
        assert (None if given is None else given.raw) == (None if row.status == 204 else row.answer)


def test_the_table_has_every_operation() -> None:
    declared = {
        f"{name}.{operation}"
        for name, resource in Automation(token="t").resources.items()
        for operation in operations(type(resource))
    }

    assert set(CALLS) == declared


def test_the_catalogue_is_the_specifications_index_with_its_marks() -> None:
    marks = {DOCUMENTED: "D", OBSERVED: "O"}
    declared = [
        f"{one.method} {'{}'.join(_around(one.path))} {marks[one.mark]}"
        for resource in Automation(token="t").resources.values()
        for one in operations(type(resource)).values()
    ]

    index = [" ".join(words) for words in zip(*[iter(IN_THE_INDEX.split())] * 3, strict=True)]
    assert sorted(declared) == sorted(index)


def _around(path: str) -> list[str]:
    """A path's pieces around its placeholders."""
    pieces = path.split("{")
    return [pieces[0], *(piece.partition("}")[2] for piece in pieces[1:])]


def test_what_is_only_inferred_is_reached_by_the_general_call(api: Automation) -> None:
    with responses.RequestsMock() as server:
        server.add("DELETE", f"{BASE}/segments/7", status=204)
        server.add("GET", f"{BASE}/targeting-rules/6022", json=TARGETING["response"])

        assert api.request("DELETE", "/segments/7") is None
        assert api.request("GET", "/targeting-rules/6022", query=[("version", 2)]) == TARGETING["response"]

        assert server.calls[1].request.url == f"{BASE}/targeting-rules/6022?version=2"
    for resource, operation in (("segments", "delete"), ("personalizations", "delete"), ("targeting_rules", "get")):
        assert not hasattr(getattr(api, resource), operation)


def test_a_major_version_goes_before_the_path() -> None:
    api = Automation(token="t", version=1)
    with responses.RequestsMock() as server:
        server.add("GET", f"{BASE}/v1/goals/1", json=GOAL["response"])

        assert api.goals.get(1).name == "Order placed"


def test_records_read_dates_numbers_and_nested_objects() -> None:
    api = Automation(token="t")
    with responses.RequestsMock() as server:
        server.add("GET", f"{BASE}/feature-flags/k3v9qd7w2m/express_pay", json=FLAG["response"])

        flag = api.feature_flags.get("k3v9qd7w2m", "express_pay")

    configurations = flag.environment_configurations or []
    assert flag.date_created is not None
    assert flag.date_created.isoformat() == "2026-04-02T12:00:00"
    assert configurations[0].environment_key == "development"
    assert configurations[0].date_modified == flag.date_created


def test_a_secret_of_an_account_is_not_shown() -> None:
    api = Automation(token="t")
    with responses.RequestsMock() as server:
        server.add("GET", f"{BASE}/accounts/1", json={"id": 1, "amClientId": "cid", "amClientSecret": "shh"})

        account = api.accounts.get(1)

    assert repr(account) == "Account(id=1, am_client_id=***, am_client_secret=***)"
    assert account.am_client_secret == "shh"
