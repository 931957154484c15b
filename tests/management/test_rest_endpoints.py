"""Operations that a method's own signature declares: what a call takes, sends and gives."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from openfeature_kameleoon.management.rest import Numbered, Operation, Record, Resource, field, operations
from openfeature_kameleoon.management.rest.endpoints import BoundEndpoint, done, endpoint, raw
from openfeature_kameleoon.management.rest.operations import Declaration
from tests.management.echo import Echo
from tests.management.standins.serving import answering


class Goal(Record):
    id = field(int)


def only_names(resource: object, item: Any, arguments: Any) -> str:
    return f"{item['name']} of {arguments['site']}"


def numbered_by(arguments: Any) -> Numbered:
    return Numbered(arguments["size"])


def body_of(arguments: Any) -> object:
    return {"keys": arguments["keys"], "comment": arguments["comment"]}


class Segments(Resource):
    @endpoint("GET sites/{site}/segments/{name}?deep={deep}&tag={tags}&fixed=yes")
    def get(self, name: str, site: str, deep: bool | None = None, tags: tuple[str, ...] = ()) -> Any:
        """One segment."""

    @endpoint("PUT segments/{name}/keys", body="data", answers=done)
    def put_keys(self, name: str, data: Any) -> bool:  # type: ignore[empty-body]  # never run
        """Put keys into it."""

    @endpoint("POST segments/{name}/keys", body=body_of)
    def add_keys(self, name: str, *, keys: Any, comment: str = "none") -> Any:
        """Add keys to it."""

    @endpoint("GET segments", pages=Numbered(2), answers=raw)
    def everywhere(self) -> list[Any]:  # type: ignore[empty-body]  # never run
        """All segments."""

    @endpoint("GET sites/{site}/segments?sort={sort}", pages=numbered_by, answers=only_names)
    def list(self, site: str, sort: str | None = None, size: int = 2) -> list[str]:  # type: ignore[empty-body]  # never run
        """The segments of a site."""


class Filling(Segments):
    """Knows its site."""

    def completed(self, declared: Declaration, arguments: dict[str, Any]) -> dict[str, Any]:
        return {**arguments, "site": arguments.get("site") or "own"}


@pytest.fixture
def segments(api: Echo) -> Segments:
    return Segments(api.rest())


def test_arguments_are_given_by_place_or_name(api: Echo, segments: Segments) -> None:
    targets = [
        segments.get("beta", "s1", True, ("a", "b")),
        segments.get(site="s1", tags=("a", "b"), deep=True, name="beta"),
    ]

    assert targets == [{"target": "/sites/s1/segments/beta?deep=true&tag=a&tag=b&fixed=yes"}] * 2


def test_defaults_stand_for_what_is_left_out_and_none_leaves_a_pair_out(segments: Segments) -> None:
    assert segments.get("a/b", "s1") == {"target": "/sites/s1/segments/a%2Fb?fixed=yes"}


def test_an_argument_is_the_body(api: Echo, segments: Segments) -> None:
    assert segments.put_keys("beta", (1, 2)) is True
    assert segments.put_keys("beta", None) is True
    assert segments.put_keys("beta", "") is True

    assert [(entry.method, entry.body) for entry in api.log] == [("PUT", b"[1, 2]"), ("PUT", b"null"), ("PUT", b'""')]


def test_a_function_makes_the_body_of_the_arguments(api: Echo, segments: Segments) -> None:
    segments.add_keys("beta", keys=(Goal(id=7),))

    assert api.log[0].json == {"keys": [{"id": 7}], "comment": "none"}


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ((), {}, "missing a required argument: 'name'"),
        (("beta",), {}, "missing a required argument: 'site'"),
        (("beta", "s1", None, (), 5), {}, "too many positional arguments"),
        (("beta", "s1"), {"dep": True}, "unexpected keyword argument 'dep'"),
        (("beta", "s1"), {"site": "s2"}, "multiple values for argument 'site'"),
    ],
)
def test_arguments_that_the_signature_has_not_are_refused(
    api: Echo, segments: Segments, args: tuple[Any, ...], kwargs: dict[str, Any], told: str
) -> None:
    call: Any = segments.get  # as who does not check types

    with pytest.raises(TypeError, match=told):
        call(*args, **kwargs)

    assert api.log == []


@pytest.mark.parametrize("name", ["", ".."])
def test_a_name_that_would_lead_elsewhere_is_refused_here_too(api: Echo, segments: Segments, name: str) -> None:
    with pytest.raises(ValueError, match="name is"):
        segments.get(name, "s1")

    assert api.log == []


def test_a_list_is_given_whole_or_one_by_one(api: Echo, segments: Segments) -> None:
    pages = [[{"name": "a"}, {"name": "b"}], [{"name": "c"}]]
    api.strike(*[answering(200, page) for page in pages * 2])

    assert segments.list("s1", "name") == ["a of s1", "b of s1", "c of s1"]
    assert api.log[1].query == (("page", "2"), ("per_page", "2"), ("sort", "name"))

    items = segments.list.iterate("s1", size=2)
    assert len(api.log) == 2
    assert next(items) == "a of s1"
    assert len(api.log) == 3
    assert list(items) == ["b of s1", "c of s1"]


def test_what_is_no_list_is_not_given_one_by_one(segments: Segments) -> None:
    with pytest.raises(TypeError, match=r"Segments\.get is no list"):
        segments.get.iterate("beta", "s1")


def test_arguments_of_a_list_are_checked_at_the_call(segments: Segments) -> None:
    iterate: Any = segments.list.iterate

    with pytest.raises(TypeError, match="missing a required argument: 'site'"):
        iterate()


def test_progress_is_told_to_the_resource(api: Echo, segments: Segments) -> None:
    api.strike(answering(200, [1, 2]), answering(200, [3]))
    told: list[object] = []
    segments.progress = lambda done, total: told.append((done, total))

    assert segments.everywhere() == [1, 2, 3]
    assert told == [(2, None), (3, 3)]


def test_a_resource_may_fill_in_what_it_knows(api: Echo) -> None:
    assert Filling(api.rest()).get("beta", "") == {"target": "/sites/own/segments/beta?fixed=yes"}


def test_an_endpoint_has_the_signature_and_words_of_its_method(segments: Segments) -> None:
    add_keys = segments.add_keys

    assert isinstance(add_keys, BoundEndpoint)
    assert list(inspect.signature(add_keys).parameters) == ["name", "keys", "comment"]
    assert inspect.signature(add_keys).parameters["comment"].default == "none"
    assert add_keys.__doc__ == "Add keys to it."
    assert repr(add_keys) == "<Segments.add_keys: POST segments/{name}/keys>"


def test_an_endpoint_on_the_class_is_its_declaration() -> None:
    assert list(operations(Segments)) == ["get", "put_keys", "add_keys", "everywhere", "list"]
    get = operations(Segments)["get"]
    assert (get.name, get.method, get.note) == ("Segments.get", "GET", "One segment.")
    assert get.path == "sites/{site}/segments/{name}?deep={deep}&tag={tags}&fixed=yes"
    assert not isinstance(get, Operation)
