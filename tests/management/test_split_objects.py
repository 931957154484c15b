"""The methods of Split's objects (section 2.17): each makes a microclient's call with its own ids."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import responses

from openfeature_kameleoon.management.split import SplitClient, resources
from openfeature_kameleoon.management.split.exceptions import (
    ClientRequiredError,
    EndpointNotImplemented,
    MissingParametersException,
)
from openfeature_kameleoon.management.split.resources import (
    Attribute,
    BulkOperationResult,
    ChangeRequest,
    Environment,
    FlagSet,
    Identity,
    LargeSegment,
    LargeSegmentDefinition,
    Restriction,
    RuleBasedSegment,
    RuleBasedSegmentDefinition,
    Segment,
    SegmentDefinition,
    Split,
    SplitDefinition,
    TrafficType,
    User,
    Workspace,
)
from openfeature_kameleoon.management.split.resources.base import SplitRecord
from tests.management.split_rows import NOTHING, Like, Row, marked, run, standard
from tests.management.test_split_calls import ASKED, FLAG_SET, INPUT, KEYS, PATCH, PLACE, ROWS, SAVED, USER_DATA, patch

NEW: dict[str, Any] = {"name": "Lab", "description": "d"}
PLACED = {"name": "vip", "environment": {"id": "e", "name": "Prod"}}
FLAG_SETS = "flag-sets?workspace_id=w&limit=50"
RULES: dict[str, Any] = {
    "rules": [],
    "excludedKeys": ["k"],
    "excludedSegments": [{"name": "x", "type": "standard_segment"}],
}

WORKSPACE = Workspace({"id": "w", "name": "Main"})
ENVIRONMENT = Environment({"id": "e"}, "w")
TYPE = TrafficType({"id": "t", "name": "user"}, "w")
ATTRIBUTE = Attribute(
    {"id": "city", "trafficTypeId": "t", "workspaceId": "w", "displayName": "City", "dataType": "string"}
)
IDENTITY = Identity({"key": "k", "trafficTypeId": "t", "environmentId": "e"})
DEFINITION = SegmentDefinition(PLACED)
FLAG = Split({"id": "f", "name": "checkout"}, "w")
IN_PROD = SplitDefinition({"name": "checkout"}, "e", "w")
BIG = LargeSegmentDefinition({**PLACED, "id": "l", "workspaceId": "w"})
BY_RULES = RuleBasedSegmentDefinition(PLACED, None, "w")
USER = User({"id": "u"})
FLAGS = FlagSet(FLAG_SET, "w")

REQUEST_URL = "POST changeRequests/ws/w/environments/e"
CHANGE = {"id": "c", "status": "REQUESTED"}
ROLLOUT = {"rolloutStatus": {"id": "ro"}}


def asks(request: str, answer: Any = True, gives: Any = True, body: Any = NOTHING) -> Row:
    return Row(lambda client: None, request, answer, gives, body)


def change_row(**body: Any) -> Row:
    return asks(REQUEST_URL, CHANGE, Like(ChangeRequest, id="c"), {**ASKED, **body})


def identity_row(body: object) -> Row:
    return asks("PUT trafficTypes/t/environments/e/identities/k", body, Like(Identity, key="k"), body)


K = {"key": "k", "trafficTypeId": "t", "environmentId": "e"}
BULK = {"objects": [K], "failed": [], "metadata": {"n": 1}}
BULK_URL = "POST trafficTypes/t/environments/e/identities"
SAVED_BULK = BulkOperationResult([Identity(K)], [], {"n": 1})

# Rows are those of the microclients' calls, but for the call itself; others are written out.
METHODS: dict[str, tuple[SplitRecord, Callable[..., Any], str | Row]] = {
    "Workspace.add_environment": (WORKSPACE, lambda o, **by: o.add_environment(NEW, **by), "E3"),
    "Workspace.delete_environment": (WORKSPACE, lambda o, **by: o.delete_environment("e", **by), "E5"),
    "Workspace.add_segment": (WORKSPACE, lambda o, **by: o.add_segment(NEW, "user", **by), "S3"),
    "Workspace.delete_segment": (WORKSPACE, lambda o, **by: o.delete_segment("vip", **by), "S4"),
    "Workspace.add_large_segment": (WORKSPACE, lambda o, **by: o.add_large_segment(NEW, "user", **by), "L3"),
    "Workspace.delete_large_segment": (WORKSPACE, lambda o, **by: o.delete_large_segment("vip", **by), "L4"),
    "Workspace.add_rule_based_segment": (WORKSPACE, lambda o, **by: o.add_rule_based_segment(NEW, "user", **by), "B3"),
    "Workspace.delete_rule_based_segment": (WORKSPACE, lambda o, **by: o.delete_rule_based_segment("vip", **by), "B4"),
    "Workspace.add_split": (WORKSPACE, lambda o, **by: o.add_split(NEW, "user", **by), "F4"),
    "Workspace.delete_split": (WORKSPACE, lambda o, **by: o.delete_split("checkout", **by), "F5"),
    "Workspace.get_rollout_statuses": (WORKSPACE, lambda o, **by: o.get_rollout_statuses(**by), "W3"),
    "Workspace.update": (WORKSPACE, lambda o, **by: o.update("name", "X", **by), "W5"),
    "Workspace.delete": (WORKSPACE, lambda o, **by: o.delete(**by), "W6"),
    "Environment.add_identity": (
        ENVIRONMENT,
        lambda o, **by: o.add_identity({"key": "k", "trafficTypeId": "t"}, **by),
        identity_row(K),
    ),
    "Environment.add_identities": (
        ENVIRONMENT,
        lambda o, **by: o.add_identities([{"key": "k", "trafficTypeId": "t"}], **by),
        asks(BULK_URL, BULK, SAVED_BULK, [K]),
    ),
    "Environment.update": (ENVIRONMENT, lambda o, **by: o.update("changePermissions/allowKills", True, **by), "E4"),
    "Environment.update_name": (
        ENVIRONMENT,
        lambda o, **by: o.update_name("X", **by),
        asks("PATCH environments/ws/w/e", {"id": "e"}, Like(Environment, id="e"), patch("name", "X")),
    ),
    "Environment.delete": (ENVIRONMENT, lambda o, **by: o.delete(**by), "E5"),
    "TrafficType.fetch_attributes": (TYPE, lambda o, **by: o.fetch_attributes(**by), "A1"),
    "TrafficType.add_attribute": (
        TYPE,
        lambda o, **by: o.add_attribute({"id": "city", "displayName": "City", "dataType": "string"}, **by),
        "A3",
    ),
    "TrafficType.import_attributes_from_json": (
        TYPE,
        lambda o, **by: o.import_attributes_from_json([{"id": "plan"}], **by),
        "A6",
    ),
    "TrafficType.add_identity": (
        TYPE,
        lambda o, **by: o.add_identity({"key": "k", "environmentId": "e"}, **by),
        identity_row(K),
    ),
    "TrafficType.add_identities": (
        TYPE,
        lambda o, **by: o.add_identities([{"key": "k", "environmentId": "e"}], **by),
        asks(BULK_URL, BULK, SAVED_BULK, [K]),
    ),
    "Attribute.save": (
        ATTRIBUTE,
        lambda o, **by: o.save(**by),
        asks("POST schema/ws/w/trafficTypes/t", SAVED, Like(Attribute, workspace_id="w"), SAVED),
    ),
    "Attribute.delete": (ATTRIBUTE, lambda o, **by: o.delete(**by), "A5"),
    "Identity.save": (IDENTITY, lambda o, **by: o.save(**by), identity_row(K)),
    "Identity.update": (
        IDENTITY,
        lambda o, **by: o.update(**by),
        asks("POST trafficTypes/t/environments/e/identities/k/patch", K, Like(Identity, key="k"), K),
    ),
    "Identity.delete": (
        IDENTITY,
        lambda o, **by: o.delete(**by),
        asks("DELETE trafficTypes/t/environments/e/identities/k"),
    ),
    "Segment.add_to_environment": (Segment({"name": "vip"}), lambda o, **by: o.add_to_environment("e", **by), "S5"),
    "Segment.remove_from_environment": (
        Segment({"name": "vip"}),
        lambda o, **by: o.remove_from_environment("e", **by),
        "S6",
    ),
    "SegmentDefinition.get_keys": (DEFINITION, lambda o, **by: o.get_keys(**by), "D3"),
    "SegmentDefinition.get_key_count": (DEFINITION, lambda o, **by: o.get_key_count(**by), "D4"),
    "SegmentDefinition.remove_keys": (DEFINITION, lambda o, **by: o.remove_keys(KEYS, **by), "D6"),
    "SegmentDefinition.import_keys_from_json": (
        DEFINITION,
        lambda o, **by: o.import_keys_from_json(True, KEYS, **by),
        "D5",
    ),
    "SegmentDefinition.submit_change_request": (
        DEFINITION,
        lambda o, **by: o.submit_change_request(["a"], "CREATE", "t", "c", ["a@b"], "ro", "w", **by),
        change_row(segment={"name": "vip", "keys": ["a"]}, operationType="CREATE", **ROLLOUT),
    ),
    "Split.update_description": (FLAG, lambda o, **by: o.update_description("new", **by), "F6"),
    "Split.associate_tags": (FLAG, lambda o, **by: o.associate_tags(["x"], **by), "F9"),
    "Split.add_to_environment": (FLAG, lambda o, **by: o.add_to_environment("e", INPUT, **by), "F7"),
    "Split.remove_from_environment": (FLAG, lambda o, **by: o.remove_from_environment("e", "why", "t", **by), "F8"),
    "SplitDefinition.update_definition": (IN_PROD, lambda o, **by: o.update_definition(INPUT, **by), "FD4"),
    "SplitDefinition.kill": (IN_PROD, lambda o, **by: o.kill(**by), "FD5"),
    "SplitDefinition.restore": (IN_PROD, lambda o, **by: o.restore(**by), "FD6"),
    "SplitDefinition.submit_change_request": (
        IN_PROD,
        lambda o, **by: o.submit_change_request(
            {**INPUT, "trafficAllocation": 50}, "UPDATE", "t", "c", ["a@b"], "ro", **by
        ),
        change_row(split={"name": "checkout", **INPUT, "trafficAllocation": 50}, operationType="UPDATE", **ROLLOUT),
    ),
    "LargeSegment.add_to_environment": (
        LargeSegment({"name": "vip", "workspaceId": "w"}),
        lambda o, **by: o.add_to_environment("e", **by),
        "L5",
    ),
    "LargeSegment.remove_from_environment": (
        LargeSegment({"name": "vip"}),
        lambda o, **by: o.remove_from_environment("e", **by),
        "L6",
    ),
    "LargeSegmentDefinition.remove_all_members": (
        BIG,
        lambda o, **by: o.remove_all_members("t", "c", ["a@b"], **by),
        "LD3",
    ),
    "RuleBasedSegment.add_to_environment": (
        RuleBasedSegment({"name": "vip", "workspaceId": "w"}),
        lambda o, **by: o.add_to_environment("e", **by),
        "B5",
    ),
    "RuleBasedSegment.remove_from_environment": (
        RuleBasedSegment({"name": "vip"}),
        lambda o, **by: o.remove_from_environment("e", **by),
        "B6",
    ),
    "RuleBasedSegmentDefinition.update": (BY_RULES, lambda o, **by: o.update({"rules": []}, **by), "BD3"),
    "RuleBasedSegmentDefinition.delete": (BY_RULES, lambda o, **by: o.delete(**by), "BD4"),
    "RuleBasedSegmentDefinition.submit_change_request": (
        BY_RULES,
        lambda o, **by: o.submit_change_request(*RULES.values(), "UPDATE", "t", "c", ["a@b"], **by),
        change_row(ruleBasedSegment={"name": "vip", **RULES}, operationType="UPDATE"),
    ),
    "ChangeRequest.update_status": (
        ChangeRequest({"id": "c"}),
        lambda o, **by: o.update_status("APPROVED", "done", **by),
        "C3",
    ),
    "User.update_user": (USER, lambda o, **by: o.update_user(USER_DATA, **by), "U5"),
    "User.update_user_group": (USER, lambda o, **by: o.update_user_group(PATCH, **by), "U6"),
    "FlagSet.list": (FLAGS, lambda o, **by: o.list("other", **by), "V1"),
    "FlagSet.find": (FLAGS, lambda o, **by: o.find("fs", "other", **by), "V2"),
    "FlagSet.get": (FLAGS, lambda o, **by: o.get("other", **by), "V3"),
    "FlagSet.add": (
        FLAGS,
        lambda o, **by: o.add(**by),
        Row(
            lambda o: None,
            "POST flag-sets",
            FLAG_SET,
            Like(FlagSet, id="s"),
            {"name": "fs", "description": None, "workspace": {"id": "w", "type": "WORKSPACE"}},
        ),
    ),
    "FlagSet.delete": (FLAGS, lambda o, **by: o.delete(**by), "V5"),
}
ELSEWHERE = {
    "Restriction.update",  # below: there is no such call
    "LargeSegmentDefinition.submit_upload",  # below: two calls
    *("SegmentDefinition.export_keys_to_csv", "SegmentDefinition.import_keys_from_csv"),  # test_split_keys.py
}


def methods() -> set[str]:
    """Every public method of an object that a client carries out."""
    kinds = [getattr(resources, name) for name in resources.__all__]
    return {
        f"{kind.__name__}.{name}"
        for kind in kinds
        if inspect.isclass(kind)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and "apiclient" in inspect.signature(member).parameters
    }


@pytest.mark.parametrize("is_given", [False, True], ids=["by its own client", "by apiclient"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_makes_the_call_with_the_ids_of_its_object(name: str, is_given: bool) -> None:
    made_by_hand, method, expected = METHODS[name]
    row = ROWS[expected] if isinstance(expected, str) else expected

    with standard() as client:
        thing = copy.deepcopy(made_by_hand)
        by = {"apiclient": client} if is_given else {}
        run(replace(row, call=lambda c: method(thing if is_given else thing.brought(c, {}), **by)), client)


def test_every_method_of_an_object_has_a_row() -> None:
    assert methods() == set(METHODS) | ELSEWHERE


@pytest.mark.parametrize("name", METHODS)
def test_an_object_made_by_hand_needs_a_client(name: str) -> None:
    thing, method, _ = METHODS[name]

    with pytest.raises(ClientRequiredError, match="apiclient="):
        method(thing)


def test_a_restriction_cannot_be_updated() -> None:
    with pytest.raises(EndpointNotImplemented, match=r"restrictions\.add"):
        Restriction({"id": "r"}).update("name", "x")


@pytest.mark.parametrize("operation", ["KILL", "RESTORE", "ARCHIVE"])
def test_a_change_that_needs_no_definition_sends_none(operation: str) -> None:
    row = change_row(split={"name": "checkout"}, operationType=operation)

    with standard() as client:
        run(
            replace(row, call=lambda c: IN_PROD.submit_change_request(None, operation, "t", "c", ["a@b"], None, c)),
            client,
        )


def test_a_flag_set_of_no_workspace_goes_by_the_one_given() -> None:
    row = asks(f"GET {FLAG_SETS}", marked(FLAG_SET), [Like(FlagSet, id="s")])

    with standard() as client:
        run(replace(row, call=lambda c: FlagSet({}, None, c).list("w")), client)
        run(replace(asks("DELETE flag-sets/x"), call=lambda c: FlagSet({}, None, c).delete("x")), client)


def test_conditions_are_replaced_in_the_workspace_given_or_known() -> None:
    unknown = RuleBasedSegmentDefinition(PLACED)
    row = ROWS["BD3"]

    with standard() as client:
        run(replace(row, call=lambda c: unknown.update({"rules": []}, "w", c)), client)
        with pytest.raises(ValueError, match="workspace_id is required argument"):
            unknown.update({"rules": []}, apiclient=client)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.splits.delete(None, "w"),
        lambda c: c.splits.delete("", "w"),
        lambda c: c.attributes.save({"id": "a", "trafficTypeId": "t"}),
        lambda c: c.identities.save_all([]),
        lambda c: Split({"name": "checkout"}, None, c).update_description("d"),
    ],
)
def test_a_call_without_what_its_address_is_made_of_is_refused(call: Callable[[SplitClient], Any]) -> None:
    with standard() as client, pytest.raises(MissingParametersException, match="needs"):
        call(client)


def test_what_is_inside_an_object_goes_by_its_client_and_workspace() -> None:
    found = {"name": "checkout", "trafficType": {"id": "t", "name": "user"}}

    with standard() as client:
        split = Split(found, "w", client)
        assert split.traffic_type is not None

        run(replace(ROWS["A1"], call=lambda c: split.traffic_type and split.traffic_type.fetch_attributes()), client)


def test_two_calls_upload_a_file_and_only_the_first_has_the_credential(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_bytes(b"u-1\nu-2\n")

    with standard() as client, responses.RequestsMock() as service:
        service.post("https://api.split.io/internal/api/v2/changeRequests/ws/w/environments/e", json=PLACE)
        service.put("https://s3.example/x?signature=s", body=b"")

        answer = BIG.submit_upload("t", "c", ["a@b"], str(file), client)

        sent = service.calls[1].request
    assert answer.status_code == 200
    assert sent.body == b"u-1\nu-2\n"
    assert (sent.headers["Host"], sent.headers["Content-Length"]) == ("h", "8")
    assert not {"Authorization", "x-api-key", "Content-Type", "Transfer-Encoding"} & set(sent.headers)


def test_a_file_that_cannot_be_read_is_told_before_anything_is_asked_for(tmp_path: Path) -> None:
    with standard() as client, responses.RequestsMock(), pytest.raises(FileNotFoundError):
        BIG.submit_upload("t", "c", [], str(tmp_path / "absent.csv"), client)
