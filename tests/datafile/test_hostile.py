"""Data files made to hurt: each is refused or answered, in bounded time and memory, and the other flags live (R8).

They are tried in another process, one after the other, which the system ends when one of them takes too much.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.vectors import as_bytes, segment

Json = dict[str, Any]

CPU_SECONDS, MEGABYTES = 5, 512
"""What one data file may take: processor time, and memory beyond that of a process that has a data file."""

CHILD = """
import json, os, resource, sys, time
from openfeature.evaluation_context import EvaluationContext
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider

folder, cases = sys.argv[1], json.loads(sys.argv[2])
path = os.path.join(folder, "flags.json")
context = EvaluationContext("visitor-001", {"plan": "vip"})

def size():
    with open("/proc/self/statm") as statistics:
        return int(statistics.read().split()[0]) * resource.getpagesize()

def limit(kind, soft):
    resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))

for name, megabytes in cases:
    os.replace(os.path.join(folder, name + ".good"), path)
    settings = KameleoonClientConfiguration(data_file=path, multi_threading=False, cache_directory=None)
    client = KameleoonClient("site", configuration_object=settings)
    provider = KameleoonProvider("site", client=client)
    assert client.wait_init()
    os.replace(os.path.join(folder, name + ".json"), path)
    limit(resource.RLIMIT_AS, size() + (megabytes << 20))
    limit(resource.RLIMIT_CPU, int(time.process_time()) + CPU_SECONDS + 1)
    began, refusal = time.process_time(), None
    try:
        client.refresh()
    except Exception as error:
        refusal = [type(error).__name__, str(error)]
    answers = {}
    for key in ["good", "hostile"] * 2:
        details = provider.resolve_boolean_details(key, False, context)
        answers[key] = [details.value, details.error_code and details.error_code.value, details.error_message]
    seconds = time.process_time() - began
    limit(resource.RLIMIT_AS, resource.RLIM_INFINITY)
    try:
        explanation = len(client.explain("visitor-001", "hostile").as_text())
    except Exception as error:
        explanation = type(error).__name__
    told = {"refusal": refusal, "answers": answers, "seconds": seconds, "explanation": explanation}
    print(json.dumps([name, told]), flush=True)
""".replace("CPU_SECONDS", str(CPU_SECONDS))


# --- the data files -------------------------------------------------------------------------------------------

VIP = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"}
POOR = {**VIP, "value": "poor"}

REFUSED, PARSE_ERROR, NOT_FOUND, ON, OFF = "refused", "PARSE_ERROR", "FLAG_NOT_FOUND", True, False
"""What may become of a data file: it is refused, or the hostile flag has this error or this value."""


def entry(**members: Any) -> Json:
    return {"variationKey": "on", "variationId": 1, "exposition": 1, **members}


def rule(number: int = 1, **members: Any) -> Json:
    known = {"id": number, "type": "TARGETED_DELIVERY", "exposition": 1, "experimentId": number}
    return {**known, "variationByExposition": [entry()], **members}


def flag(key: str = "hostile", *rules: Any, **members: Any) -> Json:
    known = {"id": len(key) + 100, "featureKey": key, "environmentEnabled": True, "defaultVariationKey": "off"}
    return {**known, "variations": [{"key": "on"}, {"key": "off"}], "rules": list(rules or [rule()]), **members}


def site(*flags: Json, **members: Any) -> Json:
    custom_data = [{"index": 0, "id": 501, "name": "plan"}]
    return {"dateModified": 1, "customData": custom_data, "featureFlags": [flag("good"), *flags], **members}


def targeted(*segments: Json) -> Json:
    """A site whose hostile flag is for the first segment."""
    return site(flag("hostile", rule(segmentId=segments[0]["id"])), segments=list(segments))


def chain(length: int, last: Json, doubled: bool = False) -> list[Json]:
    """Segments that each refer to the next, once or twice."""
    links = [{"targetingType": "SEGMENT", "segmentId": number + 1} for number in range(1, length)]
    return [
        *(segment(*[link] * (1 + doubled), segment_id=number) for number, link in enumerate(links, 1)),
        segment(last, segment_id=length),
    ]


def joined(conditions: list[Any], operators: list[bool]) -> Json:
    group = {"conditions": conditions, "orOperators": operators}
    return {"id": 1, "conditionsData": {"firstLevel": [group], "firstLevelOrOperators": []}}


def with_literal(content: Json, literal: str) -> bytes:
    """A data file in which the text HERE is replaced by what Python does not write."""
    return as_bytes(content).replace(b'"HERE"', literal.encode())


LEVELS = "[" * 10_000 + "]" * 10_000
DIGITS = "9" * 10**6
MUCH = 10**6
HERE = "HERE"
COLLIDING = 2**61 - 1
"""All multiples of it have one hash."""


def many(element: Json, count: int) -> str:
    """Elements of a list, without its brackets."""
    return ",".join([json.dumps(element)] * count)


def variable(value: object, kind: str = "JSON") -> Json:
    variables = [{"key": "v", "type": kind, "value": value}]
    return site(flag(variations=[{"key": "on", "variables": variables}, {"key": "off"}]))


def condition(kind: str, **members: object) -> Json:
    return targeted(segment({"targetingType": kind, **members}))


def plan(match: str, value: object) -> Json:
    return targeted(segment({**VIP, "valueMatchType": match, "value": value}))


PLACES: Mapping[str, tuple[Json, object]] = {
    "an unknown member": (site(flag(), new=HERE), ON),
    "an unknown member of a flag": (site(flag(new=HERE)), ON),
    "a flag's id": (site(flag(id=HERE)), PARSE_ERROR),
    "a rule's id": (site(flag("hostile", rule(id=HERE))), PARSE_ERROR),
    "an exposition": (site(flag("hostile", rule(exposition=HERE))), PARSE_ERROR),
    "a respool time": (site(flag("hostile", rule(respoolTime=HERE))), PARSE_ERROR),
    "a rule's segment": (site(flag("hostile", rule(segmentId=HERE))), PARSE_ERROR),
    "a variation's id": (site(flag("hostile", rule(variationByExposition=[entry(variationId=HERE)]))), PARSE_ERROR),
    "a variable": (variable(HERE, "NUMBER"), PARSE_ERROR),
    "an operand": (condition("VISITS", visitCount=HERE, matchType="GREATER"), OFF),
    "a segment's id": (site(flag(), segments=[segment(VIP), {"id": HERE}]), ON),
    "a custom datum's index": (site(flag(), customData=[{"index": 0, "name": "plan"}, {"index": HERE}]), ON),
    "the date": (site(flag(), dateModified=HERE), ON),
    "the holdout": (site(flag(), holdout={"experimentId": HERE}), REFUSED),
    "the settings": (site(flag(), configuration={"new": HERE}), ON),
}
"""Every kind of place for a number, and what becomes of the flag with one that has no end."""


class Case(NamedTuple):
    """A data file, what is to become of it, and how much memory it may take."""

    make: Callable[[], bytes]
    outcome: object
    megabytes: int = MEGABYTES


def case(content: Json, outcome: object) -> Case:
    return Case(lambda: as_bytes(content), outcome)


def case_with(content: Json, literal: str, outcome: object) -> Case:
    return Case(lambda: with_literal(content, literal), outcome)


def with_rules(element: Json, count: int, outcome: object, *segments: Json) -> Case:
    """A hostile flag of very many rules."""
    return case_with(site(flag("hostile", HERE), segments=list(segments)), many(element, count), outcome)


def with_conditions(count: int, operators: list[bool], outcome: object) -> Case:
    """A hostile flag for one segment of very many conditions, all of which hold."""
    joins = (operators * count)[: count - 1]
    return case_with(targeted(joined([HERE], joins)), many(VIP, count), outcome)


NESTING = [False, False, True]
"""Operators of which each AND and OR stands inside the one before."""

SEGMENT_1 = {"targetingType": "SEGMENT", "segmentId": 1}
LOOK = {"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": 7}
NOBODY = rule(type="EXPERIMENTATION", exposition=0)
LOOKED_AT = [flag("hostile", rule(segmentId=1)), flag("looked at", *map(rule, range(1_000)), id=7)]
NAMES = {f"m{number}": number for number in range(100_000)}

CASES: Mapping[str, Case] = {
    # depth
    "10,000 levels": Case(LEVELS.encode, REFUSED),
    "10,000 levels of objects": Case(lambda: b'{"featureFlags":' * 10_000, REFUSED),
    "10,000 levels in an unknown member": case_with(site(flag(), new=HERE), LEVELS, REFUSED),
    "10,000 levels in a flag": case_with(site(flag(new=HERE)), LEVELS, REFUSED),
    "10,000 levels in an operand": case_with(plan("EXACT", HERE), LEVELS, REFUSED),
    "500 levels in a flag": case_with(site(flag(new=HERE)), "[" * 500 + "]" * 500, ON),
    "500 levels in an operand": case_with(plan("EXACT", HERE), "[" * 500 + "]" * 500, OFF),
    "10,000 levels in a JSON variable": case(variable(LEVELS), PARSE_ERROR),
    "levels without an end in a JSON variable": case(variable("[" * 10**6), PARSE_ERROR),
    "10,000 levels among values": case(plan("AMONG_VALUES", LEVELS), OFF),
    # numbers
    **{f"a million digits in {name}": case_with(content, DIGITS, then) for name, (content, then) in PLACES.items()},
    **{f"1e400 in {name}": case_with(content, "1e400", then) for name, (content, then) in PLACES.items()},
    "a million digits in a JSON variable": case(variable(DIGITS), PARSE_ERROR),
    "1e400 in a JSON variable": case(variable("1e400"), PARSE_ERROR),
    "a million digits in a version": case(condition("APPLICATION_VERSION", version=DIGITS), OFF),
    "a million digits among values": case(plan("AMONG_VALUES", f"[{DIGITS}]"), OFF),
    "a million digits to compare with": case(plan("GREATER", DIGITS), OFF),
    "segment ids of one hash": case(site(flag(), segments=[{"id": n * COLLIDING} for n in range(25_000)]), ON),
    "references of one hash": case(
        targeted(joined([{**SEGMENT_1, "segmentId": n * COLLIDING} for n in range(1, 15_000)], [True] * 14_998)), OFF
    ),
    # sizes
    "100,000 members": case(site(flag(), **NAMES), ON),
    "100,000 members in a JSON variable": case(variable(json.dumps(NAMES)), "TYPE_MISMATCH"),
    "9,999 rules for nobody": with_rules(NOBODY, 9_999, OFF),
    "100,000 rules for nobody": with_rules(NOBODY, 100_000, PARSE_ERROR),
    "100,000 variations": case_with(site(flag(variations=[HERE])), many({"key": "on"}, 100_000), ON),
    "100,000 shares": case_with(site(flag("hostile", rule(variationByExposition=[HERE]))), many(entry(), 100_000), ON),
    "9,000 conditions joined by OR": with_conditions(9_000, [True], ON),
    "9,000 conditions joined by AND": with_conditions(9_000, [False], ON),
    "9,000 conditions joined by AND and OR in turn": with_conditions(9_000, [False, True], ON),
    "9,000 conditions that nest as deep as they can": with_conditions(9_000, NESTING, OFF),
    "100,000 conditions": with_conditions(100_000, [True], ON),
    "5,000 groups that nest as deep as they can": case_with(
        targeted({"id": 1, "conditionsData": {"firstLevel": [HERE], "firstLevelOrOperators": NESTING * 5_000}}),
        many({"conditions": [VIP], "orOperators": []}, 5_000),
        OFF,
    ),
    "2,000 rules for 2,000 conditions": with_rules(
        rule(segmentId=1), 2_000, PARSE_ERROR, joined([POOR] * 2_000, [True] * 1_999)
    ),
    "1,000 rules for a segment that makes no sense": with_rules(rule(segmentId=1), 1_000, OFF, joined([VIP] * 150, [])),
    "1,000 rules for a broken segment": with_rules(
        rule(segmentId=1), 1_000, OFF, {"id": 1, "x": [{}] * 150, "conditionsData": []}
    ),
    "3,000 looks at 1,000 rules": case_with(
        {**targeted(joined([HERE], [True] * 2_999)), "featureFlags": [flag("good"), *LOOKED_AT]},
        many(LOOK, 3_000),
        OFF,
    ),
    # segments inside segments
    "a segment in itself": case(targeted(segment(SEGMENT_1)), OFF),
    "a circle of 10,000 segments": case(targeted(*chain(10_000, SEGMENT_1)), OFF),
    "a chain of 10,000 segments": case(targeted(*chain(10_000, VIP)), OFF),
    "a chain of 10,000 segments with a flag for each": case(
        site(
            flag("hostile", rule(segmentId=1)),
            *({"featureKey": f"f{n}", "rules": [{"id": 1, "segmentId": n}]} for n in range(1, 10_001)),
            segments=chain(10_000, VIP),
        ),
        OFF,
    ),
    "segments that double twelve times": case(targeted(*chain(13, VIP, doubled=True)), ON),
    "segments that double forty times": case(targeted(*chain(41, VIP, doubled=True)), OFF),
    "segments that grow a hundredfold four times": case(
        targeted(
            *(segment(*[{**SEGMENT_1, "segmentId": n + 1}] * 100, segment_id=n) for n in range(1, 5)),
            segment(VIP, segment_id=5),
        ),
        OFF,
    ),
    # texts
    "a megabyte of a key": case(site(flag(), flag("k" * MUCH)), ON),
    "a megabyte of a broken flag's key": case(site(flag(), flag("k" * MUCH, id="x")), ON),
    "a megabyte of a variable": case(variable("x" * MUCH, "STRING"), "TYPE_MISMATCH"),
    "a megabyte of a variation's key": case(site(flag(defaultVariationKey="x" * MUCH)), ON),
    "a megabyte of an operand": case(plan("EXACT", "x" * MUCH), OFF),
    "a megabyte of a pattern": case(plan("REGULAR_EXPRESSION", "a?" * MUCH), OFF),
    "a pattern that tries everything": case(plan("REGULAR_EXPRESSION", "(.*)*(.*)*(.*)*x"), OFF),
    "a megabyte of values": case(plan("AMONG_VALUES", json.dumps(["x"] * (MUCH // 5))), OFF),
    "a megabyte of an unknown condition": case(condition("x" * MUCH), OFF),
    "a megabyte of white space": Case(lambda: as_bytes(site(flag())).replace(b":", b":" + b" " * MUCH, 5), ON),
    # too large to be read at all
    "100 megabytes": Case(lambda: b"", REFUSED, megabytes=16),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What became of each data file; of one that took too much, how its process ended."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, case in CASES.items():
        (folder / f"{name}.good").write_bytes(as_bytes(site()))
        (folder / f"{name}.json").write_bytes(case.make())
    with (folder / "100 megabytes.json").open("wb") as file:
        file.truncate(100 << 20)
    outcomes: dict[str, Any] = {}
    while waiting := [(name, case.megabytes) for name, case in CASES.items() if name not in outcomes]:
        command = [sys.executable, "-c", CHILD, str(folder), json.dumps(waiting)]
        child = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        told = dict(map(json.loads, child.stdout.splitlines()))
        outcomes |= told
        if len(told) < len(waiting):
            outcomes[waiting[len(told)][0]] = f"exit status {child.returncode}: {child.stderr[-1000:]}"
    return outcomes


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limits are Linux's")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_data_file_is_refused_or_answered_in_bounded_time_and_memory(
    outcomes: Mapping[str, Any], name: str
) -> None:
    told, expected = outcomes[name], CASES[name].outcome

    assert isinstance(told, dict), f"it took too much: {told}"
    assert told["seconds"] < CPU_SECONDS
    assert told["answers"]["good"] == [True, None, None]
    if told["refusal"] is not None:
        kind, message = told["refusal"]
        assert (expected, kind) == (REFUSED, "DataFileInvalid"), message
        assert len(message) < 500
        assert told["answers"]["hostile"][:2] == [False, "FLAG_NOT_FOUND"]
        return
    value, error, message = told["answers"]["hostile"]
    assert (error or value) == expected, message
    assert message is None or len(message) < 500
    assert told["explanation"] in ("FeatureMalformed", "FeatureNotFound") or isinstance(told["explanation"], int)
