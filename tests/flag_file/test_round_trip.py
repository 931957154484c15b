"""What a flag file stands for is what it was made of: the same file in normal form, and the same decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfeature_kameleoon import CustomData, Device, KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.flag_file import as_json, from_json, normal, read, write
from openfeature_kameleoon.flag_file.yaml_text import dump, load
from openfeature_kameleoon.visitors.data import DeviceType
from tests.fuzz.strategies import CODES, Literal, data_files, json_values

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = [
    CHECKOUT / "openfeature_kameleoon" / "demo" / "datafile.json",
    CHECKOUT / "examples" / "flags.json",
    CHECKOUT / "examples" / "tenants" / "acme.json",
    CHECKOUT / "tests" / "data" / "kameleoon-datafile.json",
    CHECKOUT / "tests" / "data" / "kameleoon-datafile-legacy.json",
]

Json = dict[str, Any]


def typed(value: object) -> object:
    """JSON in which ``true`` is not 1, as it is in Python; 1 is 1.0."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return ("word", value) if value is None or isinstance(value, bool) else value


def there_and_back(data_file: Json) -> Json:
    return read(write(data_file).encode())


def assert_the_same(made: Json, data_file: Json) -> None:
    assert typed(normal(made)) == typed(normal(data_file))


@contextmanager
def client(path: Path) -> Iterator[KameleoonClient]:
    configuration = KameleoonClientConfiguration(data_file=path, multi_threading=False)
    with KameleoonClient("a8st4f59bj", configuration_object=configuration) as opened:
        opened.wait_init()
        yield opened


def visitors(number: int) -> list[Any]:
    """Visitor codes, most of them with data that the conditions of the files ask for."""
    plans = [(), ("vip",), ("pro",), ("enterprise",)]
    return [
        (
            f"visitor-{one}",
            [
                *(CustomData(0, *plans[one % 4]) for _ in range(one % 4 > 0)),
                *(CustomData(1, ("FR", "150")[one % 2]) for _ in range(one % 3 > 0)),
                *(CustomData(index, ("true", "200")[one % 2]) for index in (2, 3) if one % 5 > 1),
                *(CustomData(index, f"account-{one % 7}") for index in (4, 6) if one % 5 > 2),
                Device(list(DeviceType)[one % 3]),
            ],
        )
        for one in range(number)
    ]


def decisions(path: Path, people: list[Any]) -> dict[str, object]:
    """Who gets what of each flag; of one that cannot be assigned, why."""
    found: dict[str, object] = {}
    with client(path) as opened:
        for key in opened.feature_keys():
            try:
                found[key] = list(opened.assign(key, people))
            except KameleoonError as error:
                found[key] = error.message
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "-" + path.stem)
def test_a_file_comes_back_as_it_was(path: Path) -> None:
    data_file = json.loads(path.read_bytes())

    made = there_and_back(data_file)

    assert_the_same(made, data_file)
    assert write(made) == write(data_file)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "-" + path.stem)
def test_a_thousand_visitors_get_the_same_of_every_flag(path: Path, tmp_path: Path) -> None:
    flag_file = tmp_path / "flags.yaml"
    flag_file.write_text(from_json(path.read_bytes()), encoding="utf-8")
    people = visitors(1_000)

    expected = decisions(path, people)

    assert decisions(flag_file, people) == expected
    assert len({str(answers) for answers in expected.values()}) > 1


@pytest.mark.parametrize("path", FILES[:2], ids=lambda path: path.parent.name)
def test_a_file_of_people_needs_nothing_verbatim(path: Path) -> None:
    text = from_json(path.read_bytes())

    assert "raw:" not in text
    assert "targetingType" not in text
    assert len(text) < len(path.read_bytes()) / 2


FLAG_FILES = [
    """\
flags:
  new_checkout: true
  old: false
""",
    """\
flags:
  a:
    rules:
    - {serve: on, segment: pro}
    - experiment: [on, off]
      exposition: 33.3
segments:
  pro: {plan: pro}
custom_data: [plan]
""",
    """\
flags:
  a:
    variations:
      one: {text: Hello, size: 1.5}
    types: {text: CSS}
    enabled: false
""",
    """\
flags: {}
segments:
  b:
    any:
    - plan: {over: 10}
    - not: {device: phone}
  c:
    when:
      custom_data: {device: x}
    audience: true
custom_data: [plan, device]
""",
    """\
flags: {}
custom_data:
- {name: plan, scope: VISITOR, mapping_identifier: true}
configuration: {}
date_modified: 5
""",
    """\
flags: {}
raw:
  new:
  - on
  - "a\\nb"
  - ' c'
  - '5'
  - é
  - "\\N"
""",
]


@pytest.mark.parametrize("text", FLAG_FILES)
def test_what_people_write_is_written_so(text: str) -> None:
    assert write(read(text.encode())) == text


# --- whatever there may be ----------------------------------------------------------------------------------


@given(data_files)
def test_any_data_file_comes_back(data_file: Json) -> None:
    assert_the_same(there_and_back(data_file), data_file)


@settings(max_examples=50)
@given(data_files, st.lists(st.sampled_from(CODES), min_size=3, max_size=3))
def test_any_data_file_decides_as_before(
    tmp_path_factory: pytest.TempPathFactory, data_file: Json, codes: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "flags.json").write_text(json.dumps(data_file), encoding="utf-8")
    (folder / "back.json").write_bytes(as_json(write(data_file).encode()))
    people = [(code, [CustomData(0, "vip"), CustomData(1, "11"), Device(DeviceType.PHONE)]) for code in codes]

    assert decisions(folder / "back.json", people) == decisions(folder / "flags.json", people)


def places(value: object, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside of a value."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*above, key)
        yield from places(item, (*above, key))


def plain(value: Any) -> Any:
    """A value without numbers that only stand in texts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return 1 if isinstance(value, Literal) else value


@settings(max_examples=50)
@given(data_files, st.data())
def test_a_data_file_with_anything_anywhere_comes_back(data_file: Json, data: st.DataObject) -> None:
    broken = json.loads(json.dumps(data_file))
    for _ in range(3):
        *above, last = data.draw(st.sampled_from(list(places(broken))))
        place: Any = broken
        for key in above:
            place = place[key]
        place[last] = plain(data.draw(json_values))

    assert_the_same(there_and_back(broken), broken)


@pytest.mark.parametrize(
    ("member", "value"),
    [("environmentEnabled", 1), ("environmentEnabled", 0), ("rules", [{"id": 1, "exposition": True}]), ("id", 1.0)],
)
def test_what_python_takes_for_the_same_stays_apart(member: str, value: object) -> None:
    data_file: Json = {"featureFlags": [{"featureKey": "a", "environmentEnabled": True, member: value}]}

    assert_the_same(there_and_back(data_file), data_file)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values.map(plain), max_size=3))
def test_any_json_is_the_same_in_yaml(document: Json) -> None:
    assert typed(load(dump(document).encode())) == typed(document)


# --- what is not told apart ---------------------------------------------------------------------------------


def group(*conditions: Json, operators: list[bool]) -> Json:
    return {"conditions": list(conditions), "orOperators": operators}


def segment(groups: list[Json], operators: list[bool]) -> Json:
    return {"segments": [{"id": 1, "conditionsData": {"firstLevel": groups, "firstLevelOrOperators": operators}}]}


VIP, PRO = ({"targetingType": "VISITOR_CODE", "visitorCode": code, "matchType": "EXACT"} for code in ("vip", "pro"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"featureFlags": [], "segments": None, "customData": [], "dateModified": "0", "holdout": None}),
        ({"featureFlags": [{"featureKey": "a"}]}, {"featureFlags": [{"featureKey": "a", "rules": None, "id": 0}]}),
        (
            {"featureFlags": [{"rules": [{"id": 1}, {"id": 2, "order": 9}]}]},
            {"featureFlags": [{"rules": [{"id": 1, "order": 5, "respoolTime": 0}, {"id": 2}]}]},
        ),
        (
            segment([group(VIP, operators=[]), group(PRO, operators=[])], [True, False]),
            segment([group(VIP, PRO, operators=[True])], []),
        ),
    ],
)
def test_files_that_mean_the_same_have_one_normal_form(one: Json, other: Json) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"featureFlags": [{"featureKey": "a"}]}, {"featureFlags": [{"featureKey": "a", "environmentEnabled": True}]}),
        ({"segments": [{"id": 1}]}, {"segments": [{"id": 2}]}),
        ({"configuration": {}}, {"configuration": {"consentType": "REQUIRED"}}),
        ({"new": 1}, {}),
    ],
)
def test_files_that_differ_have_not(one: Json, other: Json) -> None:
    assert normal(one) != normal(other)
