"""Every call of section 2 of the Split specification: the request it makes, and the object it gives."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.management.split import HarnessClient
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
from openfeature_kameleoon.management.split.resources.harness import (
    HarnessApiKey,
    HarnessGroup,
    HarnessInvite,
    HarnessProject,
    HarnessUser,
    ResourceGroup,
    Role,
    RoleAssignment,
    ServiceAccount,
    Token,
)
from tests.management.examples import example
from tests.management.split_rows import Like, Row, harness, indexed, marked, paged, run, standard

WORKSPACE = {"id": "w", "name": "Main", "requiresTitleAndComments": False}
NEW = {"name": "Lab", "description": "d"}
RESTRICTION = {"id": "r", "type": "restriction", "resource": {"id": "w", "type": "workspace"}}
VIEWERS = [{"id": "g", "type": "group"}]
ENVIRONMENT = {"id": "e", "name": "Prod", "production": True}
TYPE = {"id": "t", "name": "user", "displayAttributeId": "mail"}
ATTRIBUTE = {"id": "city", "trafficTypeId": "t", "displayName": "City", "dataType": "string"}
SAVED = {"description": None, "suggestedValues": None, **ATTRIBUTE}
IDENTITY = {"key": "k/1", "trafficTypeId": "t", "environmentId": "e", "values": {"city": "Rome"}}
SEGMENT = {"name": "vip", "description": "d", "trafficType": {"id": "t", "name": "user"}, "creationTime": 5}
IN_PROD = {"name": "vip", "environment": {"id": "e", "name": "Prod"}, "trafficType": {"id": "t", "name": "user"}}
KEYS = {"keys": ["a", "b"], "comment": "c"}
FLAG = {"id": "f", "name": "checkout", "description": "d", "trafficType": {"id": "t", "name": "user"}}
DEFINITION = {"name": "checkout", "killed": False, "defaultTreatment": "off"}
INPUT = {"treatments": [{"name": "off"}], "defaultTreatment": "off", "defaultRule": [{"treatment": "off", "size": 100}]}
CHANGE = {"id": "c", "status": "REQUESTED", "split": {"name": "checkout"}, "segment": None}
OTHER_CHANGE = {"id": "c2", "status": "REQUESTED", "ruleBasedSegment": {"name": "checkout"}}
ASKED = {"operationType": "UPLOAD", "title": "t", "comment": "c", "approvers": ["a@b"]}
PLACE = {
    "transactionMetadata": {"method": "PUT", "url": "https://s3.example/x?signature=s", "headers": {"Host": ["h"]}}
}
USER = {"id": "u", "name": "Ada", "email": "a@b", "status": "ACTIVE"}
USER_DATA = {"name": "n", "email": "a@b", "2fa": False, "status": "ACTIVE"}
GROUP = {"id": "g", "name": "Admins"}
PATCH = [{"op": "add", "path": "/groups/-", "value": {"id": "g", "type": "group"}}]
KEY = {"id": "k", "key": "SECRET", "apiKeyType": "server_side"}
FLAG_SET = {"id": "s", "name": "fs", "workspace": {"id": "w", "type": "workspace"}}


def patch(field: str, value: object) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": f"/{field}", "value": value}]


HERE = {"environment": {"id": "e", "name": ""}}
WORKSPACE_ROWS = {
    "W1": Row(
        lambda c: c.workspaces.list(), "GET workspaces?limit=20&offset=0", paged(WORKSPACE), [Like(Workspace, id="w")]
    ),
    "W2": Row(
        lambda c: c.workspaces.find("Main"),
        "GET workspaces?limit=20&offset=0",
        paged(WORKSPACE),
        Like(Workspace, id="w"),
    ),
    "W3": Row(
        lambda c: c.workspaces.get_rollout_statuses("w"), "GET rolloutStatuses?wsId=w", [{"id": "r"}], [{"id": "r"}]
    ),
    "W4": Row(lambda c: c.workspaces.add(NEW), "POST workspaces", WORKSPACE, Like(Workspace, id="w"), NEW),
    "W5": Row(
        lambda c: c.workspaces.update("w", "name", "X"),
        "PATCH workspaces/w",
        WORKSPACE,
        Like(Workspace, id="w"),
        patch("name", "X"),
    ),
    "W6": Row(lambda c: c.workspaces.delete("w"), "DELETE workspaces/w"),
    "R1": Row(
        lambda c: c.restrictions.list("workspace", "w"),
        "GET restrictions?limit=20&offset=0&resource_type=workspace&resource_id=w",
        paged(RESTRICTION),
        [Like(Restriction, id="r")],
    ),
    "R2": Row(
        lambda c: c.restrictions.add("workspace", "w", VIEWERS),
        "PUT restrictions",
        RESTRICTION,
        Like(Restriction, id="r"),
        {
            "resource": {"id": "w", "type": "workspace"},
            "operations": {"view": True},
            "resourcePermissions": {"view": VIEWERS},
        },
    ),
    "E1": Row(
        lambda c: c.environments.list("w"),
        "GET environments/ws/w",
        [ENVIRONMENT],
        [Like(Environment, id="e", workspace_id="w")],
    ),
    "E2": Row(
        lambda c: c.environments.find("Prod", "w"), "GET environments/ws/w", [ENVIRONMENT], Like(Environment, id="e")
    ),
    "E3": Row(
        lambda c: c.environments.add(NEW, "w"),
        "POST environments/ws/w",
        ENVIRONMENT,
        Like(Environment, workspace_id="w"),
        NEW,
    ),
    "E4": Row(
        lambda c: c.environments.update("e", "w", "changePermissions/allowKills", True),
        "PATCH environments/ws/w/e",
        ENVIRONMENT,
        Like(Environment, id="e", workspace_id="w"),
        patch("changePermissions/allowKills", True),
    ),
    "E5": Row(lambda c: c.environments.delete("e", "w"), "DELETE environments/ws/w/e"),
    "V1": Row(
        lambda c: c.flag_sets.list("w"),
        "GET flag-sets?workspace_id=w&limit=50",
        marked(FLAG_SET),
        [Like(FlagSet, id="s", workspace_id="w")],
    ),
    "V2": Row(
        lambda c: c.flag_sets.find("fs", "w"),
        "GET flag-sets?workspace_id=w&limit=50",
        marked(FLAG_SET),
        Like(FlagSet, id="s"),
    ),
    "V3": Row(lambda c: c.flag_sets.get("s"), "GET flag-sets/s", FLAG_SET, Like(FlagSet, id="s", workspace_id="w")),
    "V4": Row(
        lambda c: c.flag_sets.add(NEW, "w"),
        "POST flag-sets",
        FLAG_SET,
        Like(FlagSet, id="s"),
        {**NEW, "workspace": {"id": "w", "type": "WORKSPACE"}},
    ),
    "V5": Row(lambda c: c.flag_sets.delete("s"), "DELETE flag-sets/s"),
}

IDENTITIES = "trafficTypes/t/environments/e/identities"
SCHEMA_ROWS = {
    "T1": Row(
        lambda c: c.traffic_types.list("w"),
        "GET trafficTypes/ws/w",
        [TYPE],
        [Like(TrafficType, id="t", workspace_id="w")],
    ),
    "T2": Row(lambda c: c.traffic_types.find("user", "w"), "GET trafficTypes/ws/w", [TYPE], Like(TrafficType, id="t")),
    "T3": Row(lambda c: c.traffic_types.delete("t"), "DELETE trafficTypes/t"),
    "A1": Row(
        lambda c: c.attributes.list("t", "w"),
        "GET schema/ws/w/trafficTypes/t",
        [ATTRIBUTE],
        [Like(Attribute, id="city", workspace_id="w")],
    ),
    "A2": Row(
        lambda c: c.attributes.find("city", "t", "w"),
        "GET schema/ws/w/trafficTypes/t",
        [ATTRIBUTE],
        Like(Attribute, id="city"),
    ),
    "A3": Row(
        lambda c: c.attributes.save({**ATTRIBUTE, "workspaceId": "w"}),
        "POST schema/ws/w/trafficTypes/t",
        ATTRIBUTE,
        Like(Attribute, id="city", workspace_id="w"),
        SAVED,
    ),
    "A4": Row(lambda c: c.attributes.delete("city", "w", "t"), "DELETE schema/ws/w/trafficTypes/t/city"),
    "A5": Row(
        lambda c: c.attributes.delete_by_instance(Attribute({**ATTRIBUTE, "workspaceId": "w"})),
        "DELETE schema/ws/w/trafficTypes/t/city",
    ),
    "A6": Row(
        lambda c: c.attributes.import_attributes_from_json("w", "t", [{"id": "plan"}]),
        "POST schema/ws/w/trafficTypes/t/attribute:bulk",
        body=[{"id": "plan"}],
    ),
    "I1": Row(
        lambda c: c.identities.save(IDENTITY), f"PUT {IDENTITIES}/k%2F1", IDENTITY, Like(Identity, key="k/1"), IDENTITY
    ),
    "I2": Row(
        lambda c: tuple(c.identities.save_all([IDENTITY])),
        f"POST {IDENTITIES}",
        {"objects": [IDENTITY], "failed": [{"object": IDENTITY, "status": 400, "message": "m"}], "metadata": {}},
        ([Like(Identity, key="k/1")], [{"object": Like(Identity, key="k/1"), "status": 400, "message": "m"}]),
        [IDENTITY],
    ),
    "I3": Row(
        lambda c: c.identities.update(IDENTITY),
        f"POST {IDENTITIES}/k%2F1/patch",
        IDENTITY,
        Like(Identity, key="k/1"),
        IDENTITY,
    ),
    "I4": Row(
        lambda c: c.identities.patch(IDENTITY),
        f"PATCH {IDENTITIES}/k%2F1",
        IDENTITY,
        Like(Identity, key="k/1"),
        IDENTITY,
    ),
    "I5": Row(lambda c: c.identities.delete("t", "e", "k/1"), f"DELETE {IDENTITIES}/k%2F1"),
    "I6": Row(lambda c: c.identities.delete_by_instance(Identity(IDENTITY)), f"DELETE {IDENTITIES}/k%2F1"),
}

SEGMENT_ROWS = {
    "S1": Row(
        lambda c: c.segments.list("w"),
        "GET segments/ws/w?limit=50&offset=0",
        paged(SEGMENT),
        [Like(Segment, id="vip", workspace_id="w")],
    ),
    "S2": Row(
        lambda c: c.segments.find("vip", "w"),
        "GET segments/ws/w?limit=50&offset=0",
        paged(SEGMENT),
        Like(Segment, name="vip"),
    ),
    "S3": Row(
        lambda c: c.segments.add(NEW, "user", "w"),
        "POST segments/ws/w/trafficTypes/user",
        SEGMENT,
        Like(Segment, workspace_id="w"),
        NEW,
    ),
    "S4": Row(lambda c: c.segments.delete("vip", "w"), "DELETE segments/ws/w/vip"),
    "S5": Row(
        lambda c: c.segments.add_to_environment("vip", "e"),
        "POST segments/e/vip",
        IN_PROD,
        Like(SegmentDefinition, name="vip"),
        "",
    ),
    "S6": Row(lambda c: c.segments.remove_from_environment("vip", "e"), "DELETE segments/e/vip"),
    "D1": Row(
        lambda c: c.segment_definitions.list("e", "w"),
        "GET segments/ws/w/environments/e?limit=50&offset=0",
        paged(IN_PROD),
        [Like(SegmentDefinition, name="vip", **HERE)],
    ),
    "D2": Row(
        lambda c: c.segment_definitions.find("vip", "e", "w"),
        "GET segments/ws/w/environments/e?limit=50&offset=0",
        paged(IN_PROD),
        Like(SegmentDefinition, name="vip", **HERE),
    ),
    "D3": Row(
        lambda c: c.segment_definitions.get_keys("vip", "e"),
        "GET segments/e/vip/keys?limit=100&offset=0",
        paged({"key": "a"}, {"key": "b"}, name="keys", total="count"),
        ["a", "b"],
    ),
    "D4": Row(
        lambda c: c.segment_definitions.get_key_count("vip", "e"),
        "GET segments/e/vip/keys?limit=100&offset=0",
        paged({"key": "a"}, {"key": "b"}, name="keys", total="count"),
        2,
    ),
    "D5": Row(
        lambda c: c.segment_definitions.import_keys_from_json("vip", "e", True, KEYS),
        "PUT segments/e/vip/uploadKeys?replace=true",
        body=KEYS,
    ),
    "D6": Row(
        lambda c: c.segment_definitions.remove_keys("vip", "e", KEYS), "PUT segments/e/vip/removeKeys", body=KEYS
    ),
    "L1": Row(
        lambda c: c.large_segments.list("w"),
        "GET large-segments/ws/w",
        [SEGMENT],
        [Like(LargeSegment, id="vip", workspace_id="w")],
    ),
    "L2": Row(
        lambda c: c.large_segments.find("vip", "w"),
        "GET large-segments/ws/w",
        [SEGMENT],
        Like(LargeSegment, name="vip"),
    ),
    "L3": Row(
        lambda c: c.large_segments.add(NEW, "user", "w"),
        "POST large-segments/ws/w/trafficTypes/user",
        SEGMENT,
        Like(LargeSegment, workspace_id="w"),
        NEW,
    ),
    "L4": Row(lambda c: c.large_segments.delete("vip", "w"), "DELETE large-segments/ws/w/vip"),
    "L5": Row(
        lambda c: c.large_segments.add_to_environment("vip", "e", "w"),
        "POST large-segments/e/vip",
        {**IN_PROD, "id": "l"},
        Like(LargeSegmentDefinition, id="l", workspaceId="w"),
        "",
    ),
    "L6": Row(lambda c: c.large_segments.remove_from_environment("vip", "e"), "DELETE large-segments/e/vip"),
    "LD1": Row(
        lambda c: c.large_segment_definitions.list("e", "w"),
        "GET large-segments/ws/w/environments/e",
        [{**IN_PROD, "id": "l"}],
        [Like(LargeSegmentDefinition, id="l", workspaceId="w", **HERE)],
    ),
    "LD2": Row(
        lambda c: c.large_segment_definitions.find("vip", "e", "w"),
        "GET large-segments/ws/w/environments/e",
        [{**IN_PROD, "id": "l"}],
        Like(LargeSegmentDefinition, id="l"),
    ),
    "LD3": Row(
        lambda c: c.large_segment_definitions.remove_all_members("w", "e", "vip", "t", "c", ["a@b"]),
        "POST changeRequests/ws/w/environments/e",
        CHANGE,
        body={"largeSegment": {"name": "vip"}, **ASKED, "operationType": "ARCHIVE"},
    ),
    "LD4": Row(
        lambda c: c.large_segment_definitions.submit_upload("w", "e", "vip", "t", "c", ["a@b"]),
        "POST changeRequests/ws/w/environments/e",
        PLACE,
        PLACE,
        {"largeSegment": {"name": "vip"}, **ASKED},
    ),
    "LD5": Row(
        lambda c: c.large_segment_definitions.upload_file(PLACE, Path(__file__)).status_code,
        "PUT https://s3.example/x",
        gives=200,
    ),
    "B1": Row(
        lambda c: c.rule_based_segments.list("w"),
        "GET rule-based-segments/ws/w?limit=50&offset=0",
        [SEGMENT],
        [Like(RuleBasedSegment, id="vip", workspace_id="w")],
    ),
    "B2": Row(
        lambda c: c.rule_based_segments.find("vip", "w"),
        "GET rule-based-segments/ws/w?limit=50&offset=0",
        [SEGMENT],
        Like(RuleBasedSegment, name="vip"),
    ),
    "B3": Row(
        lambda c: c.rule_based_segments.add(NEW, "user", "w"),
        "POST rule-based-segments/ws/w/trafficTypes/user",
        SEGMENT,
        Like(RuleBasedSegment, workspace_id="w"),
        NEW,
    ),
    "B4": Row(lambda c: c.rule_based_segments.delete("vip", "w"), "DELETE rule-based-segments/ws/w/vip"),
    "B5": Row(
        lambda c: c.rule_based_segments.add_to_environment("vip", "e", "w"),
        "POST rule-based-segments/e/vip",
        IN_PROD,
        Like(RuleBasedSegmentDefinition, name="vip", workspace_id="w"),
        "",
    ),
    "B6": Row(lambda c: c.rule_based_segments.remove_from_environment("vip", "e"), "DELETE rule-based-segments/e/vip"),
    "BD1": Row(
        lambda c: c.rule_based_segment_definitions.list("e", "w", offset=50, limit=10),
        "GET rule-based-segments/ws/w/environments/e?offset=50&limit=10",
        [IN_PROD],
        [Like(RuleBasedSegmentDefinition, name="vip", workspace_id="w", **HERE)],
    ),
    "BD2": Row(
        lambda c: c.rule_based_segment_definitions.find("vip", "e", "w"),
        "GET rule-based-segments/ws/w/environments/e?offset=0&limit=50",
        [IN_PROD],
        Like(RuleBasedSegmentDefinition, name="vip"),
    ),
    "BD3": Row(
        lambda c: c.rule_based_segment_definitions.update("vip", "e", "w", {"rules": []}),
        "PUT rule-based-segments/ws/w/vip/environments/e",
        IN_PROD,
        Like(RuleBasedSegmentDefinition, name="vip", workspace_id="w"),
        {"rules": []},
    ),
    "BD4": Row(lambda c: c.rule_based_segment_definitions.delete("vip", "e"), "DELETE rule-based-segments/e/vip"),
}

FLAG_URL = "splits/ws/w/checkout"
IN_E = f"{FLAG_URL}/environments/e"
FLAG_ROWS = {
    "F1": Row(
        lambda c: c.splits.list("w", ["a&b", "c"]),
        "GET splits/ws/w?limit=20&offset=0&tag=a%26b&tag=c",
        paged(FLAG),
        [Like(Split, id="f", workspace_id="w")],
    ),
    "F2": Row(
        lambda c: c.splits.find("checkout", "w"), "GET splits/ws/w?limit=20&offset=0", paged(FLAG), Like(Split, id="f")
    ),
    "F3": Row(lambda c: c.splits.get("checkout", "w"), f"GET {FLAG_URL}", FLAG, Like(Split, id="f", workspace_id="w")),
    "F4": Row(
        lambda c: c.splits.add(NEW, "user", "w"),
        "POST splits/ws/w/trafficTypes/user",
        FLAG,
        Like(Split, workspace_id="w"),
        NEW,
    ),
    "F5": Row(lambda c: c.splits.delete("checkout", "w"), f"DELETE {FLAG_URL}"),
    "F6": Row(
        lambda c: c.splits.update_description("checkout", "new", "w"),
        f"PUT {FLAG_URL}/updateDescription",
        FLAG,
        Like(Split, id="f"),
        "new",
    ),
    "F7": Row(
        lambda c: c.splits.add_to_environment("checkout", "e", "w", INPUT),
        f"POST {IN_E}",
        DEFINITION,
        Like(SplitDefinition, name="checkout", _environment_id="e", _workspace_id="w"),
        INPUT,
    ),
    "F8": Row(
        lambda c: c.splits.remove_from_environment("checkout", "e", "why", "t", "w"),
        f"DELETE {IN_E}?title=t&comment=why",
    ),
    "F9": Row(
        lambda c: c.splits.associate_tags("checkout", ["x"], "w"),
        "POST tags/ws/w/object/checkout/objecttype/Split",
        body=["x"],
    ),
    "FD1": Row(
        lambda c: c.split_definitions.list("e", "w"),
        "GET splits/ws/w/environments/e?limit=20&offset=0",
        paged(DEFINITION),
        [Like(SplitDefinition, id="checkout", _environment_id="e")],
    ),
    "FD2": Row(
        lambda c: c.split_definitions.find("checkout", "e", "w"),
        "GET splits/ws/w/environments/e?limit=20&offset=0",
        paged(DEFINITION),
        Like(SplitDefinition, id="checkout"),
    ),
    "FD3": Row(
        lambda c: c.split_definitions.get_definition("checkout", "e", "w"),
        f"GET {IN_E}",
        DEFINITION,
        Like(SplitDefinition, _workspace_id="w"),
    ),
    "FD4": Row(
        lambda c: c.split_definitions.update_definition("checkout", "e", "w", INPUT),
        f"PUT {IN_E}",
        DEFINITION,
        Like(SplitDefinition, name="checkout", _environment_id="e"),
        INPUT,
    ),
    "FD5": Row(lambda c: c.split_definitions.kill("checkout", "e", "w"), f"PUT {IN_E}/kill"),
    "FD6": Row(lambda c: c.split_definitions.restore("checkout", "e", "w"), f"PUT {IN_E}/restore"),
    "C1": Row(
        lambda c: c.change_requests.list("e", "REQUESTED"),
        "GET changeRequests?limit=100&environmentId=e&status=REQUESTED",
        marked(CHANGE),
        [Like(ChangeRequest, id="c", name="checkout")],
    ),
    "C2": Row(
        lambda c: c.change_requests.find("checkout"),
        "GET changeRequests?limit=100",
        marked(CHANGE, OTHER_CHANGE),
        [Like(ChangeRequest, id="c")],
    ),
    "C3": Row(
        lambda c: c.change_requests.update_status("c", "APPROVED", "done"),
        "PUT changeRequests/c",
        CHANGE,
        Like(ChangeRequest, id="c"),
        {"status": "APPROVED", "comment": "done"},
    ),
    "C4": Row(
        lambda c: c.change_requests.submit_change_request("e", "w", ASKED),
        "POST changeRequests/ws/w/environments/e",
        CHANGE,
        Like(ChangeRequest, id="c"),
        ASKED,
    ),
}

PEOPLE_ROWS = {
    "U1": Row(
        lambda c: c.users.list("ACTIVE"),
        "GET users?limit=200&status=ACTIVE",
        marked(USER),
        [Like(User, id="u", email="a@b")],
    ),
    "U2": Row(lambda c: c.users.find("a@b"), "GET users?limit=200&status=ACTIVE", marked(USER), Like(User, id="u")),
    "U3": Row(lambda c: c.users.invite_user({"email": "a@b"}), "POST users", USER, body={"email": "a@b"}),
    "U4": Row(lambda c: c.users.delete("u"), "DELETE users/u"),
    "U5": Row(lambda c: c.users.update_user("u", USER_DATA), "PUT users/u", USER, Like(User, id="u"), USER_DATA),
    "U6": Row(lambda c: c.users.update_user_group("u", PATCH), "PATCH users/u", USER, Like(User, id="u"), PATCH),
    "G1": Row(lambda c: c.groups.list(), "GET groups?limit=200&offset=0", paged(GROUP), [Like(Group, id="g")]),
    "G2": Row(lambda c: c.groups.find("Admins"), "GET groups?limit=200&offset=0", paged(GROUP), Like(Group, id="g")),
    "G3": Row(lambda c: c.groups.create_group(NEW), "POST groups", GROUP, Like(Group, id="g"), NEW),
    "G4": Row(lambda c: c.groups.update_group("g", NEW), "PUT groups/g", GROUP, Like(Group, id="g"), NEW),
    "G5": Row(lambda c: c.groups.delete_group("g"), "DELETE groups/g"),
    "K1": Row(
        lambda c: c.apikeys.create_apikey("n", "server_side", ["e"], "w", ["API_ADMIN"]),
        "POST apiKeys",
        KEY,
        Like(APIKey, id="k", key="SECRET"),
        {
            "name": "n",
            "apiKeyType": "server_side",
            "environments": [{"type": "environment", "id": "e"}],
            "workspace": {"type": "workspace", "id": "w"},
            "roles": ["API_ADMIN"],
        },
    ),
    "K2": Row(lambda c: c.apikeys.delete_apikey("k"), "DELETE apiKeys/k"),
}

A = "accountIdentifier=acc"
KEY_OF = f"{A}&apiKeyType=SERVICE_ACCOUNT&parentIdentifier="
PAGE = f"{A}&pageIndex=0&pageSize=100"
BODY = {"identifier": "x", "name": "X"}


def data(found: object) -> dict[str, Any]:
    return {"status": "SUCCESS", "data": found}


def envelope_rows(tag: str, client: str, path: str, inside: str, kind: type, verbs: str, new: str) -> dict[str, Row]:
    """The rows of clients that differ by names alone."""

    def microclient(c: HarnessClient) -> Any:
        return getattr(c, client)

    thing, found = Like(kind, identifier="x"), data({inside: BODY})
    rows = {
        "list": Row(lambda c: microclient(c).list(), f"GET {path}?{PAGE}", indexed({inside: BODY}), [thing]),
        "get": Row(lambda c: microclient(c).get("x"), f"GET {path}/x?{A}", found, thing),
        "create": Row(lambda c: microclient(c).create(**{new: BODY}), f"POST {path}?{A}", found, thing, BODY),
        "update": Row(lambda c: microclient(c).update("x", BODY), f"PUT {path}/x?{A}", found, thing, BODY),
        "delete": Row(lambda c: microclient(c).delete("x"), f"DELETE {path}/x?{A}"),
    }
    return {f"{tag}{number}": rows[verb] for number, verb in enumerate(verbs.split(), 1)}


ALL_VERBS = "list get create update delete"
HARNESS_ROWS = {
    "HT1": Row(
        lambda c: c.token.list(),
        f"GET ng/api/token/aggregate?apiKeyType=SERVICE_ACCOUNT&{PAGE}",
        indexed({"token": BODY}),
        [Like(Token, identifier="x", id="x")],
    ),
    "HT2": Row(
        lambda c: c.token.get("x"),
        f"GET ng/api/token/aggregate?apiKeyType=SERVICE_ACCOUNT&{PAGE}",
        indexed({"token": BODY}),
        Like(Token, identifier="x"),
    ),
    "HT3": Row(lambda c: c.token.create(BODY), f"POST ng/api/token?{A}", data("sat.secret"), "sat.secret", BODY),
    "HT4": Row(
        lambda c: c.token.update("x", BODY), f"PUT ng/api/token/x?{A}", data(BODY), Like(Token, identifier="x"), BODY
    ),
    "HT5": Row(
        lambda c: c.token.rotate("x", "bot", "ci"),
        f"POST ng/api/token/rotate/x?{KEY_OF}bot&apiKeyIdentifier=ci",
        data("sat.secret"),
        "sat.secret",
    ),
    "HT6": Row(lambda c: c.token.delete("x"), f"DELETE ng/api/token/x?{A}"),
    "HK1": Row(
        lambda c: c.harness_apikey.list(),
        f"GET ng/api/apikey?{KEY_OF}",
        data([BODY]),
        [Like(HarnessApiKey, identifier="x")],
    ),
    "HK2": Row(
        lambda c: c.harness_apikey.get("x", "bot"),
        f"GET ng/api/apikey/aggregate/x?{KEY_OF}bot",
        data({"apiKey": BODY}),
        Like(HarnessApiKey, identifier="x"),
    ),
    "HK3": Row(
        lambda c: c.harness_apikey.create(BODY),
        f"POST ng/api/apikey?{A}",
        data(BODY),
        Like(HarnessApiKey, name="X"),
        BODY,
    ),
    "HK4": Row(lambda c: c.harness_apikey.add_permissions("x", BODY), f"POST ng/api/roleassignments?{A}", body=BODY),
    "HK5": Row(lambda c: c.harness_apikey.delete("x", "bot"), f"DELETE ng/api/apikey/x?{KEY_OF}bot"),
    "HS1": Row(
        lambda c: c.service_account.list(),
        f"GET ng/api/serviceaccount?{A}",
        data([BODY]),
        [Like(ServiceAccount, id="x")],
    ),
    "HS2": Row(
        lambda c: c.service_account.get("x"),
        f"GET ng/api/serviceaccount/aggregate/x?{A}",
        data({"serviceAccount": BODY}),
        Like(ServiceAccount, id="x"),
    ),
    "HS3": Row(
        lambda c: c.service_account.create(BODY),
        f"POST ng/api/serviceaccount?{A}",
        data(BODY),
        Like(ServiceAccount, id="x"),
        BODY,
    ),
    "HS4": Row(
        lambda c: c.service_account.update("x", BODY),
        f"PUT ng/api/serviceaccount/x?{A}",
        data(BODY),
        Like(ServiceAccount, id="x"),
        BODY,
    ),
    "HS5": Row(lambda c: c.service_account.delete("x"), f"DELETE ng/api/serviceaccount/x?{A}"),
    "HU1": Row(
        lambda c: c.harness_user.list(),
        f"POST ng/api/user/aggregate?{A}&pageIndex=0",
        indexed({"user": {"uuid": "u"}}),
        [Like(HarnessUser, id="u")],
    ),
    "HU2": Row(
        lambda c: c.harness_user.get("u"),
        f"GET ng/api/user/aggregate/u?{A}",
        data({"user": {"uuid": "u"}}),
        Like(HarnessUser, id="u"),
    ),
    "HU3": Row(
        lambda c: c.harness_user.invite({"emails": ["a@b"]}), f"POST ng/api/user/users?{A}", body={"emails": ["a@b"]}
    ),
    "HU4": Row(
        lambda c: c.harness_user.update("u", BODY),
        f"PUT ng/api/user/u?{A}",
        data({"uuid": "u"}),
        Like(HarnessUser, id="u"),
        BODY,
    ),
    "HU5": Row(
        lambda c: c.harness_user.add_user_to_groups("u", ["g"]),
        f"PUT ng/api/user/add-user-to-groups/u?{A}",
        body={"userGroupIdsToAdd": ["g"]},
    ),
    "HU6": Row(
        lambda c: c.harness_user.list_pending(),
        f"POST ng/api/invites/aggregate?{A}&pageIndex=0",
        indexed({"id": "i"}),
        [Like(HarnessInvite, id="i")],
    ),
    "HU7": Row(lambda c: c.harness_user.delete_pending("i"), f"DELETE ng/api/invites/i?{A}"),
    "HG1": Row(
        lambda c: c.harness_group.list(filterType="EXCLUDE_INHERITED_GROUPS"),
        f"GET ng/api/user-groups?{PAGE}&filterType=EXCLUDE_INHERITED_GROUPS",
        indexed(BODY),
        [Like(HarnessGroup, id="x")],
    ),
    "HG2": Row(
        lambda c: c.harness_group.get("x"), f"GET ng/api/user-groups/x?{A}", data(BODY), Like(HarnessGroup, id="x")
    ),
    "HG3": Row(
        lambda c: c.harness_group.create(BODY),
        f"POST ng/api/user-groups?{A}",
        data(BODY),
        Like(HarnessGroup, id="x"),
        BODY,
    ),
    "HG4": Row(
        lambda c: c.harness_group.update(BODY),
        f"PATCH ng/api/user-groups?{A}",
        data(BODY),
        Like(HarnessGroup, id="x"),
        BODY,
    ),
    "HG5": Row(lambda c: c.harness_group.delete("x"), f"DELETE ng/api/user-groups/x?{A}"),
    **envelope_rows("HR", "role", "authz/api/roles", "role", Role, ALL_VERBS, "role_data"),
    **envelope_rows(
        "HX",
        "resource_group",
        "resourcegroup/api/v2/resourcegroup",
        "resourceGroup",
        ResourceGroup,
        ALL_VERBS,
        "resource_group_data",
    ),
    **envelope_rows(
        "HA",
        "role_assignment",
        "authz/api/roleassignments",
        "roleAssignment",
        RoleAssignment,
        "list get create delete",
        "role_assignment_data",
    ),
    **envelope_rows("HP", "harness_project", "ng/api/projects", "project", HarnessProject, ALL_VERBS, "project_data"),
    "HP1": Row(
        lambda c: c.harness_project.list(),
        f"GET ng/api/projects?{A}&pageIndex=0&pageSize=50",
        indexed({"project": BODY}),
        [Like(HarnessProject, id="x")],
    ),
}

ROWS = {**WORKSPACE_ROWS, **SCHEMA_ROWS, **SEGMENT_ROWS, **FLAG_ROWS, **PEOPLE_ROWS}
CATALOGUE = {entry["id"]: entry for entry in example("split-endpoints")["endpoints"]}


@pytest.mark.parametrize("call_id", ROWS)
def test_a_call_asks_and_gives_as_documented(call_id: str) -> None:
    with standard() as client:
        run(ROWS[call_id], client)


@pytest.mark.parametrize("call_id", HARNESS_ROWS)
def test_a_harness_call_asks_and_gives_as_documented(call_id: str) -> None:
    with harness() as client:
        run(HARNESS_ROWS[call_id], client)


STAYING = [call_id for call_id in ROWS if call_id[0] not in "URG" and call_id not in ("W4", "W5", "W6")]


@pytest.mark.parametrize("call_id", STAYING)
def test_harness_mode_makes_the_same_calls_by_its_own_token(call_id: str) -> None:
    with harness() as client:
        run(ROWS[call_id], client)


def test_every_documented_call_has_a_row() -> None:
    assert set(ROWS) | set(HARNESS_ROWS) == set(CATALOGUE)


@pytest.mark.parametrize("call_id", CATALOGUE)
def test_a_call_takes_its_arguments_by_their_documented_names_and_order(call_id: str) -> None:
    entry = CATALOGUE[call_id]
    with harness() as client:
        method = getattr(getattr(client, entry["client"]), entry["call"])

    signature = inspect.signature(method)

    expected = [one["name"] for one in entry["params"]]
    assert list(signature.parameters)[: len(expected)] == expected
    optional = [one["name"] for one in entry["params"] if "default" in one]
    assert all(signature.parameters[name].default is not inspect.Parameter.empty for name in optional)
