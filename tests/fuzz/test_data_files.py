"""No data file makes the provider raise, and each answer is of the type asked for or the caller's very default (R1).

Data files are the example's, changed at random within JSON. ``KAMELEOON_FUZZ`` is how many evaluations are made,
``KAMELEOON_FUZZ_SEED`` what the changes are drawn from. A failure is made small and kept in ``corpus/``, one case per
file, which is replayed from then on.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.batch import assign
from openfeature_kameleoon.engine.explain import explain, walk
from openfeature_kameleoon.errors import DataFileInvalid, FeatureMalformed, KameleoonError
from openfeature_kameleoon.evaluator import check_visitor_code
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.faces import provider_of
from tests.fuzz.strategies import CODES, data_files, visitor_attributes
from tests.vectors import Stage, as_bytes, data_file

Json = dict[str, Any]
Evaluation = tuple[str, str, "Json | None"]

EVALUATIONS = int(os.environ.get("KAMELEOON_FUZZ", "20000"))
SEED = os.environ.get("KAMELEOON_FUZZ_SEED", "0")
EVALUATIONS_PER_FILE = 20
PARTS = 4
FILES_PER_LOOK = 16
"""At all flags at once: it is what takes longest."""

CORPUS = Path(__file__).with_name("corpus")

# --- what must hold of an answer ------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A kind of evaluation: the method, a default that is no usual value, and the types of an answer."""

    method: str
    default: Any
    types: tuple[type, ...]


KINDS: Mapping[str, Asked] = {
    "boolean": Asked("resolve_boolean_details", True, (bool,)),
    "string": Asked("resolve_string_details", "".join(["the ", "default"]), (str,)),
    "integer": Asked("resolve_integer_details", 10**18 + 7, (int,)),
    "float": Asked("resolve_float_details", 0.123456789, (float,)),
    "object": Asked("resolve_object_details", {"the": "default"}, (dict, list)),
}

CONTEXTS: list[Json | None] = [
    None,
    {"targeting_key": None},
    {"targeting_key": ""},
    {"targeting_key": "visitor-001"},
    {"targeting_key": "visitor-002", "attributes": {"plan": "vip", "cart_value": 120, "beta_optin": True}},
    {"targeting_key": "visitor-003", "attributes": {"variableKey": "config", "account_id": "ACME-1"}},
    {"targeting_key": "visitor-004", "attributes": {"variableKey": "steps", "customData": {"index": 1, "values": "x"}}},
    {"targeting_key": "qa-5", "attributes": {"device": {"deviceType": "PHONE"}, "user_id": "someone"}},
    {"targeting_key": "visitor-006", "attributes": {"pageView": "https://shop.example.com/cart", "plan": ["a", "vip"]}},
    {"targeting_key": "v" * 256},
]

TYPED_ERRORS = set(ErrorCode) - {ErrorCode.GENERAL, ErrorCode.PROVIDER_NOT_READY, ErrorCode.PROVIDER_FATAL}
"""GENERAL stands for what nobody foresaw, and a data file is always there."""


def context_of(described: Json | None) -> EvaluationContext | None:
    if described is None:
        return None
    return EvaluationContext(described.get("targeting_key"), described.get("attributes", {}))


def problem_of(details: FlagResolutionDetails[Any], asked: Asked) -> str | None:
    """What is wrong with an answer, if anything."""
    if details.error_code is not None and details.error_code not in TYPED_ERRORS:
        return f"{details.error_code}: {details.error_message}"
    is_default = details.error_code is not None or details.reason == Reason.DISABLED
    if is_default and details.value is not asked.default:
        return f"{details.value!r} is not the caller's default"
    if not is_default and type(details.value) not in asked.types:
        return f"{details.value!r} is of another type than {asked.types}"
    if (details.error_code is not None) is not (details.reason == Reason.ERROR):
        return f"reason {details.reason} with error code {details.error_code}"
    if not isinstance(details.variant, str | None):
        return f"variant {details.variant!r}"
    if any(not isinstance(value, bool | int | float | str) for value in details.flag_metadata.values()):
        return f"metadata {details.flag_metadata}"
    return None


class Bench:
    """A provider whose data file is changed at will; evaluations are made as the SDK makes them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "flags.json"
        self.provider: KameleoonProvider = provider_of(folder, data_file())
        self.loop = asyncio.new_event_loop()

    def use(self, raw: bytes) -> bool:
        """Put a data file to use; false if it was refused, and the one before stays."""
        self.path.write_bytes(raw)
        try:
            self.provider.client.refresh()
        except DataFileInvalid:
            return False
        return True

    def details(self, evaluation: Evaluation, *, is_async: bool = False) -> FlagResolutionDetails[Any]:
        kind, key, described = evaluation
        asked, context = KINDS[kind], context_of(described)
        method = getattr(self.provider, f"{asked.method}_async" if is_async else asked.method)
        details = method(flag_key=key, default_value=asked.default, evaluation_context=context)
        return self.loop.run_until_complete(details) if is_async else details

    def failure(self, evaluation: Evaluation, *, is_async: bool = False) -> str | None:
        """What is wrong with the answer to an evaluation, if anything."""
        try:
            return problem_of(self.details(evaluation, is_async=is_async), KINDS[evaluation[0]])
        except Exception as error:  # that there is none is what is tested
            return repr(error)

    def failure_of_the_client(self) -> str | None:
        """What escapes the client's methods that look at all flags at once."""
        client = self.provider.client
        for ask in (
            lambda: client.get_variations("visitor-001"),
            lambda: client.peek_variations("visitor-002", only_active=True),
            client.get_data_file,
            lambda: client.evaluate_audiences("visitor-003"),
            lambda: [client.explain("visitor-004", key).as_text() for key in self.keys() if self.is_whole(key)],
            lambda: self.provider.track("4401", EvaluationContext("visitor-005", {"plan": "vip"})),
        ):
            try:
                ask()
            except Exception as error:  # that there is none is what is tested
                return repr(error)
        return None

    def keys(self) -> list[str]:
        return self.provider.client.feature_keys()

    def is_whole(self, key: str) -> bool:
        """Whether a flag can be answered at all."""
        try:
            self.provider.client.ruleset.flag(key)
        except FeatureMalformed:
            return False
        return True

    def close(self) -> None:
        self.loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


# --- data files that went wrong -------------------------------------------------------------------------------


def base_files() -> list[Json]:
    """Parts of the example file, small enough that a change matters, and the whole of the 2.x one."""
    whole = data_file()
    parts = []
    for ids in ((10001, 10202, 10008), (10003, 10009, 10205), (10101, 10102, 10103, 10007), (10011, 10012, 10010)):
        flags = [flag for flag in whole["featureFlags"] if flag["id"] in ids]
        needed = {2001, 2003, 2119, *(rule.get("segmentId") for flag in flags for rule in flag["rules"])}
        segments = [segment for segment in whole["segments"] if segment["id"] in needed]
        parts.append({**whole, "featureFlags": flags, "segments": segments})
    return [*parts, data_file(name="kameleoon-datafile-legacy")]


BASE_FILES = base_files()

RAW = "\x00raw:"
"""Marks a text that stands in the file without quotes: numbers that Python does not write."""

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, 1.0, -0.5, 10**6, 2**31, 2**63, 2**64, 10**30, 10**400, 1e308, 5e-324),
    *("", "off", "0", "1", "-1", "vip", "null", "{}", "[1,", '{"a": ', "NaN", "\x00", "é" * 50, "x" * 5000, "\u2028"),
    *([], {}, [None], [[]], [{}], {"id": 1}, {"": None}, [0] * 100, {"key": "off"}),
    *(RAW + "1e400", RAW + "-1e400", RAW + "1e-400", RAW + "-0", RAW + "9" * 5000, RAW + "1E5"),
    *(RAW + "[" * levels + "]" * levels for levels in (60, 900, 5000)),
    *("EXPERIMENTATION", "TARGETED_DELIVERY", "REGULAR_EXPRESSION", "(a+)+b", "SEGMENT", "JSON", "in-holdout"),
]  # fmt: skip

NAMES = [
    *("id", "featureKey", "rules", "variations", "variables", "key", "type", "value", "exposition", "experimentId"),
    *("segmentId", "conditionsData", "firstLevel", "conditions", "orOperators", "targetingType", "isInclude", "new"),
    *("mutuallyExclusiveGroup", "bucketingCustomDataId", "environmentEnabled", "holdout", "segment", "index", "x"),
]


def containers(node: Any) -> list[Any]:
    """All objects and lists of a JSON value that hold anything."""
    found, waiting = [], [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict | list) and inner:
            found.append(inner)
            waiting.extend(inner.values() if isinstance(inner, dict) else inner)
    return found


def somewhere(content: Json, random: Random) -> tuple[Any, Any]:
    """An object or list, and a key or index in it."""
    container = random.choice(containers(content) or [{"": None}])
    return container, random.choice(list(container) if isinstance(container, dict) else range(len(container)))


def remove(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    del container[key]


def retype(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    container[key] = copy.deepcopy(random.choice(VALUES))


def swap(content: Json, random: Random) -> None:
    (first, key), (second, other) = somewhere(content, random), somewhere(content, random)
    first[key], second[other] = copy.deepcopy(second[other]), copy.deepcopy(first[key])


def deepen(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    for _ in range(random.choice([1, 1, 2, 20])):
        container[key] = [container[key]] if random.random() < 0.5 else {random.choice(NAMES): container[key]}


def enlarge(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    value = container[key]
    if isinstance(value, list):
        container[key] = value * random.choice([2, 50])
    elif isinstance(value, str):
        container[key] = value * random.choice([2, 1000])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        container[key] = random.choice([-value, value * 10**9, value + 1])


def add(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    if isinstance(container, dict):
        container[random.choice(NAMES)] = copy.deepcopy(random.choice([container[key], *VALUES]))
    else:
        container.insert(key, copy.deepcopy(random.choice([container[key], *VALUES])))


TWICE = "\x00again"
"""Ends the name of a member that is to stand a second time."""


def say_twice(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    if isinstance(container, dict) and container is not content:
        other = copy.deepcopy(random.choice([container[key], *VALUES]))
        container[key + TWICE] = other
    elif isinstance(container, list):
        container.append(copy.deepcopy(container[key]))


def rename(content: Json, random: Random) -> None:
    container, key = somewhere(content, random)
    if isinstance(container, dict):
        container[random.choice(NAMES)] = container.pop(key)


MUTATIONS: list[Callable[[Json, Random], None]] = [
    remove,
    retype,
    retype,
    swap,
    deepen,
    enlarge,
    add,
    say_twice,
    rename,
]


def mutated(random: Random) -> Json:
    """A data file in which some things went wrong, mostly below its top level."""
    content: Json = copy.deepcopy(random.choice(BASE_FILES))
    for _ in range(random.choice([1, 1, 2, 4, 10])):
        random.choice(MUTATIONS)(content, random)
    return content


def text_of(content: Json) -> bytes:
    """A mutated data file as bytes."""
    text = json.dumps(content).replace("\\u0000again", "")
    while (start := text.find('"\\u0000raw:')) >= 0:
        end = text.index('"', start + 1)
        text = text[:start] + text[start + len('"\\u0000raw:') : end] + text[end + 1 :]
    return text.encode()


# --- the search -----------------------------------------------------------------------------------------------


def evaluations(keys: list[str], random: Random) -> list[Evaluation]:
    keys = [*keys, "missing"]
    return [
        (random.choice(list(KINDS)), random.choice(keys), random.choice(CONTEXTS)) for _ in range(EVALUATIONS_PER_FILE)
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_data_file_makes_the_provider_raise(bench: Bench, part: int) -> None:
    used = refused = 0

    for number in range(part, EVALUATIONS // EVALUATIONS_PER_FILE, PARTS):
        random = Random(f"{SEED}:{number}")
        content = mutated(random)
        is_used = bench.use(text_of(content))
        used, refused = used + is_used, refused + (not is_used)
        for position, evaluation in enumerate(evaluations(bench.keys(), random)):
            failure = bench.failure(evaluation, is_async=position % 2 == 1)
            assert failure is None, told(bench, number, content, evaluation, failure)
        failure = bench.failure_of_the_client() if number % FILES_PER_LOOK < PARTS else None
        assert failure is None, f"data file {number} of KAMELEOON_FUZZ_SEED={SEED}: {failure}\n{text_of(content)!r}"

    assert min(used, refused) > 0, "the mutations are too weak, or too strong"


def told(bench: Bench, number: int, content: Json, evaluation: Evaluation, failure: str) -> str:
    """Make a failure small, keep it, and say where."""

    def fails(candidate: Json) -> bool:
        return bench.use(text_of(candidate)) and bench.failure(evaluation) is not None

    small = minimised(content, fails) if fails(content) else content
    kind, key, context = evaluation
    case = {"note": failure, "text": text_of(small).decode(), "context": context, "flag": key, "kind": kind}
    text = json.dumps(case, indent=1)
    path = CORPUS / f"found-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
    path.write_text(text + "\n", encoding="utf-8")
    return f"data file {number} of KAMELEOON_FUZZ_SEED={SEED}, kept as {path.name}: {failure}"


def minimised(content: Json, fails: Callable[[Json], bool]) -> Json:
    """Leave out of a failing data file all that it fails without."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for path in sorted(paths(content), key=len):
            candidate = without(content, path)
            if candidate is not None and fails(candidate):
                content, is_smaller = candidate, True
                break
    return content


def paths(node: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield (*before, key)
        yield from paths(value, (*before, key))


def without(content: Json, path: tuple[Any, ...]) -> Json | None:
    smaller: Any = copy.deepcopy(content)
    container = smaller
    for key in path[:-1]:
        container = container[key]
    del container[path[-1]]
    return smaller  # type: ignore[no-any-return]


def test_a_failure_is_made_as_small_as_it_can_be() -> None:
    content = data_file()

    small = minimised(content, lambda candidate: "value" in text_of(candidate).decode().partition("one_page")[2])

    assert len(text_of(small)) < 120
    assert "one_page" in text_of(small).decode()


# --- what was found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_mended(bench: Bench, path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    raw = case["text"].encode() if "text" in case else as_bytes(case["data_file"])
    evaluation = (case["kind"], case["flag"], case["context"])

    assert bench.use(raw) is not case.get("is_refused", False)
    assert bench.failure(evaluation) is None
    assert bench.failure(evaluation, is_async=True) is None
    assert bench.failure_of_the_client() is None
    details = bench.details(evaluation)
    expected = case.get("expected", {})
    assert {name: getattr(details, name) for name in expected} == expected


# --- valid data files -----------------------------------------------------------------------------------------


def visitors(stage: Stage) -> Iterator[Visitor]:
    return (Visitor(code, stage.clock.time(), known=False) for code in CODES)


@settings(max_examples=50)
@given(data_files)
def test_a_new_visitor_gets_the_same_however_it_is_asked(content: Json) -> None:
    stage = Stage(content)

    for key in stage.index.flags:
        flag, decide = stage.ruleset.flag(key), stage.ruleset.decide(key)
        decided = [decide(visitor, _remember_nothing) for visitor in visitors(stage)]
        walked = [walk(flag, visitor, _remember_nothing) for visitor in visitors(stage)]
        explained = [explain(flag, visitor).evaluation for visitor in visitors(stage)]
        assert all(one is other for one, other in zip(decided, walked, strict=True))
        if stage.index.holdout is None:  # else it is remembered, and conditions may look at it
            assert all(one is other for one, other in zip(decided, explained, strict=True))
            assigned = assign(flag, decide, CODES, check_visitor_code, _without_data)
            assert list(assigned) == [evaluation.variation_key for evaluation in decided]


def _remember_nothing(visitor: Visitor, exposure: object) -> None:
    """As evaluations that are only looked at do."""


def _without_data(visitor: Visitor, data: object) -> Visitor:
    raise AssertionError("no visitor here has data")


@settings(max_examples=50)
@given(data_files, visitor_attributes, st.randoms(use_true_random=False))
def test_an_answer_depends_on_nothing_but_the_file_and_the_visitor(
    content: Json, attributes: Json, random: Random
) -> None:
    keys = [flag["featureKey"] for flag in content["featureFlags"]]
    texts = dict(Stage(content).index.flags)

    answers = []
    for _ in range(2):
        stage = Stage(content)
        asked = [(key, code) for key in keys for code in CODES[:8]]
        random.shuffle(asked)
        given = {pair: _answer(stage, *pair, attributes) for pair in asked}
        answers.append([given[key, code] for key in keys for code in CODES[:8]])
        assert stage.index.flags == texts

    assert answers[0] == answers[1]


def _answer(stage: Stage, key: str, code: str, attributes: Json) -> tuple[str, str, Json]:
    """What a visitor of whom nothing else is known gets."""
    visitor = Visitor(code, stage.clock.time(), known=bool(attributes))
    for name, number in stage.index.custom_data_by_name.items():
        if name in attributes:
            values = attributes[name]
            visitor.set_custom_data(number, values if isinstance(values, str) else tuple(values))
    evaluation = stage.ruleset.decide(key)(visitor, None)
    return evaluation.variation_key, evaluation.reason, dict(evaluation.metadata)


@settings(max_examples=30)
@given(data_files)
def test_what_a_caller_does_to_an_answer_reaches_no_other(content: Json) -> None:
    stage = Stage(content)
    for key in stage.index.flags:
        variation = stage.ruleset.decide(key)(Visitor("visitor-1"), None).variation
        try:
            before = json.dumps(variation.values())
        except KameleoonError:
            continue
        for value in variation.values().values():
            for inner in containers(value):
                inner.clear()
        assert json.dumps(variation.values()) == before


def test_reading_a_file_again_gives_an_equal_index() -> None:
    one, other = (DataFileIndex.read(as_bytes(data_file())) for _ in range(2))

    assert changed_flags(other, one) == []
    assert {name: getattr(one, name) for name in one.__slots__} == {
        name: getattr(other, name) for name in one.__slots__
    }
