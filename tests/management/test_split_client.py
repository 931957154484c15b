"""Split's clients: what they are made of, what each mode has, how lists come, and what is put right (section 10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses

import openfeature_kameleoon.management.split.main as main_module
from openfeature_kameleoon.errors import ConfigException
from openfeature_kameleoon.management.split import HarnessClient, SplitClient, get_client
from openfeature_kameleoon.management.split.exceptions import (
    AnswerIncomplete,
    HarnessDeprecatedEndpointError,
    HTTPNotFoundError,
    HTTPResponseError,
    InsufficientConfigArgumentsException,
    InvalidArgumentException,
    SplitException,
)
from tests.management.split_rows import harness, indexed, marked, paged, standard
from tests.management.test_split_calls import PLACE

V2 = "https://api.split.io/internal/api/v2"
HARNESS = "https://app.harness.io"


def query_of(call: responses.Call) -> str:
    return (call.request.url or "").partition("?")[2]


# --- configuration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "apikey"),
        ({"apikey": ""}, "apikey"),
        ({"harness_token": "t"}, "apikey"),
        ({"harness_mode": True}, "harness_token is required"),
        ({"harness_mode": 1, "apikey": "k"}, "harness_token is required"),
    ],
)
def test_what_a_client_cannot_be_without(config: dict[str, Any], told: str) -> None:
    with pytest.raises(InsufficientConfigArgumentsException, match=told):
        get_client(config)


def test_there_is_no_asynchronous_client() -> None:
    with pytest.raises(Exception, match="Async client not yet implemented") as refusal:
        get_client({"async": True})

    assert type(refusal.value) is Exception


def test_credentials_travel_by_https_alone() -> None:
    for name in ("base_url", "base_url_v3"):
        with pytest.raises(ConfigException, match="https://"):
            standard(**{name: "http://split.example"})
    with pytest.raises(ConfigException, match="https://"):
        harness(harness_base_url="http://harness.example")


def test_the_base_url_is_that_of_split_in_both_modes() -> None:
    with harness(base_url="https://proxy.example/v2/") as client, responses.RequestsMock() as service:
        service.get("https://proxy.example/v2/environments/ws/w", json=[])
        service.get(f"{HARNESS}/ng/api/serviceaccount", json={"data": []})

        assert client.environments.list("w") == []
        assert client.service_account.list() == []


def test_what_each_mode_has() -> None:
    platform = {
        *("token", "harness_apikey", "service_account", "harness_user", "harness_group", "role"),
        *("resource_group", "role_assignment", "harness_project"),
    }

    with standard() as split, harness() as both:
        assert type(split) is SplitClient
        assert not any(hasattr(split, name) for name in platform)
        assert all(hasattr(both, name) for name in platform)
        assert main_module.get_client is get_client


def test_a_client_shows_no_credential() -> None:
    with standard() as split, harness() as both:
        shown = repr([split, both, split.workspaces, both.token, vars(split), vars(both)])

    assert "SECRET" not in shown


def test_a_session_of_the_callers_is_used_and_stays_open() -> None:
    class Session:
        closed = False
        asked = 0

        def request(self, *args: Any, **options: Any) -> Any:
            self.asked += 1
            raise ConnectionRefusedError

        def close(self) -> None:
            self.closed = True

    session = Session()
    with (
        get_client({"apikey": "k" * 8, "session": session}, wait=lambda seconds: None) as client,
        pytest.raises(SplitException, match="Unable to reach Split backend"),
    ):
        client.workspaces.list()

    assert session.asked > 0
    assert session.closed is False


# --- Harness mode -----------------------------------------------------------------------------------------------

GONE: list[tuple[Callable[[HarnessClient], Any], str]] = [
    (lambda c: c.workspaces.add({"name": "x"}), "Endpoint workspaces with method POST"),
    (lambda c: c.workspaces.update("w", "name", "x"), "Endpoint workspaces/{workspace_id} with method PATCH"),
    (lambda c: c.workspaces.delete("w"), "method DELETE"),
    (lambda c: c.apikeys.create_apikey("n", "admin", None, None), "Endpoint apiKeys with method POST"),
    (lambda c: c.users.list("ACTIVE"), "Endpoint users with method GET"),
    (lambda c: c.users.find("a@b"), "Endpoint users with method GET"),
    (lambda c: c.users.invite_user({}), "method POST"),
    (lambda c: c.users.update_user("u", {}), "method PUT"),
    (lambda c: c.users.update_user_group("u", []), "method PATCH"),
    (lambda c: c.users.delete("u"), "method DELETE"),
    (lambda c: c.groups.list(), "Endpoint groups with method GET"),
    (lambda c: c.groups.find("g"), "method GET"),
    (lambda c: c.groups.create_group({}), "method POST"),
    (lambda c: c.groups.update_group("g", {}), "method PUT"),
    (lambda c: c.groups.delete_group("g"), "method DELETE"),
    (lambda c: c.restrictions.list("workspace", "w"), "Endpoint restrictions with method GET"),
    (lambda c: c.restrictions.add("workspace", "w", []), "method PUT"),
]


@pytest.mark.parametrize(("call", "told"), GONE)
def test_what_harness_mode_does_not_have_is_never_sent(call: Callable[[HarnessClient], Any], told: str) -> None:
    with harness() as client, responses.RequestsMock() as service:
        with pytest.raises(HarnessDeprecatedEndpointError) as refusal:
            call(client)

        assert len(service.calls) == 0
    assert told in str(refusal.value)
    assert str(refusal.value).endswith("is deprecated in harness mode")


def test_an_account_is_named_by_the_call_or_by_the_client() -> None:
    with harness(account_identifier=None) as client, responses.RequestsMock() as service:
        service.delete(f"{HARNESS}/authz/api/roles/r", json={})

        with pytest.raises(ValueError, match="account_identifier must be provided either at client initialization or"):
            client.role.delete("r")
        with pytest.raises(ValueError, match="account_identifier must be provided"):
            client.role.list()
        client.role.delete("r", "mine")

        assert [call.request.url for call in service.calls] == [f"{HARNESS}/authz/api/roles/r?accountIdentifier=mine"]


def test_the_scope_is_the_clients_unless_the_call_has_its_own() -> None:
    everything = {"org_identifier": "o", "project_identifier": "p"}
    with harness(**everything) as client, responses.RequestsMock() as service:
        for path in ("authz/api/roles/r", "ng/api/projects/mine"):
            service.delete(f"{HARNESS}/{path}", json={})

        client.role.delete("r")
        client.role.delete("r", org_identifier="other")
        client.harness_project.delete("mine")

        queries = [query_of(call) for call in service.calls]
    assert queries == [
        "accountIdentifier=acc&orgIdentifier=o&projectIdentifier=p",
        "accountIdentifier=acc&orgIdentifier=other&projectIdentifier=p",
        "accountIdentifier=acc&orgIdentifier=o",
    ]


def test_a_harness_list_ends_where_it_fails_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with harness() as client, responses.RequestsMock() as service:
        service.get(f"{HARNESS}/authz/api/roles", json={"data": {"content": [{"role": {"identifier": "r"}}]}})
        service.get(f"{HARNESS}/authz/api/roles", status=401, json={"message": "expired"})
        service.get(f"{HARNESS}/ng/api/apikey", status=500, body="no")

        assert [role.id for role in client.role.list()] == ["r"]
        assert client.harness_apikey.list() == []

    assert "Roles.list ends early: HTTP 401" in caplog.text
    assert "HarnessApiKeys.list ends early: HTTP 500" in caplog.text


def test_a_strict_client_raises_instead() -> None:
    with harness(strict=True) as client, responses.RequestsMock() as service:
        service.get(f"{HARNESS}/authz/api/roles", status=401, json={"message": "expired"})

        with pytest.raises(HTTPResponseError, match="HTTP 401"):
            client.role.list()


def test_pending_invitations_raise_in_any_case() -> None:
    with harness() as client, responses.RequestsMock() as service:
        service.post(f"{HARNESS}/ng/api/invites/aggregate", status=500, body="no")

        with pytest.raises(HTTPResponseError, match="HTTP 500: no"):
            client.harness_user.list_pending()


def test_pending_invitations_end_on_a_server_that_does_not_page() -> None:
    with harness() as client, responses.RequestsMock() as service:
        service.post(f"{HARNESS}/ng/api/invites/aggregate", json={"data": {"content": [{"id": "i"}]}})

        assert [invite.id for invite in client.harness_user.list_pending()] == ["i"]
        assert [parse_qs(query_of(call))["pageIndex"] for call in service.calls] == [["0"], ["1"]]


def test_permissions_go_to_where_role_assignments_live_now() -> None:
    with harness() as client, responses.RequestsMock() as service:
        service.post(f"{HARNESS}/ng/api/roleassignments", status=404, json={})
        service.post(f"{HARNESS}/authz/api/roleassignments", json={})

        assert client.harness_apikey.add_permissions("k", {"roleIdentifier": "r"}) is True


def test_envelopes_without_what_was_asked_for() -> None:
    with harness() as client, responses.RequestsMock() as service:
        service.get(f"{HARNESS}/ng/api/apikey/aggregate/k", json={"data": {}})
        service.get(f"{HARNESS}/ng/api/serviceaccount/aggregate/s", json={"data": {}})
        service.post(f"{HARNESS}/ng/api/token", json={"status": "SUCCESS"})
        service.patch(f"{HARNESS}/ng/api/user-groups", json={"identifier": "g"})

        assert client.harness_apikey.get("k") is None
        with pytest.raises(AnswerIncomplete, match="ServiceAccount"):
            client.service_account.get("s")
        assert client.token.create({}) == ""
        assert client.harness_group.update({"identifier": "g"}).id == "g"


# --- lists ------------------------------------------------------------------------------------------------------


def offsets(service: responses.RequestsMock) -> list[str]:
    return [parse_qs(query_of(call))["offset"][0] for call in service.calls]


def test_a_list_goes_on_until_the_total_by_the_limit_that_was_answered() -> None:
    pages = [{"objects": [{"id": str(n)}] * 2, "offset": n, "limit": "2", "totalCount": "5"} for n in (0, 2, 4)]
    with standard() as client, responses.RequestsMock() as service:
        for page in pages:
            service.get(f"{V2}/workspaces", json=page)

        assert len(client.workspaces.list()) == 6
        assert offsets(service) == ["0", "2", "4"]


def test_a_list_goes_on_while_there_is_a_marker_and_an_absent_one_is_none() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/changeRequests", json={**marked({"id": "1"}), "nextMarker": "m"})
        service.get(f"{V2}/changeRequests", json={"data": [{"id": "2"}]})

        assert [one.id for one in client.change_requests.list()] == ["1", "2"]
        assert (service.calls[1].request.url or "").endswith("limit=100&after=m")


@pytest.mark.parametrize("wrapped", [list, lambda items: {"objects": list(items), "totalCount": 120}])
def test_rule_based_segments_come_bare_or_in_an_envelope(wrapped: Callable[[Any], Any]) -> None:
    items = [{"name": str(n)} for n in range(120)]
    with standard() as client, responses.RequestsMock() as service:
        for start in (0, 50, 100):
            service.get(f"{V2}/rule-based-segments/ws/w", json=wrapped(items[start : start + 50]))

        assert [one.name for one in client.rule_based_segments.list("w")] == [str(n) for n in range(120)]


@pytest.mark.parametrize("size", [50, 70])
def test_rule_based_segments_of_a_service_that_does_not_page_come_once(size: int) -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/rule-based-segments/ws/w", json=[{"name": str(n)} for n in range(size)])

        assert len(client.rule_based_segments.list("w")) == size


def test_a_list_that_fails_in_the_middle_raises_and_gives_nothing() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/workspaces", json={"objects": [{"id": "1"}], "offset": 0, "limit": 1, "totalCount": 2})
        service.get(f"{V2}/workspaces", status=404, json={})

        with pytest.raises(HTTPNotFoundError):
            client.workspaces.list()


def test_a_list_can_be_taken_item_by_item_with_one_page_in_memory() -> None:
    seen: list[tuple[int, int | None]] = []
    with (
        standard(progress=lambda done, total: seen.append((done, total))) as client,
        responses.RequestsMock() as service,
    ):
        service.get(f"{V2}/workspaces", json={"objects": [{"id": "1"}], "offset": 0, "limit": 1, "totalCount": 2})

        assert next(client.workspaces.list.iterate()).id == "1"

        assert len(service.calls) == 1
    assert seen == [(1, 2)]


def test_what_is_not_found_is_none_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/workspaces", json=paged({"id": "w", "name": "Main"}))
        service.get(f"{V2}/users", json=marked())

        assert client.workspaces.find("main") is None
        assert client.users.find("a@b.example") is None

        statuses = [(call.request.url or "").rpartition("=")[2] for call in service.calls][1:]
    assert statuses == ["ACTIVE", "DEACTIVATED", "PENDING"]
    ours = [record for record in caplog.records if record.name.startswith("openfeature_kameleoon")]
    assert [record.levelname for record in ours] == ["ERROR"]


# --- what is put right ------------------------------------------------------------------------------------------


def test_every_value_is_one_segment_of_the_path() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.delete(f"{V2}/splits/ws/w/a%2Fb%3Fc%23d%25%20%C3%A9", json=True)

        assert client.splits.delete("a/b?c#d% é", "w") is True


def test_any_success_is_one_and_an_empty_answer_is_none() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.post(f"{V2}/workspaces", status=202, json={"id": "w"})
        service.patch(f"{V2}/workspaces/w", status=200, body="")
        service.delete(f"{V2}/workspaces/w", status=204)

        assert client.workspaces.add({"name": "x"}).id == "w"
        assert client.workspaces.update("w", "name", "x") is None
        assert client.workspaces.delete("w") is None


def test_a_caller_keeps_the_dict_that_was_given() -> None:
    given: dict[str, Any] = {"name": "fs"}
    with standard() as client, responses.RequestsMock() as service:
        service.post("https://api.split.io/api/v3/flag-sets", json={"id": "s"})

        client.flag_sets.add(given, "w")

    assert given == {"name": "fs"}


def test_objects_that_are_answered_have_a_client() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/schema/ws/w/trafficTypes/t", json=[{"id": "a"}])
        service.put(f"{V2}/users/u", json={"id": "u"})
        service.post(f"{V2}/groups", json={"id": "g"})

        found = [*client.attributes.list("t", "w"), client.users.update_user("u", {}), client.groups.create_group({})]

    assert [one._client for one in found] == [client] * 3


def test_an_attribute_is_found_by_the_name_of_its_traffic_type_too() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{V2}/schema/ws/w/trafficTypes/user", status=404, json={})
        service.get(f"{V2}/trafficTypes/ws/w", json=[{"id": "t", "name": "user"}])
        service.get(f"{V2}/schema/ws/w/trafficTypes/t", json=[{"id": "city"}])

        found = client.attributes.find("city", "user", "w")

    assert found is not None
    assert found.id == "city"


def test_whether_an_attribute_is_searchable_is_sent_when_it_is_known() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.post(f"{V2}/schema/ws/w/trafficTypes/t", json={"id": "a"})

        client.attributes.save({"id": "a", "trafficTypeId": "t", "workspaceId": "w", "isSearchable": False})

        assert json.loads(service.calls[0].request.body or "")["isSearchable"] is False


def test_a_definition_that_is_not_there_is_none_and_other_errors_raise() -> None:
    url = f"{V2}/splits/ws/w/f/environments/e"
    with standard() as client, responses.RequestsMock() as service:
        service.get(url, status=404, json={})
        service.get(url, status=403, json={})

        assert client.split_definitions.get_definition("f", "e", "w") is None
        with pytest.raises(HTTPResponseError, match="HTTP 403"):
            client.split_definitions.get_definition("f", "e", "w")


def test_an_upload_that_fails_raises_without_the_signature(tmp_path: Any) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("a\n")
    with standard() as client, responses.RequestsMock() as service:
        service.put("https://s3.example/x", status=403, body="<Error/>")

        with pytest.raises(HTTPResponseError, match="HTTP 403: <Error/>") as failure:
            client.large_segment_definitions.upload_file(PLACE, file)

    assert "signature" not in str(failure.value) + failure.value.url
    with standard() as client, pytest.raises(AnswerIncomplete, match="where to upload"):
        client.large_segment_definitions.upload_file({"id": "c"}, file)


def test_an_empty_file_is_sent_with_its_length(tmp_path: Any) -> None:
    (tmp_path / "none.csv").touch()
    with standard() as client, responses.RequestsMock() as service:
        service.put("https://s3.example/x", body=b"")

        client.large_segment_definitions.upload_file(PLACE, tmp_path / "none.csv")

        assert service.calls[0].request.headers["Content-Length"] == "0"


@pytest.mark.parametrize("call", [lambda c: c.splits.add("x", "user", "w"), lambda c: c.identities.save(["x"])])
def test_a_body_is_a_dict_or_an_object(call: Callable[[SplitClient], Any]) -> None:
    with standard() as client, pytest.raises(InvalidArgumentException, match="a dict or an object"):
        call(client)


def test_a_page_has_a_size() -> None:
    with standard() as client, pytest.raises(ValueError, match="limit"):
        client.rule_based_segments.list("w", limit=0)


def test_projects_come_page_by_page() -> None:
    pages = [indexed({"project": {"identifier": str(n)}}) for n in range(2)]
    with harness() as client, responses.RequestsMock() as service:
        for page in pages:
            page["data"]["totalPages"] = 2
            service.get(f"{HARNESS}/ng/api/projects", json=page)

        assert [one.id for one in client.harness_project.list()] == ["0", "1"]
