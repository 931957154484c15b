"""Lists that come in pages: all items once and in order, as they are taken, and never fewer without an error."""

from __future__ import annotations

import gc
import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.management.rest import (
    AnswerMalformed,
    ApiError,
    Indexed,
    Markers,
    NotFound,
    Numbered,
    Offsets,
    OutcomeUnknown,
    Page,
    Paging,
    Progress,
    Retries,
    ServerError,
    Slices,
    Whole,
)
from openfeature_kameleoon.management.rest.operations import iterate
from openfeature_kameleoon.management.rest.paging import Reply, Unexpected
from tests.management.echo import Echo
from tests.management.standins.serving import answering, dropped

Items = Sequence[Any]
Query = Mapping[str, Any]
Serve = Callable[[Items, Query], Reply]


# --- servers, by style: what they answer to a query -----------------------------------------------------------


def whole(items: Items, query: Query) -> Reply:
    return Reply(list(items), {})


def whole_inside(items: Items, query: Query) -> Reply:
    return Reply({"data": list(items)}, {})


def numbered(items: Items, query: Query) -> Reply:
    page, size = int(query["page"]), int(query["per_page"])
    return Reply(list(items[(page - 1) * size : page * size]), {})


def counted(items: Items, query: Query) -> Reply:
    count = -(-len(items) // int(query["per_page"]))
    return Reply(numbered(items, query).body, {"X-Page-Count": str(count)})


def numbered_inside(items: Items, query: Query) -> Reply:
    return Reply({"data": numbered(items, query).body}, {})


def counted_inside(items: Items, query: Query) -> Reply:
    count = -(-len(items) // int(query["per_page"]))
    return Reply({"data": numbered(items, query).body, "pages": count}, {})


def offsets(items: Items, query: Query) -> Reply:
    offset, limit = int(query["offset"]), int(query["limit"])
    told = {"offset": offset, "limit": limit, "totalCount": len(items)}
    return Reply({"objects": list(items[offset : offset + limit]), **told}, {})


def text_offsets(items: Items, query: Query) -> Reply:
    body = offsets(items, query).body
    return Reply({name: value if name == "objects" else str(value) for name, value in body.items()}, {})


def small_offsets(items: Items, query: Query) -> Reply:
    return offsets(items, {**query, "limit": min(int(query["limit"]), 3)})


def markers(items: Items, query: Query) -> Reply:
    start, limit = int(str(query.get("after", "m0"))[1:]), int(query["limit"])
    end = start + limit
    return Reply({"data": list(items[start:end]), "nextMarker": f"m{end}" if end < len(items) else None}, {})


def markers_without_null(items: Items, query: Query) -> Reply:
    body = markers(items, query).body
    return Reply({name: value for name, value in body.items() if value is not None}, {})


def slices(items: Items, query: Query) -> Reply:
    offset, limit = int(query["offset"]), int(query["limit"])
    return Reply(list(items[offset : offset + limit]), {})


def slices_inside(items: Items, query: Query) -> Reply:
    return Reply({"objects": slices(items, query).body}, {})


def indexed(items: Items, query: Query) -> Reply:
    index, size = int(query["pageIndex"]), int(query.get("pageSize", 4))
    return Reply({"data": {"content": list(items[index * size : (index + 1) * size])}}, {})


def counted_indexed(items: Items, query: Query) -> Reply:
    size = int(query.get("pageSize", 4))
    told = {"totalPages": -(-len(items) // size), "totalElements": len(items)}
    return Reply({"data": {**indexed(items, query).body["data"], **told}}, {})


@dataclass(frozen=True)
class Style:
    """A style of paging, by page size, and a server that has it."""

    make: Callable[[int], Paging]
    serve: Serve


STYLES: dict[str, Style] = {
    "whole": Style(lambda size: Whole(), whole),
    "whole, inside": Style(lambda size: Whole("data"), whole_inside),
    "numbered": Style(Numbered, numbered),
    "numbered, count in a header": Style(lambda size: Numbered(size, count_header="X-Page-Count"), counted),
    "numbered, header missing": Style(lambda size: Numbered(size, count_header="X-Page-Count"), numbered),
    "numbered, inside": Style(lambda size: Numbered(size, inside="data"), numbered_inside),
    "numbered, count inside": Style(lambda size: Numbered(size, inside="data", count_member="pages"), counted_inside),
    "offsets": Style(Offsets, offsets),
    "offsets, numbers as text": Style(Offsets, text_offsets),
    "offsets, with a limit of the server's own": Style(Offsets, small_offsets),
    "markers": Style(Markers, markers),
    "markers, none at the end": Style(Markers, markers_without_null),
    "slices": Style(Slices, slices),
    "slices, inside": Style(Slices, slices_inside),
    "indexed": Style(Indexed, indexed),
    "indexed, counted": Style(Indexed, counted_indexed),
    "indexed, size of the server's own": Style(lambda size: Indexed(None), indexed),
}

EVERY_STYLE = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
PAGED = pytest.mark.parametrize(
    "style",
    [one for name, one in STYLES.items() if "whole" not in name],
    ids=[name for name in STYLES if "whole" not in name],
)


def pages_of(paging: Paging, serve: Serve, items: Items) -> tuple[list[Page], list[Query]]:
    """The pages, and what was asked."""
    asked: list[Query] = []

    def ask(query: Query) -> Reply:
        asked.append(query)
        return serve(items, query)

    return list(paging.pages(ask)), asked


def all_items(pages: list[Page]) -> list[Any]:
    return [item for page in pages for item in page.items]


# --- every style ----------------------------------------------------------------------------------------------


@EVERY_STYLE
@given(count=st.integers(0, 60), size=st.integers(1, 12))
def test_all_items_come_once_and_in_order(style: Style, count: int, size: int) -> None:
    items = [{"id": number} for number in range(count)]

    pages, _ = pages_of(style.make(size), style.serve, items)

    assert all_items(pages) == items


@EVERY_STYLE
@given(count=st.integers(0, 60), size=st.integers(1, 12))
def test_hardly_more_pages_are_asked_for_than_there_are(style: Style, count: int, size: int) -> None:
    _, asked = pages_of(style.make(size), style.serve, [{"id": number} for number in range(count)])

    fullest = size
    if style.serve is small_offsets:
        fullest = min(size, 3)
    elif style.make(size) == Indexed(None):
        fullest = 4
    assert len(asked) <= -(-count // fullest) + 1
    assert len({json.dumps(query) for query in asked}) == len(asked)


@EVERY_STYLE
def test_a_list_without_items_takes_one_request(style: Style) -> None:
    pages, asked = pages_of(style.make(5), style.serve, [])

    assert all_items(pages) == []
    assert len(asked) == 1


@EVERY_STYLE
def test_the_total_is_right_in_the_end_or_unknown(style: Style) -> None:
    pages, _ = pages_of(style.make(5), style.serve, [{"id": number} for number in range(13)])

    assert pages[-1].total in (13, None)


@pytest.mark.parametrize(
    ("paging", "first", "second"),
    [
        (Numbered(2), {"page": 1, "per_page": 2}, {"page": 2, "per_page": 2}),
        (Numbered(2, "p", "n"), {"p": 1, "n": 2}, {"p": 2, "n": 2}),
        (Offsets(2), {"limit": 2, "offset": 0}, {"limit": 2, "offset": 2}),
        (Markers(2), {"limit": 2}, {"limit": 2, "after": "m2"}),
        (Slices(2), {"limit": 2, "offset": 0}, {"limit": 2, "offset": 2}),
        (Slices(2, offset=4), {"limit": 2, "offset": 4}, {"limit": 2, "offset": 6}),
        (Indexed(2), {"pageIndex": 0, "pageSize": 2}, {"pageIndex": 1, "pageSize": 2}),
        (Indexed(None), {"pageIndex": 0}, {"pageIndex": 1}),
    ],
)
def test_pages_are_asked_for_by_the_parameters_of_the_style(paging: Paging, first: Query, second: Query) -> None:
    full: dict[str, Any] = {"objects": [1, 2], "data": [1, 2], "totalCount": 9, "limit": 2, "nextMarker": "m2"}
    asked: list[Query] = []

    def ask(query: Query) -> Reply:
        asked.append(query)
        numbers = [len(asked), len(asked) + 1]
        if isinstance(paging, Numbered):
            return Reply(numbers, {})
        if isinstance(paging, Indexed):
            return Reply({"data": {"content": numbers}}, {})
        return Reply({**full, "objects": numbers, "data": numbers, "offset": query.get("offset")}, {})

    list(itertools.islice(paging.pages(ask), 2))

    assert asked == [first, second]


def test_a_bare_object_is_a_page_of_one_where_a_vendor_does_so() -> None:
    pages = list(Numbered(20).pages(lambda query: Reply({"id": 7}, {})))

    assert all_items(pages) == [{"id": 7}]


def test_a_count_is_believed_over_how_full_a_page_is() -> None:
    served = iter([[1], [], [2, 3]])
    paging = Numbered(2, count_header="X-Page-Count")

    pages = list(paging.pages(lambda query: Reply(next(served), {"X-Page-Count": "3"})))

    assert all_items(pages) == [1, 2, 3]


@pytest.mark.parametrize("count", ["", "many", "-1", "1.5", "²", "9" * 5000])
def test_a_count_that_is_none_is_passed_over(count: str) -> None:
    served = iter([[1, 2], [3]])
    paging = Numbered(2, count_header="X-Page-Count")

    pages = list(paging.pages(lambda query: Reply(next(served), {"X-Page-Count": count})))

    assert all_items(pages) == [1, 2, 3]


# --- pages that are not what the style promises ---------------------------------------------------------------

MALFORMED: dict[str, tuple[Paging, object]] = {
    "nothing": (Numbered(2), None),
    "a text": (Numbered(2), "none"),
    "an object without the member": (Numbered(2, inside="data"), {"items": []}),
    "an array where an envelope belongs": (Numbered(2, inside="data"), [1]),
    "a member that is no array": (Whole("data"), {"data": {"id": 7}}),
    "an object where an array belongs": (Whole(), {"id": 7}),
    "one object where the vendor has none": (Numbered(2, may_be_single=False), {"id": 7}),
    "offsets: nothing": (Offsets(2), None),
    "offsets: an array": (Offsets(2), [1]),
    "offsets: no total": (Offsets(2), {"objects": [], "offset": 0, "limit": 2}),
    "offsets: a total in words": (Offsets(2), {"objects": [], "offset": 0, "limit": 2, "totalCount": "²"}),
    "offsets: a flag for a total": (Offsets(2), {"objects": [], "offset": 0, "limit": 2, "totalCount": True}),
    "offsets: no offset": (Offsets(2), {"objects": [], "limit": 2, "totalCount": 0}),
    "offsets: no items": (Offsets(2), {"offset": 0, "limit": 2, "totalCount": 0}),
    "markers: nothing": (Markers(2), None),
    "markers: an array": (Markers(2), [1]),
    "markers: no items": (Markers(2), {"nextMarker": None}),
    "slices: nothing": (Slices(2), None),
    "slices: an object": (Slices(2), {"items": []}),
    "indexed: nothing": (Indexed(2), None),
    "indexed: an array": (Indexed(2), [1]),
    "indexed: an array inside": (Indexed(2), {"data": [1]}),
    "indexed: no items": (Indexed(2), {"data": {"totalPages": 0}}),
}


@pytest.mark.parametrize(("paging", "body"), MALFORMED.values(), ids=MALFORMED)
def test_a_page_that_is_none_is_an_error(paging: Paging, body: object) -> None:
    with pytest.raises(Unexpected, match=r"is no (array|number)$"):
        list(paging.pages(lambda query: Reply(body, {})))


GOOD: dict[str, tuple[Paging, object]] = {
    "numbered": (Numbered(2), [1, 2]),
    "offsets": (Offsets(2), {"objects": [1, 2], "offset": 0, "limit": 2, "totalCount": 5}),
    "markers": (Markers(2), {"data": [1, 2], "nextMarker": "m2"}),
    "slices": (Slices(2), [1, 2]),
    "indexed": (Indexed(2), {"data": {"content": [1, 2]}}),
}
EVERY_GOOD = pytest.mark.parametrize(("paging", "first"), GOOD.values(), ids=GOOD)


@EVERY_GOOD
@pytest.mark.parametrize(
    ("second", "raised"),
    [
        (answering(200, {"message": "no list"}), AnswerMalformed),
        (answering(200, "<html>"), AnswerMalformed),
        (answering(200, ""), AnswerMalformed),
        (answering(404, {"message": "gone"}), NotFound),
        (answering(503), ServerError),
        (dropped(), ApiError),
    ],
    ids=["no list", "no json", "nothing", "404", "503", "dropped"],
)
def test_an_error_in_the_middle_is_raised_after_the_items_before(
    api: Echo, paging: Paging, first: object, second: Any, raised: type[ApiError]
) -> None:
    if isinstance(paging, Numbered):
        paging = Numbered(2, may_be_single=False)
    api.strike(answering(200, first), second)
    items = iterate(api.rest(retries=Retries(attempts=1)), paging, "goals")

    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(raised):
        next(items)
    assert list(items) == []
    assert len(api.log) == 2


def test_the_error_tells_which_page_it_was(api: Echo) -> None:
    api.strike(answering(200, [1, 2]), answering(200, {"message": "no list"}))

    with pytest.raises(AnswerMalformed, match="200 OK: the answer is no array") as caught:
        list(iterate(api.rest(), Numbered(2, may_be_single=False), "goals"))

    assert caught.value.url == f"{api.url}/goals?page=2&per_page=2"
    assert caught.value.payload == {"message": "no list"}


# --- servers that do not page ---------------------------------------------------------------------------------


def loops(serve: Serve) -> Serve:
    """A server that answers every query as the first one."""
    answers: list[Reply] = []

    def again(items: Items, query: Query) -> Reply:
        answers.append(serve(items, query))
        return answers[0]

    return again


@PAGED
@pytest.mark.parametrize("count", [6, 9])
def test_a_server_that_always_gives_the_same_page_is_not_asked_for_ever(style: Style, count: int) -> None:
    items = [{"id": number} for number in range(count)]
    asked: list[Query] = []
    given_out: list[Any] = []
    served = loops(style.serve)

    def ask(query: Query) -> Reply:
        asked.append(query)
        return served(items, query)

    try:
        for page in style.make(6).pages(ask):
            given_out += page.items
    except Unexpected:
        pass

    assert len(asked) <= 3


@pytest.mark.parametrize("paging", [Numbered(2), Numbered(2, count_header="X-Page-Count")])
def test_a_page_that_comes_again_is_an_error_where_pages_are_numbered(paging: Paging) -> None:
    with pytest.raises(Unexpected, match="page 2 is the same as the one before"):
        list(paging.pages(lambda query: Reply([1, 2], {})))


@pytest.mark.parametrize("offset", [0, 1, 3, 99])
def test_a_page_from_another_place_is_an_error_before_its_items_are_given(offset: int) -> None:
    pages = Offsets(2).pages(
        lambda query: offsets(range(9), query if query["offset"] == 0 else {**query, "offset": offset})
    )

    assert next(pages) == Page([0, 1], 9)
    with pytest.raises(Unexpected, match=f"offset 2 was asked for, and {offset} came"):
        next(pages)


def test_a_limit_of_nothing_is_an_error() -> None:
    with pytest.raises(Unexpected, match="limit of 0"):
        list(Offsets(2).pages(lambda query: offsets(range(9), {**query, "limit": 0})))


@given(before=st.integers(0, 20), around=st.integers(1, 20))
def test_markers_that_lead_in_a_circle_are_an_error(before: int, around: int) -> None:
    names = [f"m{number}" for number in range(before + around)]
    following = dict(itertools.pairwise(["", *names])) | {names[-1]: names[before]}
    asked = []

    def ask(query: Query) -> Reply:
        asked.append(query)
        return Reply({"data": [len(asked)], "nextMarker": following[str(query.get("after", ""))]}, {})

    with pytest.raises(Unexpected, match="leads back to itself"):
        list(Markers(1).pages(ask))
    assert len(asked) <= 4 * (before + around) + 2


@pytest.mark.parametrize("served", [[1, 2], [1, 2, 3]], ids=["full", "longer than asked for"])
def test_slices_of_a_server_that_does_not_page_are_the_whole(served: list[int]) -> None:
    pages = list(Slices(2).pages(lambda query: Reply(served, {})))

    assert all_items(pages) == served


def test_an_index_that_is_passed_over_gives_the_whole() -> None:
    pages = list(Indexed(2).pages(lambda query: Reply({"data": {"content": [1, 2]}}, {})))

    assert all_items(pages) == [1, 2]


# --- as they are taken ----------------------------------------------------------------------------------------


@EVERY_GOOD
def test_nothing_is_asked_before_the_first_item_is_taken(api: Echo, paging: Paging, first: object) -> None:
    api.strike(answering(200, first))

    items = iterate(api.rest(), paging, "goals")
    assert api.log == []

    assert next(items) == 1
    assert len(api.log) == 1


@EVERY_GOOD
def test_the_next_page_is_asked_for_when_its_first_item_is_taken(api: Echo, paging: Paging, first: object) -> None:
    api.strike(answering(200, first), answering(404))
    items = iterate(api.rest(), paging, "goals")

    assert [next(items), next(items)] == [1, 2]
    assert len(api.log) == 1

    with pytest.raises(NotFound):
        next(items)
    assert len(api.log) == 2


def test_who_stops_early_asks_for_no_more(api: Echo) -> None:
    api.strike(answering(200, [1, 2]))

    for item in iterate(api.rest(), Numbered(2), "goals"):
        if item == 2:
            break

    assert len(api.log) == 1


def test_two_takers_of_one_list_are_independent(api: Echo) -> None:
    api.strike(*[answering(200, [1]) for _ in range(2)])
    rest = api.rest()

    one, other = iterate(rest, Numbered(2), "goals"), iterate(rest, Numbered(2), "goals")

    assert [next(one), next(other)] == [1, 1]
    assert [list(one), list(other)] == [[], []]


# --- the request ----------------------------------------------------------------------------------------------


def test_pages_come_before_the_rest_of_the_query(api: Echo) -> None:
    api.strike(answering(200, [1, 2]), answering(200, []))

    list(iterate(api.rest(), Numbered(2), "goals", [("name", "n"), ("status", None)]))

    assert [entry.query for entry in api.log] == [
        (("page", "1"), ("per_page", "2"), ("name", "n")),
        (("page", "2"), ("per_page", "2"), ("name", "n")),
    ]


def test_with_a_body_the_pages_go_into_it(api: Echo) -> None:
    body = {"filter": {"field": "name"}}
    api.strike(answering(200, [1, 2]), answering(200, []))

    list(iterate(api.rest(), Numbered(2), "goals/search", [("name", "n")], method="POST", json=body))

    assert [(entry.method, entry.query, entry.json) for entry in api.log] == [
        ("POST", (("name", "n"),), {**body, "page": 1, "per_page": 2}),
        ("POST", (("name", "n"),), {**body, "page": 2, "per_page": 2}),
    ]
    assert body == {"filter": {"field": "name"}}


def test_a_search_by_post_is_a_read_and_repeated_like_one(api: Echo) -> None:
    api.strike(dropped(), answering(503), answering(200, [1]))

    assert list(iterate(api.rest(), Numbered(2), "goals/search", method="POST", json={})) == [1]


def test_a_search_that_goes_on_being_lost_leaves_nothing_unknown(api: Echo) -> None:
    api.strike(*[dropped()] * 4)

    with pytest.raises(ApiError) as caught:
        list(iterate(api.rest(), Numbered(2), "goals/search", method="POST", json={}))

    assert not isinstance(caught.value, OutcomeUnknown)


# --- progress -------------------------------------------------------------------------------------------------

Told = list[tuple[int, "int | None"]]

FIGURES: dict[str, Told] = {
    "whole": [(13, 13)],
    "whole, inside": [(13, 13)],
    "numbered": [(5, None), (10, None), (13, 13)],
    "numbered, count in a header": [(5, 15), (10, 15), (13, 13)],
    "numbered, count inside": [(5, 15), (10, 15), (13, 13)],
    "offsets": [(5, 13), (10, 13), (13, 13)],
    "offsets, numbers as text": [(5, 13), (10, 13), (13, 13)],
    "markers": [(5, None), (10, None), (13, None)],
    "slices": [(5, None), (10, None), (13, None)],
    "indexed": [(5, None), (10, None), (13, None)],
    "indexed, counted": [(5, 13), (10, 13), (13, 13)],
}


class Served:
    """Stands for a session in front of a server; pages are made when they are asked for."""

    def __init__(self, count: int, serve: Serve) -> None:
        self._items = range(count)
        self._serve = serve

    def send(self, method: str, path: str, *, query: Any, **_: Any) -> Reply:
        reply = self._serve(self._items, dict(query))
        return Reply(json.dumps(reply.body), reply.headers)

    def decoded(self, answer: Reply) -> Any:
        return json.loads(answer.body)


def items_of(style: Style, count: int, size: int, progress: Progress | None = None) -> Iterator[Any]:
    session: Any = Served(count, style.serve)  # answers as a session does
    return iterate(session, style.make(size), "goals", progress=progress)


@pytest.mark.parametrize(("name", "figures"), FIGURES.items())
def test_progress_is_told_of_each_page_before_its_items_are_taken(name: str, figures: Told) -> None:
    told: Told = []

    taken = [len(told) for _ in items_of(STYLES[name], 13, 5, lambda done, total: told.append((done, total)))]

    assert told == figures
    if len(figures) == 3:
        assert taken == [1] * 5 + [2] * 5 + [3] * 3


def test_what_a_progress_callback_raises_ends_the_list(api: Echo) -> None:
    api.strike(answering(200, [1, 2]))

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(iterate(api.rest(), Numbered(2), "goals", progress=stop))


# --- memory ---------------------------------------------------------------------------------------------------


def peak_of(style: Style, count: int) -> int:
    """Bytes held at most while all items are taken, one by one."""
    gc.collect()
    tracemalloc.start()
    try:
        for place, item in enumerate(items_of(style, count, 200)):
            assert item == place
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", GOOD)
def test_a_list_of_any_length_takes_the_memory_of_a_page(name: str) -> None:
    short, long = peak_of(STYLES[name], 10_000), peak_of(STYLES[name], 100_000)

    assert long < short + 500_000  # all of them are 3 MB at least; other threads may take a little meanwhile
