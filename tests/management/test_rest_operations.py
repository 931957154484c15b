"""Operations: what a call takes, what it refuses before anything is sent, and what it gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from openfeature_kameleoon.management.automation.verbs import (
    Copies,
    Creates,
    Deletes,
    Gets,
    Lists,
    Replaces,
    Searches,
    Updates,
)
from openfeature_kameleoon.management.rest import (
    CREATE,
    DOCUMENTED,
    OBSERVED,
    REQUIRED,
    UPDATE,
    WRITE,
    AnswerMalformed,
    NotFound,
    Record,
    Resource,
    field,
    operations,
)
from openfeature_kameleoon.management.rest.fields import always
from tests.management.echo import Echo
from tests.management.standins.serving import answering


class Goal(Record):
    id = always(int)
    site_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    kind = field(str, CREATE)
    tags = field(list[str], WRITE)
    ends = field(datetime, UPDATE)


class Goals(Resource):
    list = Lists("/goals", Goal, takes=("siteId", "withURL"))
    create = Creates("/goals", Goal, OBSERVED)
    get = Gets("/goals/{goal_id}", Goal, note="one of them")
    replace = Replaces("/goals/{goal_id}", Goal)
    update = Updates("/goals/{goal_id}", Goal, takes=("action",))
    delete = Deletes("/goals/{goal_id}", Goal)
    search = Searches("/goals/search", Goal)
    copy = Copies("/goals/{goal_id}/copy", Goal)
    rule = Updates("/sites/{site_code}/goals/{goal_id}/rules/{rule_id}", Goal, repeats=("site_code",))
    poll = Gets("/results", Goal, needs=("dataCode",), takes=("version",))


class MoreGoals(Goals):
    archive = Copies("/goals/{goal_id}/archive", Goal)


SENT = {"id": 7, "siteId": 9, "name": "Order", "novel": [1]}


@pytest.fixture
def goals(api: Echo) -> Goals:
    return Goals(api.rest())


# --- ids ------------------------------------------------------------------------------------------------------


def test_ids_fill_the_path_in_order(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT))

    goals.rule("k3v9qd7w2m", 7, "a/b", name="Order")

    assert api.log[0].path == "/sites/k3v9qd7w2m/goals/7/rules/a/b"
    assert api.log[0].method == "PATCH"


@pytest.mark.parametrize(
    ("name", "ids", "told"),
    [
        ("get", (), r"Goals.get takes 1 ids \(goal_id\), not 0"),
        ("get", (7, 8), r"Goals.get takes 1 ids \(goal_id\), not 2"),
        ("delete", (), r"Goals.delete takes 1 ids \(goal_id\), not 0"),
        ("create", (7,), r"Goals.create takes 0 ids \(none\), not 1"),
        ("list", (7,), r"Goals.list takes 0 ids \(none\), not 1"),
        ("update", (), r"Goals.update takes 1 ids"),
        ("rule", (7,), r"Goals.rule takes 3 ids \(site_code, goal_id, rule_id\), not 1"),
    ],
)
def test_too_many_or_too_few_ids_are_refused(
    api: Echo, goals: Goals, name: str, ids: tuple[int, ...], told: str
) -> None:
    fields = {"create": {"site_id": 9, "name": "Order"}}.get(name, {})

    with pytest.raises(TypeError, match=told):
        getattr(goals, name)(*ids, **fields)

    assert api.log == []


@pytest.mark.parametrize("id_", ["", ".", ".."])
@pytest.mark.parametrize("name", ["get", "delete", "replace", "copy"])
def test_an_id_that_would_lead_elsewhere_is_refused(api: Echo, goals: Goals, name: str, id_: str) -> None:
    body: dict[str, Any] = {"body": {}} if name == "replace" else {}

    with pytest.raises(ValueError, match="goal_id is"):
        getattr(goals, name)(id_, **body)

    assert api.log == []


# --- fields and bodies ----------------------------------------------------------------------------------------


def test_fields_are_sent_by_their_names_on_the_wire(api: Echo, goals: Goals) -> None:
    api.strike(answering(201, SENT))

    made = goals.create(site_id=9, name="Order", kind="CLICK", tags=("a",))

    assert (api.log[0].method, api.log[0].path) == ("POST", "/goals")
    assert api.log[0].json == {"siteId": 9, "name": "Order", "kind": "CLICK", "tags": ["a"]}
    assert made == Goal(SENT)


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("update", {"nmae": "Order"}, r"Goals.update: no field nmae; is it name\?"),
        ("update", {"siteId": 9}, r"Goals.update: no field siteId; is it site_id\?"),
        ("update", {"colour": "red"}, r"Goals.update: no field colour$"),
        ("update", {"id": 8}, "Goals.update cannot set id; a mapping as the body is sent as it is"),
        ("update", {"site_id": 8}, "Goals.update cannot set site_id"),
        ("update", {"kind": "CLICK"}, "Goals.update cannot set kind"),
        ("replace", {"id": 8, "site_id": 9, "name": "Order"}, "Goals.replace cannot set id"),
    ],
)
def test_a_field_that_is_none_or_cannot_be_set_is_refused(
    api: Echo, goals: Goals, name: str, fields: dict[str, object], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        getattr(goals, name)(7, **fields)

    assert api.log == []


def test_a_field_of_an_update_cannot_be_set_when_creating(api: Echo, goals: Goals) -> None:
    with pytest.raises(TypeError, match=r"Goals\.create cannot set ends"):
        goals.create(site_id=9, name="Order", ends=datetime(2026, 3, 1))

    assert api.log == []


def test_what_is_required_is_missed_before_anything_is_sent(api: Echo, goals: Goals) -> None:
    with pytest.raises(TypeError, match=r"Goals\.create needs site_id, name"):
        goals.create(kind="CLICK")
    with pytest.raises(TypeError, match=r"Goals\.replace needs name"):
        goals.replace(7, site_id=9)

    assert api.log == []


def test_an_update_needs_nothing_and_sends_what_it_is_given(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT), answering(200, SENT))

    goals.update(7, ends=datetime(2026, 3, 1, 9, 30))
    goals.update(7, tags=None)

    assert [entry.json for entry in api.log] == [{"ends": "2026-03-01T09:30:00"}, {"tags": None}]


@pytest.mark.parametrize("body", [{}, {"novel": {"a": None}, "id": 7}, {"name": "only"}])
def test_a_mapping_is_sent_as_it_is(api: Echo, goals: Goals, body: dict[str, Any]) -> None:
    api.strike(*[answering(200, SENT) for _ in range(3)])

    goals.create(body=body)
    goals.replace(7, body=body)
    goals.update(7, body=body)

    assert [entry.json for entry in api.log] == [body] * 3


def test_so_is_a_record_with_all_that_the_api_has_said_of_it(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT), answering(200, SENT))

    goal = goals.get(7)
    goal.name = "Purchase"
    goals.replace(7, body=goal)

    assert api.log[1].json == {**SENT, "name": "Purchase"}


def test_fields_lie_on_top_of_a_body_which_stays_as_it_was(api: Echo, goals: Goals) -> None:
    body = {"name": "Order", "novel": 1}
    api.strike(answering(200, SENT))

    goals.update(7, body=body, name="Purchase")

    assert api.log[0].json == {"name": "Purchase", "novel": 1}
    assert body == {"name": "Order", "novel": 1}


def test_fields_on_top_of_a_body_are_checked_too(goals: Goals) -> None:
    with pytest.raises(TypeError, match="no field nmae"):
        goals.update(7, body={"name": "Order"}, nmae="Purchase")


def test_an_id_that_the_body_holds_as_well_is_put_there(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT), answering(200, SENT))

    goals.rule("k3v9qd7w2m", 7, 1, name="Order")
    goals.rule("k3v9qd7w2m", 7, 1, body={"siteCode": "own"})

    assert [entry.json for entry in api.log] == [{"siteCode": "k3v9qd7w2m", "name": "Order"}, {"siteCode": "own"}]


def test_a_copy_needs_no_body_and_takes_one(api: Echo, goals: Goals) -> None:
    api.strike(answering(201, SENT), answering(201, SENT))

    goals.copy(7)
    goals.copy(7, body={"name": "Other"})

    assert [entry.json for entry in api.log] == [{}, {"name": "Other"}]


# --- query parameters -----------------------------------------------------------------------------------------


def test_a_parameter_that_a_call_needs_is_missed(api: Echo, goals: Goals) -> None:
    for given in ({}, {"version": 2}, {"data_code": None}):
        with pytest.raises(TypeError, match=r"Goals\.poll needs dataCode"):
            goals.poll(**given)

    assert api.log == []


@pytest.mark.parametrize("name", ["data_code", "dataCode"])
def test_parameters_are_given_by_either_spelling_and_sent_in_the_order_declared(
    api: Echo, goals: Goals, name: str
) -> None:
    api.strike(answering(200, SENT))

    goals.poll(version=2, **{name: "d-1"})

    assert api.log[0].query == (("dataCode", "d-1"), ("version", "2"))


def test_a_parameter_beside_fields_goes_into_the_query(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT))

    goals.update(7, action="PAUSE", name="Order")

    assert api.log[0].query == (("action", "PAUSE"),)
    assert api.log[0].json == {"name": "Order"}


def test_a_keyword_that_is_no_parameter_is_refused(api: Echo, goals: Goals) -> None:
    with pytest.raises(TypeError, match=r"Goals\.get takes no verbose"):
        goals.get(7, verbose=True)
    with pytest.raises(TypeError, match=r"Goals\.list takes no page, size"):
        goals.list(page=2, size=5)

    assert api.log == []


def test_optional_fields_are_asked_for_by_their_names(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT), answering(200, SENT))

    goals.get(7, optional_fields=("goals", "tags"))
    goals.get(7)

    assert [entry.query for entry in api.log] == [(("optionalFields", "goals,tags"),), ()]


# --- what a call gives ----------------------------------------------------------------------------------------


def test_a_call_gives_a_record(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, SENT))

    goal = goals.get(7)

    assert type(goal) is Goal
    assert (goal.id, goal.name, goal.to_dict()) == (7, "Order", SENT)


def test_an_array_of_one_is_that_one(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, [SENT]))

    assert goals.get(7) == Goal(SENT)


@pytest.mark.parametrize("body", ["", "null", [], [SENT, SENT], [7], "7", '"Order"'])
def test_an_answer_that_is_no_record_is_an_error(api: Echo, goals: Goals, body: object) -> None:
    api.strike(answering(200, body))

    with pytest.raises(AnswerMalformed, match="200 OK: the answer is no object"):
        goals.get(7)


def test_what_is_deleted_gives_nothing(api: Echo, goals: Goals) -> None:
    api.strike(answering(204), answering(200, {"deleted": True}), answering(404))

    assert [goals.delete(7), goals.delete(7)] == [None, None]  # type: ignore[func-returns-value]  # it is the point
    with pytest.raises(NotFound):
        goals.delete(7)


def test_a_list_gives_records_one_by_one(api: Echo, goals: Goals) -> None:
    api.strike(answering(200, [{"id": 1}, {"id": 2}], {"X-Pagination-Page-Count": "2"}), answering(200, [{"id": 3}]))

    found = goals.list(per_page=2, site_id=9, withURL=True)

    assert next(found) == Goal(id=1)
    assert len(api.log) == 1
    assert [goal.id for goal in found] == [2, 3]
    assert api.log[0].query == (("page", "1"), ("perPage", "2"), ("siteId", "9"), ("withURL", "true"))


@pytest.mark.parametrize("item", [None, 7, "goal", [1]])
@pytest.mark.parametrize("name", ["list", "search"])
def test_a_list_with_something_else_in_it_is_an_error(api: Echo, goals: Goals, name: str, item: object) -> None:
    api.strike(answering(200, [{"id": 1}, {"id": 2}]), answering(200, [{"id": 3}, item]))
    found = getattr(goals, name)(per_page=2)

    assert [next(found), next(found)] == [Goal(id=1), Goal(id=2)]
    with pytest.raises(AnswerMalformed, match="an item of the list is no object"):
        next(found)


@pytest.mark.parametrize("per_page", [0, -1, 201])
def test_a_page_has_from_one_to_200_items(goals: Goals, per_page: int) -> None:
    with pytest.raises(ValueError, match=f"per_page is a number from 1 to 200, not {per_page}"):
        goals.list(per_page=per_page)


# --- declarations ---------------------------------------------------------------------------------------------


def test_the_operations_of_a_resource_are_in_the_order_of_their_lines() -> None:
    names = ["list", "create", "get", "replace", "update", "delete", "search", "copy", "rule", "poll"]

    assert list(operations(Goals)) == names
    assert list(operations(MoreGoals)) == [*names, "archive"]
    assert operations(Resource) == {}


def test_an_operation_on_the_class_is_its_declaration() -> None:
    get = Goals.get

    assert (get.name, get.method, get.path, get.mark, get.note) == (
        "Goals.get",
        "GET",
        "/goals/{goal_id}",
        DOCUMENTED,
        "one of them",
    )
    assert Goals.create.mark is OBSERVED
    assert operations(Goals)["get"] is get
    with pytest.raises(TypeError, match=r"Goals\.get is called on an instance"):
        get(7)


def test_a_resource_shows_where_it_is(api: Echo, goals: Goals) -> None:
    assert repr(goals) == f"<Goals of {api.url}>"


def test_two_clients_share_no_session(api: Echo) -> None:
    one, other = Goals(api.rest()), Goals(api.rest())

    assert one.get.rest is not other.get.rest
    assert one.get.rest is one.list.rest
