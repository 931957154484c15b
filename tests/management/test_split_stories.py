"""Split's documented examples (section 8 of its specification), as written, against a server that keeps state."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from openfeature_kameleoon.management.split import HarnessClient, SplitClient, get_client
from openfeature_kameleoon.management.split.exceptions import HTTPNotFoundError, HTTPResponseError
from openfeature_kameleoon.management.split.resources import (
    ChangeRequest,
    Environment,
    Split,
    SplitDefinition,
    TrafficType,
    Workspace,
    bucket,
    condition,
    default_rule,
    matcher,
    rule,
    treatment,
)
from tests.management.standins.split import SplitServer

T = TypeVar("T")

INPUT: dict[str, Any] = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}


@pytest.fixture
def server() -> Iterator[SplitServer]:
    with SplitServer() as running:
        yield running


def connected(server: SplitServer, key: str) -> SplitClient:
    return get_client({"apikey": key, "base_url": server.v2, "base_url_v3": server.v3})


@pytest.fixture
def c(server: SplitServer) -> Iterator[SplitClient]:
    with connected(server, server.admin_key) as client:
        yield client


@pytest.fixture
def second(server: SplitServer) -> Iterator[SplitClient]:
    """Of another key: nobody approves a change of one's own."""
    with connected(server, server.second_admin_key) as client:
        yield client


@pytest.fixture
def h(server: SplitServer) -> Iterator[HarnessClient]:
    config = {"harness_mode": True, "harness_token": server.harness_token, "account_identifier": server.account}
    hosts = {"base_url": server.v2, "base_url_v3": server.v3, "harness_base_url": f"{server.url}/"}
    with get_client({**config, **hosts}) as client:
        assert isinstance(client, HarnessClient)
        yield client


@pytest.fixture
def w(c: SplitClient) -> Workspace:
    return _there(c.workspaces.find("Main"))


@pytest.fixture
def e(c: SplitClient, w: Workspace) -> Environment:
    return _there(c.environments.find("Prod", w.id))


@pytest.fixture
def t(c: SplitClient, w: Workspace) -> TrafficType:
    return _there(c.traffic_types.find("user", w.id))


@pytest.fixture
def checkout(c: SplitClient, w: Workspace) -> Split:
    return w.add_split({"name": "checkout", "description": "d"}, "user")


def _there(found: T | None) -> T:
    assert found is not None
    return found


def test_1_traffic_is_shown_at_the_level_of_debugging(c: SplitClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    c.workspaces.list()

    assert "GET /internal/api/v2/workspaces" in caplog.text


def test_2_the_account_of_the_client_is_that_of_its_calls(h: HarnessClient, server: SplitServer) -> None:
    body = {"name": "CI", "identifier": "ci", "email": "ci@example.org", "accountIdentifier": server.account}

    assert h.token.list() == []
    assert h.harness_project.list() == []
    assert h.service_account.create(body).identifier == "ci"
    assert [one.name for one in h.service_account.list(server.account)] == ["CI"]
    assert h.service_account.list("another") == []


def test_3_and_4_workspaces(c: SplitClient) -> None:
    assert [(one.name, one.id) for one in c.workspaces.list()] == [("Main", _there(c.workspaces.find("Main")).id)]

    w = c.workspaces.add({"name": "Lab", "requiresTitleAndComments": True, "type": "workspace"})

    assert w.update("requiresTitleAndComments", False).requires_title_and_comments is False
    assert c.workspaces.find("Lab") == _there(c.workspaces.find("Lab"))
    assert c.workspaces.find("lab") is None


def test_5_a_workspace_goes_after_its_traffic_types(c: SplitClient) -> None:
    w = c.workspaces.add({"name": "Lab", "requiresTitleAndComments": False, "type": "workspace"})

    with pytest.raises(HTTPResponseError, match="HTTP 409"):
        w.delete()
    for t in c.traffic_types.list(w.id):
        c.traffic_types.delete(t.id)

    assert w.delete() is True
    assert c.workspaces.find("Lab") is None


def test_6_to_9_what_a_workspace_holds(c: SplitClient, w: Workspace) -> None:
    g, u = _there(c.groups.find("Administrators")), _there(c.users.find("ada@example.org"))

    assert w.add_segment({"name": "vip", "description": "d"}, "user").name == "vip"
    assert w.add_large_segment({"name": "big", "description": "d"}, "user").workspace_id == w.id
    assert w.add_rule_based_segment({"name": "adults", "description": "d"}, "user").id == "adults"
    owners = [{"id": g._id, "type": "group"}, {"id": u._id, "type": "user"}]
    made = w.add_split({"name": "checkout", "description": "d", "owners": owners}, "user")
    assert [one["id"] for one in made._owners] == [g._id, u._id]

    assert w.delete_segment("vip") is True
    assert w.delete_large_segment("big") is True
    assert w.delete_rule_based_segment("adults") is True
    assert w.delete_split("checkout") is True
    assert (c.segments.list(w.id), c.large_segments.list(w.id), c.splits.list(w.id)) == ([], [], [])


def test_10_restrictions(c: SplitClient, w: Workspace) -> None:
    g = _there(c.groups.find("Administrators"))

    c.restrictions.add("workspace", w.id, [{"id": g._id, "type": "group"}])

    for r in c.restrictions.list("workspace", w.id):
        assert (r._resource["id"], r._resourcePermissions["view"][0]["id"]) == (w.id, g._id)


def test_11_environments(c: SplitClient, w: Workspace, server: SplitServer) -> None:
    assert [(one.name, one.production) for one in c.environments.list(w.id)] == [("Prod", True), ("Staging", False)]
    server.environment_keys = False
    body = {
        "name": "qa",
        "production": False,
        "environmentType": "development",
        "workspaceIds": [w.id],
        "type": "environment",
        "changePermissions": {"areApprovalsRequired": False, "allowKills": True},
        "dataExportPermissions": {"areExportersRestricted": False, "exporters": []},
    }

    qa = c.environments.add(body, w.id)

    assert qa._changePermissions["allowKills"] is True
    assert c.environments.delete("qa", w.id) is True
    assert c.environments.find("qa", w.id) is None


def test_12_environments_are_changed_field_by_field(c: SplitClient, w: Workspace, e: Environment) -> None:
    exporters = {"areExportersRestricted": True, "exporters": []}

    c.environments.update(e.id, w.id, "dataExportPermissions", exporters)
    c.environments.update(e.id, w.id, "changePermissions/allowKills", True)
    changed = e.update("name", "Production")

    assert (changed.name, changed.changePermissions["allowKills"]) == ("Production", True)
    assert changed._dataExportPermissions["areExportersRestricted"] is True
    assert e.update_name("Prod").name == "Prod"


def test_13_a_traffic_type_has_attributes(w: Workspace, t: TrafficType) -> None:
    city = {
        "id": "city",
        "displayName": "City",
        "description": "d",
        "dataType": "STRING",
        "isSearchable": False,
        "workspaceId": w.id,
        "suggestedValues": ["Rome", "Oslo"],
    }

    assert t.add_attribute(city).display_name == "City"
    assert t.add_attribute({"id": "plan"}).workspace_id == w.id
    assert t.import_attributes_from_json([{"id": "plan", "suggestedValues": ["a"]}]) is True
    assert {one.id: one.suggested_values for one in t.fetch_attributes()} == {"city": ["Rome", "Oslo"], "plan": ["a"]}


def test_14_identities(c: SplitClient, t: TrafficType, e: Environment, server: SplitServer) -> None:
    t.import_attributes_from_json([{"id": "city"}])

    i = t.add_identity({"key": "k1", "values": {"city": "Rome"}, "environmentId": e.id})
    many = [{"key": "k2", "values": {"city": "Oslo"}, "environmentId": e.id}]
    result = t.add_identities(many)
    assert ([one.key for one in result.successful], result.failed) == (["k2"], [])
    successful, failed = c.identities.add_identities([{**many[0], "trafficTypeId": t.id}])
    assert (len(successful), failed) == (1, [])

    i.key = "k3"
    assert i.save().key == "k3"
    i.values = {"city": "Paris"}
    assert i.update().values == {"city": "Paris"}
    assert c.identities.delete(t.id, e.id, "k1") is True
    assert set(server.identities[str(t.id), str(e.id)]) == {"k2", "k3"}


def test_15_attributes(c: SplitClient, w: Workspace, t: TrafficType) -> None:
    t.import_attributes_from_json([{"id": "city"}, {"id": "plan"}])
    assert [one.id for one in c.attributes.list(t.id, w.id)] == ["city", "plan"]

    a = _there(c.attributes.find("city", t.id, w.id))
    a.display_name = "X"
    a.is_searchable = True
    saved = a.save()
    assert (saved.display_name, saved.is_searchable, saved.workspace_id) == ("X", True, w.id)

    assert saved.delete() is True
    assert c.attributes.delete_by_instance(_there(c.attributes.find("plan", "user", w.id))) is True
    assert t.fetch_attributes() == []


def test_16_segments(c: SplitClient, w: Workspace, e: Environment) -> None:
    w.add_segment({"name": "vip", "description": "d"}, "user")
    assert [(one.name, one.description, one.workspace_id) for one in c.segments.list(w.id)] == [("vip", "d", w.id)]

    s = _there(c.segments.find("vip", w.id))
    assert s.add_to_environment(e.id).environment["id"] == e.id
    assert s.remove_from_environment(e.id) is True
    assert c.segment_definitions.list(e.id, w.id) == []


def test_17_keys_of_a_segment(c: SplitClient, w: Workspace, e: Environment, tmp_path: Path) -> None:
    w.add_segment({"name": "vip", "description": "d"}, "user").add_to_environment(e.id)
    d = _there(c.segment_definitions.find("vip", e.id, w.id))

    assert d.import_keys_from_json("false", {"keys": ["a", "b", "c,d"], "comment": "c"}) is True
    assert (d.get_keys(), d.get_key_count()) == (["a", "b", "c,d"], 3)
    assert d.export_keys_to_csv(str(tmp_path / "o.csv")) is True
    assert (tmp_path / "o.csv").read_bytes() == b"a\r\nb\r\n|c,d|\r\n"
    assert d.remove_keys({"keys": ["b"], "comment": "c"}) is True
    d.submit_change_request(["z"], "CREATE", "t", "c", ["x@y"], None, w.id)
    assert d.get_keys() == ["a", "c,d", "z"]
    assert d.import_keys_from_csv(tmp_path / "o.csv", replace_keys=True, comment="c") is True
    assert d.get_keys() == ["a", "b", "c,d"]


def test_18_flags(c: SplitClient, w: Workspace, e: Environment, checkout: Split) -> None:
    f = _there(c.splits.find("checkout", w.id))

    assert f.associate_tags(["t1", "t2"]) is True
    assert [one.name for one in c.splits.list(w.id, ["t1", "t2"])] == ["checkout"]
    assert f.add_to_environment(e.id, INPUT).default_treatment == "off"
    assert f.remove_from_environment(environment_id=e.id, title="t", comment="c") is True
    assert f.update_description("new").description == "new"
    with pytest.raises(HTTPNotFoundError):
        c.splits.get("absent", w.id)


def test_19_definitions(c: SplitClient, w: Workspace, e: Environment, checkout: Split) -> None:
    assert c.split_definitions.get_definition("checkout", e.id, w.id) is None
    checkout.add_to_environment(e.id, INPUT)

    listed = c.split_definitions.list(e.id, w.id)

    assert listed == [c.split_definitions.find("checkout", e.id, w.id)]
    assert listed == [c.split_definitions.get_definition("checkout", e.id, w.id)]


def built() -> dict[str, Any]:
    on = treatment.Treatment({"name": "on", "configurations": '{"color":"red"}', "keys": ["u-1"]})
    off = treatment.Treatment({"name": "off"})
    m = matcher.Matcher({"attribute": "group", "type": "IN_LIST_STRING", "strings": ["a", "b"]})
    cond = condition.Condition({"matchers": [m.export_dict()]})
    half = [bucket.Bucket({"treatment": name, "size": 50}).export_dict() for name in ("on", "off")]
    r = rule.Rule({"condition": cond.export_dict(), "buckets": half})
    return {
        "treatments": [on.export_dict(), off.export_dict()],
        "defaultTreatment": "off",
        "baselineTreatment": "off",
        "rules": [r.export_dict()],
        "defaultRule": [default_rule.DefaultRule({"treatment": "off", "size": 100}).export_dict()],
        "comment": "c",
    }


def test_20_a_definition_is_built_of_parts(e: Environment, checkout: Split) -> None:
    sd = checkout.add_to_environment(e.id, INPUT)

    updated = sd.update_definition(built())

    assert updated.name == "checkout"
    assert [one.export_dict() for one in updated.treatments or ()] == built()["treatments"]
    assert [one.export_dict() for one in updated.rules or ()] == built()["rules"]


def test_21_a_definition_is_changed(c: SplitClient, w: Workspace, e: Environment, checkout: Split) -> None:
    sd = checkout.add_to_environment(e.id, INPUT)

    def now() -> SplitDefinition:
        found: SplitDefinition = _there(c.split_definitions.get_definition("checkout", e.id, w.id))
        return found

    assert (sd.kill(), now().killed) == (True, True)
    assert (sd.restore(), now().killed) == (True, False)
    cr = sd.submit_change_request({**built(), "trafficAllocation": 40}, "UPDATE", "t", "c", ["x@y"], None)
    assert (cr.status, now().traffic_allocation) == ("PUBLISHED", 40)
    sd.submit_change_request({}, "KILL", "t", "c", [], None)
    assert now().killed is True


def needing_approval(e: Environment) -> None:
    e.update("changePermissions/areApprovalsRequired", True)


def test_22_change_requests(c: SplitClient, w: Workspace, e: Environment, checkout: Split) -> None:
    sd = checkout.add_to_environment(e.id, INPUT)
    vip = w.add_segment({"name": "vip", "description": "d"}, "user").add_to_environment(e.id)
    adults = w.add_rule_based_segment({"name": "adults", "description": "d"}, "user").add_to_environment(e.id)
    big = w.add_large_segment({"name": "big", "description": "d"}, "user").add_to_environment(e.id)
    needing_approval(e)
    sd.submit_change_request(built(), "UPDATE", "flag", "c", ["x@y"], None)
    vip.submit_change_request(["a"], "CREATE", "keys", "c", ["x@y"], None, w.id)
    adults.submit_change_request([], ["k"], [], "UPDATE", "rules", "c", ["x@y"])
    big.remove_all_members("members", "c", [])

    told = []
    for cr in c.change_requests.list():
        if cr._split is not None:
            told.append((cr._title, cr._split["name"], cr._split["environment"]["id"]))
        if cr._segment is not None:
            told.append((cr._title, cr._segment["name"], cr._segment["keys"]))
    assert told == [("flag", "checkout", e.id), ("keys", "vip", ["a"])]
    assert [cr.name for cr in c.change_requests.list()] == ["checkout", "vip", "adults", "big"]


def test_23_a_change_is_found_and_approved_by_another_key(
    c: SplitClient, second: SplitClient, w: Workspace, e: Environment, checkout: Split
) -> None:
    sd = checkout.add_to_environment(e.id, INPUT)
    needing_approval(e)
    with pytest.raises(HTTPResponseError, match="Approvals are required") as refusal:
        sd.update_definition(built())
    assert refusal.value._error.status_code == 403
    sd.submit_change_request({**built(), "trafficAllocation": 40}, "UPDATE", "t", "c", ["x@y"], None)

    assert len(c.change_requests.find(None, None, e.id)) == 1
    assert c.change_requests.find("another", None, e.id) == []
    assert c.change_requests.find(None, "checkout", e.id) == []
    mine: ChangeRequest = c.change_requests.find("checkout", None, e.id)[0]
    with pytest.raises(HTTPResponseError, match="HTTP 403"):
        mine.update_status("APPROVED", "done")

    assert (
        second.change_requests.find("checkout", None, e.id)[0].update_status("APPROVED", "done").status == "PUBLISHED"
    )
    published = _there(c.split_definitions.get_definition("checkout", e.id, w.id))
    assert published.traffic_allocation == 40


def test_24_users(c: SplitClient, server: SplitServer) -> None:
    assert [one.email for one in c.users.list("ACTIVE")] == ["ada@example.org"]
    assert c.users.invite_user({"email": "a@b.example"}) is True
    invited = _there(c.users.find("a@b.example"))
    assert c.users.delete(invited._id) is True

    u = _there(c.users.find("ada@example.org"))
    renamed = u.update_user({"name": "Ada", "email": "ada@example.org", "2fa": True, "status": "ACTIVE"})
    g = c.groups.create_group({"name": "Editors", "description": "d"})
    value = {"id": g._id, "type": "group"}
    renamed.update_user_group([{"op": "replace", "path": "/groups/0", "value": value}])
    also = {"id": server.administrators, "type": "group"}
    member = renamed.update_user_group([{"op": "add", "path": "/groups/-", "value": also}])

    assert (member._name, member.raw["2fa"]) == ("Ada", True)
    assert [one["id"] for one in member._groups] == [g._id, server.administrators]


def test_25_groups(c: SplitClient) -> None:
    g = c.groups.create_group({"name": "Editors", "description": "d"})

    assert [(one._id, one._name) for one in c.groups.list()][1:] == [(g._id, "Editors")]
    assert c.groups.update_group(g._id, {"name": "Writers", "description": "d"})._name == "Writers"
    assert c.groups.delete_group(_there(c.groups.find("Writers"))._id) is True
    assert c.groups.find("Writers") is None


def test_26_api_keys(c: SplitClient, w: Workspace, e: Environment) -> None:
    k = c.apikeys.create_apikey("n", "server_side", [e.id], w.id)
    admin = c.apikeys.create_apikey("a", "admin", None, w.id, ["API_FEATURE_FLAG_VIEWER"])

    assert (bool(k.key), k._environments[0]["id"], k._workspace["id"]) == (True, e.id, w.id)
    assert admin._roles == ["API_FEATURE_FLAG_VIEWER"]
    assert c.apikeys.delete_apikey(k._id) is True
    assert c.apikeys.delete_apikey(admin.key) is True


def test_27_flag_sets(c: SplitClient, w: Workspace) -> None:
    given = {"name": "fs", "description": "d"}

    made = c.flag_sets.add(flag_set=given, workspace_id=w.id)

    assert given == {"name": "fs", "description": "d"}
    assert [(one.name, one.description) for one in c.flag_sets.list(w.id)] == [("fs", "d")]
    assert _there(c.flag_sets.find("fs", w.id)).get().workspace_id == w.id
    assert c.flag_sets.delete(flag_set_id=made.id) is None
    assert c.flag_sets.list(w.id) == []


def test_28_large_segments(c: SplitClient, w: Workspace, e: Environment, tmp_path: Path, server: SplitServer) -> None:
    (tmp_path / "keys.csv").write_text("u-1\nu-2\n")
    w.add_large_segment({"name": "big", "description": "d"}, "user")
    assert [one.name for one in c.large_segments.list(w.id)] == ["big"]
    big = _there(c.large_segments.find("big", w.id))
    assert big.add_to_environment(e.id).workspaceId == w.id
    ld = _there(c.large_segment_definitions.find("big", e.id, w.id))
    members = server.large_segments[str(w.id)]["big"].members

    assert ld.submit_upload("t", "c", [], str(tmp_path / "keys.csv")).status_code == 200
    assert members == {e.id: ["u-1", "u-2"]}
    assert ld.remove_all_members("t", "c", []) is True
    assert members == {e.id: []}
    assert big.remove_from_environment(e.id) is True
    assert c.large_segment_definitions.list(e.id, w.id) == []


def test_29_rule_based_segments(c: SplitClient, w: Workspace, e: Environment) -> None:
    w.add_segment({"name": "beta", "description": "d"}, "user")
    w.add_rule_based_segment({"name": "adults", "description": "d"}, "user")
    s = _there(c.rule_based_segments.find("adults", w.id))
    m = matcher.Matcher({"attribute": "age", "type": "GREATER_THAN_OR_EQUAL_NUMBER", "number": 18})
    rules = [{"condition": {"combiner": "AND", "matchers": [m.export_dict()]}}]
    excluded = [{"name": "beta", "type": "standard_segment"}]

    assert (
        s.add_to_environment(e.id).update({"rules": rules, "excludedKeys": [], "excludedSegments": []}).rules == rules
    )
    rd = _there(c.rule_based_segment_definitions.find("adults", e.id, w.id))
    updated = rd.update({"rules": rules, "excludedKeys": ["k"], "excludedSegments": excluded})
    assert (updated.excluded_keys, updated.excluded_segments, updated.workspace_id) == (["k"], excluded, w.id)
    cr = rd.submit_change_request(
        rules=rules,
        excluded_keys=["l"],
        excluded_segments=excluded,
        operation_type="UPDATE",
        title="t",
        comment="c",
        approvers=["x@y"],
        workspace_id=w.id,
    )
    assert cr.rule_based_segment is not None
    assert cr.rule_based_segment["excludedKeys"] == ["l"]
    assert rd.delete() is True
    assert w.delete_rule_based_segment("adults") is True


def test_30_a_call_may_have_a_scope_of_its_own(h: HarnessClient, server: SplitServer) -> None:
    h.harness_group.create({"identifier": "g", "name": "G"}, org_identifier="o", project_identifier="p")

    assert h.harness_group.list(filterType="EXCLUDE_INHERITED_GROUPS") == []
    (group,) = h.harness_group.list(org_identifier="o", project_identifier="p")
    assert (group.id, group.orgIdentifier) == ("g", "o")
    assert list(server.scoped("groups", "o", "p")) == ["g"]


def test_every_harness_object_lives_through_its_life(h: HarnessClient, server: SplitServer) -> None:
    role = h.role.create({"identifier": "r", "name": "R", "permissions": ["a"]})
    assert (h.role.get("r"), h.role.list()) == (role, [role])
    assert h.role.update("r", {"identifier": "r", "name": "Renamed"}).name == "Renamed"
    assert h.role.delete("r") is True

    key = {"identifier": "k", "name": "K", "apiKeyType": "SERVICE_ACCOUNT", "parentIdentifier": "bot"}
    assert _there(h.harness_apikey.create(key)).id == "k"

    assert [one.id for one in h.harness_apikey.list("bot")] == ["k"]
    assert _there(h.harness_apikey.get("k", "bot")).name == "K"
    server.has_ng_role_assignments = False
    permissions = {
        "identifier": "ra",
        "roleIdentifier": "r",
        "principal": {"identifier": "bot", "type": "SERVICE_ACCOUNT"},
    }
    assert h.harness_apikey.add_permissions("k", {**permissions, "resourceGroupIdentifier": "all"}) is True
    assert [one.id for one in h.role_assignment.list()] == ["ra"]

    assert h.harness_user.invite({"emails": ["a@b.example"], "userGroups": []}) is True
    (invite,) = h.harness_user.list_pending()
    assert h.harness_user.delete_pending(invite.id) is True

    project = h.harness_project.create({"project": {"identifier": "p", "name": "P"}}, org_identifier="o")
    assert h.harness_project.list(org_identifier="o") == [project]
    assert h.harness_project.delete("p", org_identifier="o") is True


def test_an_object_may_go_by_another_client(second: SplitClient, w: Workspace, server: SplitServer) -> None:
    w.add_segment({"name": "vip", "description": "d"}, "user", apiclient=second)

    assert server.asked("POST")[-1].headers["Authorization"] == f"Bearer {server.second_admin_key}"
