"""What the server knows of a visitor: reading its answer, however odd, and adding it to what is known here."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.visitors.data import (
    Browser,
    BrowserType,
    Conversion,
    CustomData,
    Data,
    Device,
    DeviceType,
    Geolocation,
    OperatingSystem,
    OperatingSystemType,
    PageView,
)
from openfeature_kameleoon.visitors.remote import (
    PreviousVisit,
    RemoteVisitorData,
    RemoteVisitorDataFilter,
    add_remote_data,
    adopt_visitor_code,
)
from openfeature_kameleoon.visitors.remote_answer import parse_visitor_data
from openfeature_kameleoon.visitors.traits import Assignment, Exposure, PageVisit, VisitHistory
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, data_object, vectors

Json = dict[str, Any]

NOW = 1_790_000_060.0
INDEX = Stage().index
EVERYTHING = RemoteVisitorDataFilter(device=True, browser=True, operating_system=True)
LOST = "device requested but absent (reference quirk: everything is lost)"


def parsed(answer: object, wanted: RemoteVisitorDataFilter = EVERYTHING) -> RemoteVisitorData:
    return parse_visitor_data(answer, wanted, now=NOW)


def event(time: object = 1_790_000_000_000, **data: object) -> Json:
    return {"time": time, "data": data}


def added(answer: object, visitor: Visitor | None = None, **wanted: bool) -> Visitor:
    visitor = visitor or Visitor("v", started=NOW)
    remote = parsed(answer, RemoteVisitorDataFilter(**wanted))
    adopt_visitor_code(visitor, remote)
    add_remote_data(visitor, remote, INDEX)
    return visitor


# --- the vectors --------------------------------------------------------------------------------------------


def state(visitor: Visitor) -> Json:
    """A visitor in the words of the vectors."""
    custom_data = visitor.custom_data.items()
    visits = visitor.traits.visits
    return {
        "hashing_code": visitor.hashing_code,
        "custom_data": {
            str(index): [values] if isinstance(values, str) else list(values) for index, values in custom_data
        },
        "pages": {
            url: {"count": visit.views, "last_ms": round(visit.time * 1000), "title": visit.page.title}
            for url, visit in visitor.traits.pages.items()
        },
        "assignments": {str(key): item.exposure.variation_id for key, item in visitor.assignments.items()},
        "conversions": len(visitor.traits.conversions),
        "visits": visits
        and {
            "visit_number": visits.visit_number,
            "previous_starts": [round(start * 1000) for start in visits.starts],
            "time_since_previous_visit": round(visits.seconds_since_previous * 1000),
        },
    }


@pytest.mark.parametrize(
    "vector", [vector for vector in vectors("remote_visitor_data") if vector["name"] != LOST], ids=lambda v: v["name"]
)
def test_an_answer_is_taken_as_the_reference_takes_it(vector: Json) -> None:
    stage = Stage()
    stage.play(vector["visitor_code"], vector["steps_before"])
    stage.at(vectors("meta")["evaluate_at_ms"])

    remote = stage.receive(
        vector["visitor_code"],
        vector["response"],
        RemoteVisitorDataFilter(**vector["filter"]),
        add=vector["add_data"],
    )

    assert remote.as_data() == [data_object(described) for described in vector["expected_list"]]
    visitor = stage.store.get(vector["visitor_code"])
    assert (None if visitor is None else state(visitor)) == vector["expected_state"]


def test_a_device_that_is_missing_costs_only_itself() -> None:
    # The reference loses the whole answer then (9.4).
    vector = next(vector for vector in vectors("remote_visitor_data") if vector["name"] == LOST)

    remote = parsed(vector["response"], RemoteVisitorDataFilter(**vector["filter"]))

    assert remote.as_data() == [CustomData(0, "a")]
    assert remote.device is None


# --- the filter ---------------------------------------------------------------------------------------------


def test_the_filter_has_the_documented_options_in_their_order() -> None:
    on = {"current_visit", "custom_data", "visitor_code"}

    options = {field.name: field.default for field in msgspec.structs.fields(RemoteVisitorDataFilter)}

    assert list(options) == [
        *("previous_visit_amount", "current_visit", "custom_data", "page_views", "geolocation", "device"),
        *("browser", "operating_system", "conversions", "experiments", "kcs", "visitor_code", "cbs"),
        "personalization",
    ]
    assert options == {name: name in on for name in options} | {"previous_visit_amount": 1}


@pytest.mark.parametrize("amount", [0, -1, 26])
def test_a_number_of_visits_that_the_server_does_not_give_is_refused(amount: int) -> None:
    with pytest.raises(ConfigSettingInvalid) as raised:
        RemoteVisitorDataFilter(previous_visit_amount=amount)

    assert raised.value.setting == "previous_visit_amount"


@pytest.mark.parametrize("amount", [1, 25])
def test_one_to_25_previous_visits_can_be_asked_for(amount: int) -> None:
    assert RemoteVisitorDataFilter(previous_visit_amount=amount).previous_visit_amount == amount


def test_a_filter_does_not_change() -> None:
    with pytest.raises(AttributeError):
        RemoteVisitorDataFilter().cbs = True  # type: ignore[misc]  # that is the point


STATIC = {"currentVisit": {"visitorCode": "r", "staticDataEvent": {"data": {"deviceType": "PHONE", "os": "MAC"}}}}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, []),
        ({"device": True}, [Device(DeviceType.PHONE)]),
        ({"operating_system": True}, [OperatingSystem(OperatingSystemType.MAC)]),
        ({"browser": True}, []),
    ],
)
def test_only_the_static_data_that_were_asked_for_are_used(wanted: dict[str, bool], expected: list[Data]) -> None:
    assert parsed(STATIC, RemoteVisitorDataFilter(**wanted)).as_data() == expected


# --- parts of an answer -------------------------------------------------------------------------------------


def test_the_visitor_code_is_that_of_the_first_visit_that_has_one() -> None:
    answer = {"currentVisit": {"visitorCode": 7}, "previousVisits": [{}, {"visitorCode": "b"}, {"visitorCode": "c"}]}

    assert parsed(answer).visitor_code == "b"
    assert parsed(answer, RemoteVisitorDataFilter(visitor_code=False)).visitor_code is None


def test_the_browser_has_its_version() -> None:
    def seen(**static: object) -> Browser | None:
        return parsed({"currentVisit": {"staticDataEvent": {"data": static}}}).browser

    assert seen(browser="FIREFOX", browserVersion=120.5) == Browser(BrowserType.FIREFOX, 120.5)
    assert seen(browser="FIREFOX", browserVersion="new") == Browser(BrowserType.FIREFOX, None)
    assert seen(browser="FIREFOX") == Browser(BrowserType.FIREFOX, None)
    assert seen(browser="LYNX", browserVersion=1.0) is None
    assert seen(browserVersion=1.0) is None


def test_static_data_are_each_of_the_first_visit_that_names_a_known_one() -> None:
    def visit(**static: object) -> Json:
        return {"staticDataEvent": {"data": static}}

    remote = parsed(
        {
            "currentVisit": visit(deviceType="WATCH", browser="SAFARI"),
            "previousVisits": [visit(deviceType="TABLET", os="BEOS"), visit(deviceType="PHONE", os="IOS")],
        }
    )

    assert remote.device == Device(DeviceType.TABLET)
    assert remote.browser == Browser(BrowserType.SAFARI)
    assert remote.operating_system == OperatingSystem(OperatingSystemType.IOS)


@pytest.mark.parametrize(
    ("current", "previous", "expected"),
    [
        (4, [], 4),
        (0, [9], 10),
        (None, [None, 5], 7),
        ("4", [2.5, True], 0),
    ],
)
def test_the_visit_number_counts_on_from_the_visit_that_has_one(
    current: object, previous: list[object], expected: int
) -> None:
    visits = [{"staticDataEvent": {"data": {"visitNumber": number}}} for number in (current, *previous)]

    assert parsed({"currentVisit": visits[0], "previousVisits": visits[1:]}).visit_number == expected


def test_of_conversions_all_are_kept_and_one_without_a_time_happens_now() -> None:
    events = [event(goalId=1), event(None, goalId=2, revenue=3, negative=True), {"data": {"goalId": 1}}]

    remote = parsed({"currentVisit": {"conversionEvents": events}})

    assert [recorded.conversion for recorded in remote.conversions] == [
        Conversion(1),
        Conversion(2, 3.0, negative=True),
        Conversion(1),
    ]
    assert [recorded.time for recorded in remote.conversions] == [1_790_000_000.0, NOW, NOW]


def test_of_places_the_last_one_of_the_first_visit_that_has_any_counts() -> None:
    places = [event(country="Spain"), event(country="France", region="Bretagne"), event(city="Rome")]

    remote = parsed(
        {"currentVisit": {"geolocationEvents": [event(city="Oslo")]}, "previousVisits": [{"geolocationEvents": places}]}
    )

    assert remote.geolocation == Geolocation("France", "Bretagne")


def test_of_experiments_and_personalisations_the_latest_event_counts() -> None:
    def variations(*pairs: tuple[int, int]) -> list[Json]:
        return [event(time, id=5, variationId=variation) for time, variation in pairs]

    remote = parsed(
        {
            "currentVisit": {"experimentEvents": variations((3000, 1), (4000, 2))},
            "previousVisits": [
                {
                    "experimentEvents": variations((1000, 3)),
                    "personalizationEvents": variations((1500, 1), (2000, 2)),
                }
            ],
        }
    )

    assert [(item.exposure, item.time) for item in remote.assignments] == [(Exposure(5, 2, None), 4.0)]
    assert not remote.assignments[0].is_reported
    assert remote.personalizations == {5: 2.0}


def test_an_event_without_a_time_happened_when_its_visit_began() -> None:
    visit = {"timeStarted": 1000, "pageEvents": [{"data": {"href": "/"}}, {"time": None, "data": {"href": "/b"}}]}

    assert [page.time for page in parsed({"currentVisit": visit}).pages] == [1.0, 1.0]


def test_a_previous_visit_without_times_began_and_ended_at_0() -> None:
    answer = {"previousVisits": [{"timeStarted": 2000}, {"timeLastEvent": 1500}, {"timeStarted": "x"}]}

    assert parsed(answer).previous_visits == (
        PreviousVisit(2.0, 2.0),
        PreviousVisit(0.0, 1.5),
        PreviousVisit(0.0, 0.0),
    )


def test_scores_that_are_no_numbers_are_left_out() -> None:
    scores = {"1": {"2": 0.5, "x": 1, "3": "high", "4": 7, "5": True}, "a": {"1": 1}, "6": [], "7": {"8": None}}

    remote = parsed({"kcs": scores, "cbs": scores})

    assert remote.heat == remote.scores == {1: {2: 0.5, 4: 7.0, 5: 1.0}}


# --- odd answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, [], "text", 5, {}, {"currentVisit": None, "previousVisits": None, "cbs": {}}])
def test_an_answer_without_anything_is_empty(answer: object) -> None:
    remote = parsed(answer)

    assert remote.is_empty
    assert remote.as_data() == []


ODD_EVENTS: list[object] = [
    None,
    5,
    "text",
    [],
    {},
    {"data": None},
    {"data": []},
    {"time": "now"},
    {"time": "now", "data": {"index": 1, "valuesCountMap": {"no": 1}, "href": "/no", "id": 9, "goalId": 9}},
    {"time": 1, "data": {"index": "1", "valuesCountMap": {"no": 1}, "href": 5, "id": "9", "goalId": "9"}},
    {"time": 1, "data": {"index": -1, "valuesCountMap": {"no": 1}, "href": "", "id": True, "goalId": 1.5}},
    {"time": 1, "data": {"index": 1, "valuesCountMap": ["no"], "id": 9, "variationId": None, "country": 7}},
]
GOOD = {
    "customDataEvents": event(index=0, valuesCountMap={"yes": 1}),
    "pageEvents": event(href="/yes"),
    "experimentEvents": event(id=1, variationId=2),
    "personalizationEvents": event(id=1, variationId=2),
    "conversionEvents": event(goalId=1),
    "geolocationEvents": event(country="Norge"),
}


@pytest.mark.parametrize("position", range(len(ODD_EVENTS)))
def test_an_odd_event_costs_only_itself(position: int) -> None:
    odd = ODD_EVENTS[position]
    expected = parsed({"currentVisit": {member: [good] for member, good in GOOD.items()}})

    remote = parsed({"currentVisit": {member: [odd, good, odd] for member, good in GOOD.items()}})

    assert remote.as_data() == expected.as_data()
    assert [item.exposure for item in remote.assignments] == [Exposure(1, 2, None)]
    assert remote.personalizations == expected.personalizations


@pytest.mark.parametrize("odd", [None, 5, "text", {}, [None], [5], [[]]])
def test_an_odd_member_costs_only_itself(odd: object) -> None:
    for broken in GOOD:
        visit = {member: odd if member == broken else [good] for member, good in GOOD.items()}
        remote = parsed({"currentVisit": {**visit, "staticDataEvent": odd}, "previousVisits": odd, "kcs": odd})
        found = (
            *(remote.custom_data, remote.pages, remote.assignments),
            *(remote.personalizations, remote.conversions, remote.geolocation),
        )

        assert [bool(part) for part in found] == [member != broken for member in GOOD]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
visits = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.lists(st.fixed_dictionaries({"data": json_values, "time": json_values}), max_size=2)
        for name in (*GOOD, "staticDataEvent", "visitorCode", "timeStarted", "timeLastEvent")
    },
)


@given(
    st.fixed_dictionaries(
        {"currentVisit": visits | json_values, "previousVisits": st.lists(visits | json_values, max_size=3)},
        optional={"kcs": json_values, "cbs": json_values},
    )
)
def test_no_answer_whatsoever_fails(answer: Json) -> None:
    visitor = Visitor("v", started=NOW)

    add_remote_data(visitor, parsed(answer), INDEX)

    assert visitor.size >= Visitor("v").size


# --- adding it (6.2, last column) ---------------------------------------------------------------------------


def test_local_data_win() -> None:
    stage = Stage()
    local: list[Data] = [
        CustomData(0, "local"),
        Device(DeviceType.DESKTOP),
        Browser(BrowserType.OPERA),
        OperatingSystem(OperatingSystemType.LINUX),
        Geolocation("Japan"),
    ]
    visitor = stage.store.add_data(stage.visitor("v"), local, stage.index)
    visitor.set_assignment(Assignment(Exposure(1, 7, None), 5.0, 0.0, is_reported=True))
    visitor.own_traits().own("personalizations")[1] = 5.0
    visitor.own_traits().scores = {1: {1: 1.0}}
    static = {"deviceType": "PHONE", "browser": "CHROME", "os": "IOS"}
    answer = {
        "currentVisit": {**{member: [good] for member, good in GOOD.items()}, "staticDataEvent": {"data": static}},
        "cbs": {"1": {"1": 0.0}},
    }

    add_remote_data(visitor, parsed(answer), stage.index)

    traits = visitor.traits
    assert visitor.custom_data == {0: "local"}
    assert [traits.device, traits.browser, traits.operating_system, traits.geolocation] == local[1:]
    assert visitor.assignments[1].exposure.variation_id == 7
    assert traits.personalizations == {1: 5.0}
    assert traits.scores == {1: {1: 1.0}}


def test_pages_are_counted_up_and_keep_the_local_title() -> None:
    visitor = Visitor("v")
    visitor.own_traits().own("pages")["/yes"] = PageVisit(PageView("/yes", "local"), 2, 9.0)

    added({"currentVisit": {"pageEvents": [event(1000, href="/yes", title="remote")] * 3}}, visitor)
    added({"currentVisit": {"pageEvents": [event(12_000, href="/yes")]}}, visitor)

    assert visitor.traits.pages == {"/yes": PageVisit(PageView("/yes", "local"), 6, 12.0)}


def test_conversions_are_appended() -> None:
    answer = {"currentVisit": {"conversionEvents": [event(goalId=1), event(goalId=2)]}}

    visitor = added(answer, added(answer))

    assert [recorded.conversion.goal_id for recorded in visitor.traits.conversions] == [1, 2, 1, 2]


def test_likelihood_scores_are_replaced() -> None:
    visitor = added({"kcs": {"1": {"2": 3.0}}})

    added({}, visitor)
    assert visitor.traits.heat == {1: {2: 3.0}}

    added({"kcs": {"4": {"5": 6.0}}}, visitor)
    assert visitor.traits.heat == {4: {5: 6.0}}


def test_scores_override_the_rules() -> None:
    visitor = added({"cbs": {"1": {"2": 3.0}}})

    assert visitor.traits.overridden
    assert visitor.traits.scores == {1: {2: 3.0}}


def test_visits_are_localised_and_the_first_ones_stay() -> None:
    answer = {
        "previousVisits": [
            {"timeStarted": (NOW - 50) * 1000, "timeLastEvent": (NOW + 1) * 1000},  # ahead of this clock
            {"timeStarted": (NOW - 200) * 1000, "timeLastEvent": (NOW - 100) * 1000},
        ]
    }

    visitor = added(answer)
    added({"previousVisits": [{"timeStarted": 1000}]}, visitor)

    assert visitor.traits.visits == VisitHistory((NOW - 50, NOW - 200), 2, 100.0)


def test_without_an_earlier_visit_before_this_one_no_time_has_passed_since() -> None:
    visits = added({"previousVisits": [{"timeStarted": (NOW + 5) * 1000}]}).traits.visits

    assert visits is not None
    assert visits.seconds_since_previous == 0.0


def test_only_data_of_scope_visitor_and_the_visit_are_reported_again() -> None:
    values = {"x": 1}
    custom_data = [event(index=index, valuesCountMap=values) for index in range(4)]  # 0 and 3 are of scope VISITOR
    current = {**{member: [good] for member, good in GOOD.items()}, "customDataEvents": custom_data}

    visitor = added({"currentVisit": current, "previousVisits": [{"timeStarted": 1000}]}, device=True)

    assert sorted(visitor.custom_data) == [0, 1, 2, 3]
    assert list(visitor.unsent) == [3, 0, visitor.traits.visits]


def test_the_hashing_code_is_the_servers_unless_one_is_set() -> None:
    answer = {"currentVisit": {"visitorCode": "remote"}}
    linked = Visitor("v")
    linked.hashing_code = "anonymous"

    assert added(answer).hashing_code == "remote"
    assert added(answer, linked).hashing_code == "anonymous"
    assert added(answer, visitor_code=False).hashing_code is None
    assert added({"currentVisit": {"visitorCode": ""}}).hashing_code is None


def test_a_mapping_identifier_of_the_server_links_no_codes() -> None:
    stage = Stage()

    answer = {"currentVisit": {"customDataEvents": [event(index=3, valuesCountMap={"user": 1})]}}
    stage.receive("v", answer, RemoteVisitorDataFilter())

    assert stage.store.get("user") is None
    assert stage.visitor("v").hashing_code is None


def test_what_was_parsed_can_be_added_to_several_visitors() -> None:
    remote = parsed({"cbs": {"1": {"2": 3.0}}, "kcs": {"1": {"2": 3.0}}})
    first, second = Visitor("a"), Visitor("b")
    for visitor in (first, second):
        add_remote_data(visitor, remote, INDEX)

    assert first.traits.scores is not None
    first.traits.scores[1][2] = 0.0

    assert second.traits.scores == {1: {2: 3.0}}
