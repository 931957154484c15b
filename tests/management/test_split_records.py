"""Split's objects by themselves: names, ids, defaults, JSON, and the parts that flag definitions are built of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_kameleoon.management.split import resources
from openfeature_kameleoon.management.split.exceptions import InvalidArgumentException
from openfeature_kameleoon.management.split.resources import (
    APIKey,
    Attribute,
    ChangeRequest,
    Environment,
    FlagSet,
    Group,
    Identity,
    LargeSegment,
    LargeSegmentDefinition,
    RuleBasedSegment,
    RuleBasedSegmentDefinition,
    Segment,
    SegmentDefinition,
    Split,
    SplitDefinition,
    TrafficType,
    User,
    Workspace,
    bucket,
    condition,
    default_rule,
    harness,
    matcher,
    rule,
    treatment,
)
from openfeature_kameleoon.management.split.resources.base import SplitRecord, as_dict
from tests.management.examples import example
from tests.management.split_rows import standard

FULL = example("split-flag-definition")
MATCHERS = example("split-matchers")


@pytest.mark.parametrize("name", ["display_name", "_display_name", "displayName", "_displayName"])
def test_a_field_goes_by_every_documented_spelling(name: str) -> None:
    attribute = Attribute({"displayName": "City"})

    assert getattr(attribute, name) == "City"

    setattr(attribute, name, "Town")
    assert attribute.to_dict()["displayName"] == "Town"


def test_an_unknown_name_is_an_attribute_error() -> None:
    for name in ("colour", "_colour", "someColour", "__wrapped__"):
        assert not hasattr(Workspace({"id": "w"}), name)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (Workspace, {"id": "w", "name": "Main"}, "w"),
        (Split, {"id": "f", "name": "checkout"}, "f"),
        (LargeSegmentDefinition, {"id": "l", "name": "big"}, "l"),
        (Segment, {"name": "vip"}, "vip"),
        (LargeSegment, {"name": "big"}, "big"),
        (RuleBasedSegment, {"id": "r", "name": "adults"}, "adults"),
        (SegmentDefinition, {"name": "vip"}, "vip"),
        (RuleBasedSegmentDefinition, {"name": "adults"}, "adults"),
        (SplitDefinition, {"id": "f", "name": "checkout"}, "checkout"),
        (Identity, {"key": "k"}, None),
        (harness.Role, {"identifier": "r"}, "r"),
        (harness.HarnessUser, {"uuid": "u"}, "u"),
        (harness.HarnessInvite, {"id": "i"}, "i"),
    ],
)
def test_what_the_id_of_an_object_is(kind: type[Any], data: dict[str, Any], expected: str | None) -> None:
    assert kind(data).id == kind(data)._id == expected


@pytest.mark.parametrize("kind", [Environment, FlagSet, LargeSegmentDefinition])
def test_some_ids_cannot_be_set(kind: type[Any]) -> None:
    with pytest.raises(AttributeError, match="cannot be set"):
        kind({"id": "x"}).id = "y"


def test_other_ids_can() -> None:
    workspace, segment = Workspace({"id": "w"}), Segment({"name": "vip"})

    workspace.id, segment.id = "v", "gold"

    assert (workspace.id, segment.name) == ("v", "gold")


def test_constructors_take_their_documented_positions() -> None:
    client = standard()

    placed = [kind({"id": "x"}, "w", client) for kind in (Environment, TrafficType, Split, FlagSet)]
    definition = SplitDefinition({"name": "f"}, "e", "w", client)
    by_rules = RuleBasedSegmentDefinition({"name": "s"}, client, "w")

    assert [(one._workspace_id, one._client) for one in placed] == [("w", client)] * 4
    assert (definition._environment_id, definition._workspace_id, definition._client) == ("e", "w", client)
    assert (by_rules._workspace_id, by_rules._client) == ("w", client)
    assert Workspace({"id": "w"}, client)._client is client
    assert TrafficType({"id": "t"}, workspaceId="w").workspace_id == "w"


@pytest.mark.parametrize("name", [n for n in resources.__all__ if n[0].isupper() and n != "BulkOperationResult"])
def test_an_object_can_be_made_of_nothing(name: str) -> None:
    kind: type[SplitRecord] = getattr(resources, name)

    assert kind().raw == kind(None).raw == {}


def test_the_dict_that_an_object_is_made_of_stays_the_callers() -> None:
    given = {"id": "w", "name": "Main"}

    Workspace(given).name = "Lab"

    assert given == {"id": "w", "name": "Main"}


DEFAULTS: list[tuple[SplitRecord, dict[str, Any]]] = [
    (Segment(), {"tags": [], "creation_time": 0, "traffic_type": None, "workspace_id": None}),
    (SegmentDefinition({"creationTime": 0}), {"creation_time": None, "tags": [], "environment": {}}),
    (RuleBasedSegmentDefinition(), {"rules": [], "excluded_keys": [], "excluded_segments": [], "tags": []}),
    (Split({"tags": None}), {"tags": [], "owners": [], "rollout_status": {}, "rolloutStatusTimestamp": 0}),
    (ChangeRequest({"segment": None}), {"_split": None, "_segment": None, "_title": "", "_comments": [], "name": None}),
    (User(), {"_type": "user", "_groups": []}),
    (Group(), {"_type": "group", "_description": ""}),
    (APIKey(), {"_environments": [], "_workspace": {}}),
    (Environment(), {"apiTokens": [], "_changePermissions": {}}),
    (
        SplitDefinition({"lastUpdateTime": 0, "rules": [], "environment": {"id": "", "name": ""}}),
        {
            **dict.fromkeys(("treatments", "rules", "default_rule", "flag_sets", "environment", "last_update_time")),
            "killed": False,
            "default_treatment": "",
            "traffic_allocation": 0,
            "impressions_disabled": False,
        },
    ),
]


@pytest.mark.parametrize(("thing", "expected"), DEFAULTS, ids=lambda value: type(value).__name__)
def test_what_is_absent_reads_as_documented(thing: SplitRecord, expected: dict[str, Any]) -> None:
    assert {name: getattr(thing, name) for name in expected} == expected


def test_to_dict_is_the_whole_json_with_none_for_what_is_not_there() -> None:
    workspace = Workspace({"id": "w", "somethingNew": [1]}).to_dict()

    assert workspace["somethingNew"] == [1]
    assert workspace["name"] is None


@pytest.mark.parametrize("kind", [APIKey, SplitDefinition, LargeSegmentDefinition, TrafficType])
def test_to_dict_is_json_all_through(kind: type[Any]) -> None:
    found = {
        "id": "x",
        "name": "n",
        "trafficType": {"id": "t"},
        "treatments": [{"name": "on"}],
        "workspace": {"id": "w"},
    }

    assert {name: kind(found).to_dict()[name] for name in found} == found


def test_objects_inside_become_json_too() -> None:
    given = SplitDefinition({"name": "f", "treatments": [treatment.Treatment({"name": "on"})]})

    assert given.to_dict()["treatments"] == [{"name": "on"}]
    assert as_dict(given)["name"] == "f"


def test_a_definition_without_an_allocation_is_for_everybody_when_it_is_exported() -> None:
    assert SplitDefinition({"name": "f"}).to_dict()["trafficAllocation"] == 100
    assert SplitDefinition({"name": "f", "trafficAllocation": 0}).to_dict()["trafficAllocation"] == 0


def test_a_definition_is_made_of_objects() -> None:
    body = next(value for value in FULL.values() if isinstance(value, dict) and "treatments" in value)

    definition = SplitDefinition(body, "e", "w")

    assert [type(one) for one in definition.treatments or ()] == [treatment.Treatment] * len(body["treatments"])
    assert [one.export_dict() for one in definition.default_rule or ()] == body["defaultRule"]
    assert [one.export_dict()["buckets"] for one in definition.rules or ()] == [one["buckets"] for one in body["rules"]]
    assert definition.environment is not None
    assert (definition.environment.id, definition.environment.workspace_id) == (body["environment"]["id"], "w")
    assert [one.id for one in definition.flag_sets or ()] == [one["id"] for one in body["flagSets"]]


def test_a_change_request_has_the_name_of_what_it_is_about() -> None:
    page = example("split-change-requests-page")
    found = [ChangeRequest(one) for answer in page.values() for one in answer.get("data", ())]

    assert [one.name for one in found] == ["new_checkout", "beta_gardeners", "heavy_users"]
    assert found[0]._split is not None
    assert found[0]._split["environment"]["name"] == "Prod-Garden"


def test_segments_read_both_forms_of_the_service() -> None:
    other = {"id": "s1", "name": "adults", "trafficTypeId": "t", "tags": None, "creator": "x"}

    assert (RuleBasedSegment(other).tags, RuleBasedSegment(other).raw["creator"]) == ([], "x")


def test_an_object_tells_no_secret() -> None:
    key, api_key = APIKey({"id": "k", "key": "s3cret"}), harness.HarnessApiKey({"value": "s3cret"})

    assert "s3cret" not in repr(key) + repr(api_key)
    assert key.key == "s3cret"


def test_a_copy_of_an_object_goes_by_the_same_client() -> None:
    client = standard()

    assert copy.deepcopy(Workspace({"id": "w"}, client))._client is client


def test_a_body_is_a_dict_or_an_object() -> None:
    assert as_dict(Workspace({"name": "Lab"})) == {"name": "Lab"}
    with pytest.raises(InvalidArgumentException, match="not list"):
        as_dict([1])


# --- parts of definitions ---------------------------------------------------------------------------------------

Export = Callable[[], dict[str, Any]]

ON = {"name": "on"}
IN_LIST = {"attribute": "group", "type": "IN_LIST_STRING", "strings": ["a"]}

EXPORTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("a name alone", treatment.Treatment(ON), ON),
    ("empty is left out", treatment.Treatment({**ON, "description": "", "keys": [], "segments": []}), ON),
    ("null lists are absent", treatment.Treatment({**ON, "keys": None, "segments": None}), ON),
    (
        "all of a treatment",
        treatment.Treatment({**ON, "description": "d", "configurations": "{}", "keys": ["k"], "segments": ["s"]}),
        {**ON, "description": "d", "configurations": "{}", "keys": ["k"], "segments": ["s"]},
    ),
    ("a treatment always has a name", treatment.Treatment({}), {"name": None}),
    ("a bucket always has both", bucket.Bucket({"size": 0}), {"treatment": None, "size": 0}),
    (
        "a default rule is a bucket",
        default_rule.DefaultRule({"treatment": "off", "size": 100}),
        {"treatment": "off", "size": 100},
    ),
    ("a matcher", matcher.Matcher(IN_LIST), IN_LIST),
    (
        "false and zero are told",
        matcher.Matcher({"negate": False, "number": 0, "bool": False}),
        {"negate": False, "number": 0, "bool": False},
    ),
    (
        "a null scalar is told",
        matcher.Matcher({"attribute": None, "type": "IN_SEGMENT"}),
        {"attribute": None, "type": "IN_SEGMENT"},
    ),
    (
        "null containers are absent",
        matcher.Matcher({"type": "X", "strings": None, "between": None, "depends": None}),
        {"type": "X"},
    ),
    ("an unknown type is kept", matcher.Matcher({"type": "NEW_ONE"}), {"type": "NEW_ONE"}),
    ("a condition", condition.Condition({"matchers": [IN_LIST]}), {"matchers": [IN_LIST]}),
    (
        "a condition with its combiner",
        condition.Condition({"combiner": "AND", "matchers": None}),
        {"combiner": "AND", "matchers": []},
    ),
    ("a rule of nothing", rule.Rule({}), {"condition": {}, "buckets": []}),
    (
        "a rule of exported parts",
        rule.Rule(
            {"condition": {"matchers": [{**IN_LIST, "string": ""}]}, "buckets": [{"treatment": "on", "size": 1}]}
        ),
        {"condition": {"matchers": [IN_LIST]}, "buckets": [{"treatment": "on", "size": 1}]},
    ),
    (
        "a rule of objects",
        rule.Rule(
            {
                "condition": condition.Condition({"matchers": [matcher.Matcher(IN_LIST)]}),
                "buckets": [bucket.Bucket({"treatment": "on", "size": 1})],
            }
        ),
        {"condition": {"matchers": [IN_LIST]}, "buckets": [{"treatment": "on", "size": 1}]},
    ),
]


@pytest.mark.parametrize(("name", "part", "expected"), EXPORTS, ids=[name for name, _, _ in EXPORTS])
def test_a_part_is_exported_as_the_api_takes_it(name: str, part: Any, expected: dict[str, Any]) -> None:
    assert part.export_dict() == expected


def all_matchers(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, dict) and isinstance(found.get("type"), str) and found["type"].isupper():
        return [found]
    inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [one for value in inside for one in all_matchers(value)]


def test_every_documented_matcher_survives_being_built() -> None:
    documented = all_matchers(MATCHERS)

    assert len(documented) > 20
    for one in documented:
        exported = matcher.Matcher(one).export_dict()
        assert exported == {name: value for name, value in one.items() if value != "" and name in exported}


def test_parts_are_read_by_their_stored_names() -> None:
    made = rule.Rule({"condition": {"matchers": [IN_LIST]}})

    assert (made._condition, made._buckets) == ({"matchers": [IN_LIST]}, [])
    assert (matcher.Matcher({})._negate, matcher.Matcher({})._strings) == ("", [])


# --- objects of the Harness platform ----------------------------------------------------------------------------


def test_a_harness_object_exports_every_field_and_no_other() -> None:
    exported = harness.HarnessProject({"identifier": "p", "colour": "red", "modules": ["CF"]}).export_dict()

    assert exported == {
        **dict.fromkeys(("orgIdentifier", "name", "color", "description", "tags")),
        "identifier": "p",
        "modules": ["CF"],
    }


def test_harness_fields_go_by_both_spellings_on_the_wire_too() -> None:
    camel = harness.HarnessUser({"externallyManaged": True, "twoFactorAuthenticationEnabled": False})
    snake = harness.HarnessUser({"externally_managed": True, "two_factor_authentication_enabled": False})

    assert camel == snake
    assert (camel.externally_managed, camel.externallyManaged) == (True, True)
    assert harness.Role({"allowedScopeLevels": ["account"]}).allowed_scope_levels == ["account"]
    assert harness.HarnessProject({"orgIdentifier": "o"})._org_identifier == "o"


def test_absent_harness_fields_are_none() -> None:
    kinds = [getattr(harness, name) for name in harness.__all__]

    assert all(getattr(kind(), name) is None for kind in kinds for name in kind.fields)
