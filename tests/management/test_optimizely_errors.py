"""What the Optimizely client raises, and the accidents of the documented client that it does not repeat."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import responses

from openfeature_kameleoon.errors import ConfigException
from openfeature_kameleoon.management import optimizely, rest
from openfeature_kameleoon.management.optimizely.objects import Registry
from openfeature_kameleoon.management.optimizely.v2 import experiments
from tests.management.examples import example

V1 = "https://www.optimizelyapis.com/experiment/v1/"
V2 = "https://api.optimizely.com/v2/"
FLAGS = "https://api.optimizely.com/flags/v1/"
KEY = "SeCrEtKeY:88120034"
BODIES = example("optimizely-errors")


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> optimizely.Client:
    return optimizely.Client(KEY)


# --- statuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "core"),
    [
        (400, optimizely.BadRequestError, rest.BadRequest),
        (401, optimizely.UnauthorizedError, rest.Unauthorized),
        (403, optimizely.ForbiddenError, rest.Forbidden),
        (404, optimizely.NotFoundError, rest.NotFound),
        (429, optimizely.TooManyRequestsError, rest.TooManyRequests),
        (503, optimizely.ServiceUnavailableError, rest.ServerError),
        (405, optimizely.OptimizelyError, rest.ApiError),
        (409, optimizely.OptimizelyError, rest.ApiError),
        (500, optimizely.OptimizelyError, rest.ApiError),
        (502, optimizely.OptimizelyError, rest.ApiError),
    ],
)
def test_each_status_has_its_class_and_its_message_is_the_answers_text(
    status: int,
    kind: type[Exception],
    core: type[Exception],
    client: optimizely.Client,
    network: responses.RequestsMock,
) -> None:
    text = json.dumps(BODIES.get(str(status), {"message": "other"}), indent=1)
    network.add("GET", f"{V1}experiments/999", status=status, body=text)

    with pytest.raises(rest.ApiError) as raised:
        client.Experiments.get(999)

    error = raised.value
    assert type(error) is kind
    assert isinstance(error, optimizely.OptimizelyError)
    assert isinstance(error, core)
    assert error.args == (text,)
    assert (error.status, error.body, error.payload) == (status, text, json.loads(text))
    assert (error.method, error.url, error.retry_after) == ("GET", f"{V1}experiments/999", None)
    assert len(network.calls) == 1  # nothing is repeated by itself


@pytest.mark.parametrize("text", ["Service is overloaded.", "<html>\n<b>503</b>\n</html>"])
def test_an_error_body_that_is_not_json_is_the_message_all_the_same(
    text: str, client: optimizely.Client, network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}projects", status=503, body=text, headers={"Retry-After": "60"})

    with pytest.raises(optimizely.ServiceUnavailableError) as raised:
        client.Projects.get()

    assert str(raised.value) == text
    assert raised.value.payload is None
    assert raised.value.retry_after == 60.0


def test_an_error_without_a_body_still_says_what_failed(
    client: optimizely.Client, network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}projects/7", status=404)

    with pytest.raises(optimizely.NotFoundError, match=r"GET .*projects/7: 404 Not Found"):
        client.Projects.get(7)


def test_an_error_survives_pickling(client: optimizely.Client, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects/7", status=404, body="no project 7")

    with pytest.raises(optimizely.NotFoundError) as raised:
        client.Projects.get(7)

    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), again.args, again.url) == (optimizely.NotFoundError, ("no project 7",), raised.value.url)


def test_of_several_the_first_that_fails_raises_and_nothing_is_given(
    client: optimizely.Client, network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}goals/1", json={"id": 1})
    network.add("GET", f"{V1}goals/2", status=404, body="no goal 2")

    with pytest.raises(optimizely.NotFoundError):
        client.Goals.get([1, 2, 3])

    assert len(network.calls) == 2


# --- answers that are none ----------------------------------------------------------------------------------


def get_one(client: Any) -> object:
    return client.Experiments.get(15)


def get_all(client: Any) -> object:
    return client.Projects.get()


@pytest.mark.parametrize(
    ("call", "path", "answer", "told"),
    [
        (get_one, "experiments/15", "<html>Welcome</html>", "the answer is not JSON"),
        (get_one, "experiments/15", '{"id": 15', "the answer is not JSON"),
        (get_one, "experiments/15", "[]", "the answer is no object"),
        (get_one, "experiments/15", "", "the answer is no object"),
        (get_all, "projects", '{"id": 15}', "the answer is no list of objects"),
        (get_all, "projects", '[{"id": 15}, null]', "the answer is no list of objects"),
        (get_all, "projects", "", "the answer is no list of objects"),
        (lambda client: client.request("get", ["projects"]), "projects", "<html>", "the answer is not JSON"),
    ],
)
def test_success_with_something_else_than_promised_is_an_error(
    call: Callable[[Any], Any],
    path: str,
    answer: str,
    told: str,
    client: optimizely.Client,
    network: responses.RequestsMock,
) -> None:
    network.add("GET", V1 + path, body=answer)

    with pytest.raises(optimizely.MalformedAnswerError, match=told) as raised:
        call(client)

    assert isinstance(raised.value, rest.AnswerMalformed)
    assert raised.value.status == 200


def test_what_json_says_is_the_cause(client: optimizely.Client, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects/7", body="<html>")

    with pytest.raises(optimizely.OptimizelyError) as raised:
        client.Projects.get(7)

    assert isinstance(raised.value.__cause__, json.JSONDecodeError)


def test_a_redirect_is_not_followed(client: optimizely.Client, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects/7", status=301, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(optimizely.OptimizelyError, match="a redirect, which is not followed"):
        client.Projects.get(7)


@pytest.mark.parametrize(
    ("status", "body", "gives"), [(200, "[1]", [1]), (201, "{}", {}), (202, "7", 7), (204, "", None), (200, "", None)]
)
def test_parse_response_decodes_success(status: int, body: str, gives: Any, network: responses.RequestsMock) -> None:
    network.add("GET", V1, status=status, body=body)

    assert optimizely.Client.parse_response(requests.get(V1, timeout=5)) == gives


def test_parse_response_raises_by_status(network: responses.RequestsMock) -> None:
    network.add("GET", V1, status=404, body="nothing there")

    with pytest.raises(optimizely.NotFoundError, match=r"^nothing there$"):
        optimizely.Client.parse_response(requests.get(V1, timeout=5))


def test_parse_response_wraps_what_is_not_json(network: responses.RequestsMock) -> None:
    network.add("GET", V1, body="<html>")

    with pytest.raises(optimizely.MalformedAnswerError):
        optimizely.Client.parse_response(requests.get(V1, timeout=5))


# --- the network --------------------------------------------------------------------------------------------

LOST = [
    requests.ConnectionError("reset by peer"),
    requests.ReadTimeout("slow"),
    requests.exceptions.ChunkedEncodingError(),
]


@pytest.mark.parametrize("failure", LOST, ids=lambda failure: type(failure).__name__)
def test_a_read_without_an_answer_changed_nothing(
    failure: Exception, client: optimizely.Client, network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}projects/7", body=failure)

    with pytest.raises(optimizely.UnreachableError) as raised:
        client.Projects.get(7)

    assert isinstance(raised.value, rest.ApiUnreachable)
    assert raised.value.status is None
    assert len(network.calls) == 1


@pytest.mark.parametrize("failure", LOST, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "projects", lambda client: client.Projects.create({"project_name": "A"})),
        ("PUT", "projects/7", lambda client: client.Projects.update(7, {"project_name": "A"})),
    ],
)
def test_a_write_without_an_answer_may_have_been_done(
    failure: Exception,
    method: str,
    path: str,
    call: Callable[[Any], Any],
    client: optimizely.Client,
    network: responses.RequestsMock,
) -> None:
    network.add(method, V1 + path, body=failure)

    with pytest.raises(optimizely.OutcomeUnknownError, match="look before repeating it") as raised:
        call(client)

    assert isinstance(raised.value, rest.OutcomeUnknown)
    assert len(network.calls) == 1


# --- the client ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        (("random:88120034",), ("Token", "random:88120034")),
        (("an-access-token",), ("Authorization", "Bearer an-access-token")),
        (("an-access:token", "oauth"), ("Authorization", "Bearer an-access:token")),
        (("no-colon", "legacy"), ("Token", "no-colon")),
        (("random:88120034", V1), ("Token", "random:88120034")),
        (("random:88120034", "legacy", V1.rstrip("/")), ("Token", "random:88120034")),
    ],
)
def test_the_header_goes_by_the_token_type_or_by_a_colon(
    arguments: tuple[str, ...], header: tuple[str, str], network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}projects", json=[])

    client = optimizely.Client(*arguments)
    client.Projects.get()

    headers = network.calls[0].request.headers
    assert {name: headers[name] for name in ("Token", "Authorization") if name in headers} == dict([header])
    assert client.api_key == arguments[0]
    assert client.api_base.rstrip("/") == V1.rstrip("/")


@pytest.mark.parametrize("key", ["", None])
def test_without_a_key_the_server_says_401(key: str | None, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects", status=401, body="no API token")

    client = optimizely.Client(key)
    with pytest.raises(optimizely.UnauthorizedError):
        client.Projects.get()

    assert not {"Token", "Authorization"} & set(network.calls[0].request.headers)


def test_any_other_token_type_is_refused() -> None:
    with pytest.raises(ValueError, match="legacy or oauth, not 'basic'"):
        optimizely.Client(KEY, "basic")


def test_a_base_without_https_is_refused() -> None:
    with pytest.raises(ConfigException, match="https"):
        optimizely.Client(KEY, "http://api.example/v1")


def test_a_base_keeps_its_last_segment_with_and_without_a_slash(network: responses.RequestsMock) -> None:
    network.add("GET", "https://proxy.example/optimizely/projects", json=[])

    for base in ("https://proxy.example/optimizely", "https://proxy.example/optimizely/"):
        optimizely.Client(KEY, api_base=base).Projects.get()

    assert len(network.calls) == 2


def test_other_methods_than_the_four_are_refused_without_a_request(client: optimizely.Client) -> None:
    for method in ("GET", "patch", "head"):
        with pytest.raises(optimizely.BadRequestError, match="none of get, post, put, delete"):
            client.request(method, ["projects"])


def test_the_callers_headers_are_sent_and_left_alone(
    client: optimizely.Client, network: responses.RequestsMock
) -> None:
    network.add("GET", f"{V1}projects", json=[])
    headers = {"X-Trace": "7"}

    client.request("get", ["projects"], headers)

    assert headers == {"X-Trace": "7"}
    assert network.calls[0].request.headers["X-Trace"] == "7"


def test_the_key_is_shown_nowhere(client: optimizely.Client, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects/7", status=403, body=f"token {KEY} was revoked")

    with pytest.raises(optimizely.ForbiddenError) as raised:
        client.Projects.get(7)

    assert client.api_key == KEY
    for shown in (repr(client), repr(vars(client)), repr(client.Projects), repr(raised.value), raised.value.body):
        assert KEY not in shown


def test_a_client_is_closed_by_its_with(network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects", json=[])

    with optimizely.Client(KEY) as client:
        assert client.Projects.get() == []


# --- registries and objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [True, 1.5, "", "12a", "٣", b"12", {"id": 1}, [1, "x"], [False], object()])
def test_what_is_no_id_is_refused_without_a_request(ids: Any, client: optimizely.Client) -> None:
    with pytest.raises(TypeError, match="is no id"):
        client.Goals.get(ids)


def test_zero_is_an_id(client: optimizely.Client, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V1}projects/0", status=404)

    with pytest.raises(optimizely.NotFoundError):
        client.Projects.get(0)


@pytest.mark.parametrize("ids", [(1, 2), iter([1, 2]), {1: "a", 2: "b"}.keys(), ["1", 2]])
def test_any_iterable_of_ids_is_a_list(ids: Any, client: optimizely.Client, network: responses.RequestsMock) -> None:
    for number in (1, 2):
        network.add("GET", f"{V1}goals/{number}", json={"id": number})

    assert [goal.id for goal in client.Goals.get(ids)] == [1, 2]


@pytest.mark.parametrize(
    ("registry", "use"),
    [
        ("Experiments", "project.experiments()"),
        ("Goals", "project.goals()"),
        ("Audiences", "project.audiences()"),
        ("Dimensions", "project.dimensions()"),
        ("Variations", "experiment.variations()"),
        ("Schedules", "experiment.schedules()"),
    ],
)
def test_without_a_list_of_all_the_error_names_the_one_to_use(
    registry: str, use: str, client: optimizely.Client
) -> None:
    with pytest.raises(optimizely.NotSupportedError) as raised:
        getattr(client, registry).get()

    assert use in str(raised.value)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda client: optimizely.Project(client).delete(), "Project.delete is not supported: .*archive it"),
        (lambda client: optimizely.Audience(client).delete(), "Audience.delete is not supported"),
        (lambda client: client.Results, r"use experiment.results\(\)"),
        (lambda client: client.Stats, r"use experiment.stats\(\)"),
        (lambda client: client.Flags, 'api="v2"'),
        (lambda client: client.Pages, "url_conditions"),
    ],
)
def test_what_the_api_lacks_says_so(what: Callable[[Any], Any], told: str, client: optimizely.Client) -> None:
    with pytest.raises(optimizely.NotSupportedError, match=told) as raised:
        what(client)

    assert isinstance(raised.value, AttributeError)
    assert isinstance(raised.value, NotImplementedError)


def test_what_the_api_lacks_is_no_attribute(client: optimizely.Client) -> None:
    assert not hasattr(optimizely.Project(client), "delete")
    assert not hasattr(client, "Results")
    assert hasattr(optimizely.Goal(client), "delete")


@pytest.mark.parametrize("data", [{"title": "A"}, {"project_id": None}])
def test_nothing_is_created_without_its_parents_id(data: dict[str, Any], client: optimizely.Client) -> None:
    with pytest.raises(optimizely.BadRequestError, match="Goal: project_id is missing"):
        client.Goals.create(data)


@pytest.mark.parametrize("do", ["save", "refresh", "delete", "variations", "results"])
def test_an_object_without_id_is_nowhere(do: str, client: optimizely.Client) -> None:
    with pytest.raises(optimizely.InvalidIDError, match="this Experiment has no id") as raised:
        getattr(optimizely.Experiment(client), do)()

    assert isinstance(raised.value, AttributeError)


def test_a_goal_is_added_to_no_experiment_without_id(client: optimizely.Client) -> None:
    with pytest.raises(optimizely.InvalidIDError):
        optimizely.Experiment(client).add_goal(7)


def test_rows_of_results_can_only_be_read() -> None:
    for verb in ("get", "save", "refresh", "delete"):
        assert not hasattr(optimizely.Result, verb)
        assert not hasattr(optimizely.Stat, verb)


def test_a_list_is_narrowed_by_nothing_else_than_documented(client: optimizely.Client) -> None:
    experiment = optimizely.Experiment(client)
    vars(experiment)["id"] = 15

    with pytest.raises(TypeError, match=r"Experiment.results takes no country"):
        experiment.results(country="FR")


def test_a_registry_needs_both(client: optimizely.Client) -> None:
    for arguments in ((None, optimizely.Goal), (client, None)):
        with pytest.raises(ValueError, match="a registry needs a client and the class"):
            Registry(*arguments)


def test_the_dict_of_an_object_is_the_servers_and_the_client_is_outside(
    client: optimizely.Client, network: responses.RequestsMock
) -> None:
    answer = {**example("optimizely-project"), "of_the_future": [1]}
    network.add("GET", f"{V1}projects/3100450077", json=answer)

    project = client.Projects.get(3100450077)

    assert project.__dict__ == answer
    assert project.client is client
    assert repr(project).startswith("<openfeature_kameleoon.management.optimizely.resource.Project object at 0x")


def test_registries_stay_the_same(client: optimizely.Client) -> None:
    assert client.Projects is client.Projects


# --- v2 -----------------------------------------------------------------------------------------------------


@pytest.fixture
def v2() -> Any:
    return optimizely.Client("personal-token", api="v2")


@pytest.mark.parametrize("arguments", [(KEY,), ("no-colon", "legacy")])
def test_v2_takes_no_legacy_tokens(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no legacy tokens"):
        optimizely.Client(*arguments, api="v2")


def test_there_is_no_other_api() -> None:
    with pytest.raises(ValueError, match="api is v1 or v2, not 'v3'"):
        optimizely.Client("token", api="v3")  # type: ignore[type-var]  # what the test is about


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (lambda v2: v2.Schedules, "a member of its experiment: schedule"),
        (lambda v2: v2.Results, "client.Experiments.results"),
        (lambda v2: v2.Goals.get, "no single event can be read"),
        (lambda v2: v2.PageEvents.get(7), "no single event can be read"),
        (lambda v2: v2.Projects.get(), r"use list\(\)"),
    ],
)
def test_what_v2_lacks_says_so(what: Callable[[Any], Any], told: str, v2: Any) -> None:
    with pytest.raises(optimizely.NotSupportedError, match=told):
        what(v2)


def test_projects_and_audiences_of_v2_are_archived_by_saving(v2: Any, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V2}projects/7", json={"id": 7})

    with pytest.raises(optimizely.NotSupportedError, match=r"project.status = 'archived'"):
        v2.Projects.get(7).delete()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda v2: v2.Experiments.list(), "Experiments.list needs project_id"),
        (lambda v2: v2.Experiments.list(project_id=7, status="running"), "takes no status"),
        (lambda v2: v2.Experiments.create(project_id=7), "Experiments.create needs name"),
        (lambda v2: v2.Experiments.update(7, nam="B"), "no field nam; is it name?"),
        (lambda v2: v2.Experiments.update(7, status="running"), "cannot set status"),
        (lambda v2: v2.Goals.update(8, {"name": "B"}), "takes 2 ids"),
        (lambda v2: v2.Goals.delete(8), "takes 2 ids"),
        (lambda v2: v2.Rulesets.get(7, "form"), "takes 3 ids"),
    ],
)
def test_a_call_that_cannot_be_right_is_refused_without_a_request(
    call: Callable[[Any], Any], told: str, v2: Any
) -> None:
    with pytest.raises(TypeError, match=told):
        call(v2)


def test_a_list_raises_in_the_middle_rather_than_end_early(v2: Any, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V2}experiments", json=[{"id": number} for number in range(100)])
    network.add("GET", f"{V2}experiments", status=500, body="out of order")
    listed = v2.Experiments.list(project_id=77)

    first = [next(listed) for _ in range(100)]

    assert [one.id for one in first] == list(range(100))
    with pytest.raises(optimizely.OptimizelyError, match=r"^out of order$"):
        next(listed)


def test_a_list_is_read_as_it_is_taken(v2: Any, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V2}projects", json=[{"id": number} for number in range(100)])
    listed = v2.Projects.list()

    assert len(network.calls) == 0
    next(listed)
    assert len(network.calls) == 1


@pytest.mark.parametrize(
    ("path", "answer", "call"),
    [
        (f"{V2}projects", {"id": 7}, lambda v2: v2.Projects.list()),
        (f"{FLAGS}projects/77/flags", [], lambda v2: v2.Flags.list(77)),
        (f"{FLAGS}projects/77/flags", {"total_pages": 1}, lambda v2: v2.Flags.list(77)),
    ],
)
def test_a_list_that_is_none_is_an_error(
    path: str, answer: Any, call: Callable[[Any], Any], v2: Any, network: responses.RequestsMock
) -> None:
    network.add("GET", path, json=answer)

    with pytest.raises(optimizely.MalformedAnswerError, match="no array"):
        list(call(v2))


def test_a_server_that_does_not_page_is_an_error(v2: Any, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V2}projects", json=[{"id": number} for number in range(100)])

    with pytest.raises(optimizely.MalformedAnswerError, match="page 2 is the same"):
        list(v2.Projects.list())


def test_a_flag_list_goes_by_the_count_of_pages(v2: Any, network: responses.RequestsMock) -> None:
    for keys in ("ab", "c"):  # a server that gives less on a page than it is asked for
        network.add(
            "GET", f"{FLAGS}projects/77/flags", json={"items": [{"key": key} for key in keys], "total_pages": 2}
        )

    assert [flag.key for flag in v2.Flags.list(77)] == ["a", "b", "c"]


def test_results_that_are_being_computed_are_late_and_not_none(v2: Any, network: responses.RequestsMock) -> None:
    network.add("GET", f"{V2}experiments/5/results", status=202)

    with pytest.raises(optimizely.StillComputingError, match="being computed") as raised:
        v2.Experiments.results(5)

    assert (raised.value.status, raised.value.retryable) == (202, True)


def test_a_record_made_by_hand_is_nowhere(v2: Any) -> None:
    for do in ("save", "refresh", "delete", "start"):
        with pytest.raises(optimizely.InvalidIDError, match="comes from no registry"):
            getattr(experiments.Experiment(name="A"), do)()


def test_a_record_that_does_not_say_where_it_is_cannot_be_saved(v2: Any, network: responses.RequestsMock) -> None:
    network.add("POST", f"{V2}projects/77/custom_events", json={"id": 8}, status=201)
    event = v2.Goals.create(77, key="signed")
    event.name = "Signed"

    with pytest.raises(optimizely.InvalidIDError, match="this Event has no project_id"):
        event.save()


def test_a_record_made_by_hand_can_be_created(v2: Any, network: responses.RequestsMock) -> None:
    network.add("POST", f"{V2}experiments", json={"id": 5}, status=201)

    v2.Experiments.create(experiments.Experiment(project_id=77, name="A", metrics=[{"event_id": 8}]))

    assert json.loads(network.calls[0].request.body or "") == {
        "project_id": 77,
        "name": "A",
        "metrics": [{"event_id": 8}],
    }
