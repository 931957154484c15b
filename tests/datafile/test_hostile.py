"""Data files made to hurt: each is refused or answered, in bounded time and memory, and the other flags live (R8).

They are tried in another process, one after the other, which the system ends when one of them takes too much.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
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


def flag(key: str = "hostile", *rules: Json, **members: Any) -> Json:
    known = {"id": len(key), "featureKey": key, "environmentEnabled": True, "defaultVariationKey": "off"}
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


def joined(conditions: list[Json], operators: list[bool]) -> Json:
    group = {"conditions": conditions, "orOperators": operators}
    return {"id": 1, "conditionsData": {"firstLevel": [group], "firstLevelOrOperators": []}}


def with_literal(content: Json, literal: str) -> bytes:
    """A data file in which the text HERE is replaced by what Python does not write."""
    return as_bytes(content).replace(b'"HERE"', literal.encode())


LEVELS = "[" * 10_000 + "]" * 10_000
DIGITS = "9" * 10**6
HERE = "HERE"
COLLIDING = 2**61 - 1
"""All multiples of it have one hash."""


def variable(value: object, kind: str = "JSON") -> Json:
    variables = [{"key": "v", "type": kind, "value": value}]
    return site(flag(variations=[{"key": "on", "variables": variables}, {"key": "off"}]))


def bad_operand(value: object) -> Json:
    condition = {"targetingType": "VISITS", "visitCount": value, "matchType": "GREATER"}
    return targeted(segment(condition, segment_id=1))


def everywhere(literal: str) -> Iterator[tuple[str, bytes, object]]:
    """One literal in every kind of place, and what becomes of the flag there."""
    for where, content, outcome in (
        ("an unknown member", site(flag(), new=HERE), ON),
        ("an unknown member of a flag", site(flag(new=HERE)), ON),
        ("a flag's id", site(flag(id=HERE)), PARSE_ERROR),
        ("a rule's id", site(flag("hostile", rule(id=HERE))), PARSE_ERROR),
        ("an exposition", site(flag("hostile", rule(exposition=HERE))), PARSE_ERROR),
        ("a respool time", site(flag("hostile", rule(respoolTime=HERE))), PARSE_ERROR),
        ("a rule's segment", site(flag("hostile", rule(segmentId=HERE))), PARSE_ERROR),
        ("a variation's id", site(flag("hostile", rule(variationByExposition=[entry(variationId=HERE)]))), PARSE_ERROR),
        ("a variable", variable(HERE, "NUMBER"), PARSE_ERROR),
        ("an operand", bad_operand(HERE), OFF),
        ("a segment's id", site(flag(), segments=[segment(VIP), {"id": HERE}]), ON),
        ("a custom datum's index", site(flag(), customData=[{"index": 0, "name": "plan"}, {"index": HERE}]), ON),
        ("the date", site(flag(), dateModified=HERE), ON),
        ("the holdout", site(flag(), holdout={"experimentId": HERE}), REFUSED),
        ("the settings", site(flag(), configuration={"new": HERE}), ON),
    ):
        yield where, with_literal(content, literal), outcome


class Case(NamedTuple):
    """A data file, what is to become of it, and how much memory it may take."""

    make: Callable[[], bytes]
    outcome: object
    megabytes: int = MEGABYTES


def text(content: Callable[[], Json]) -> Callable[[], bytes]:
    return lambda: as_bytes(content())


def literal(content: Json, value: str) -> Callable[[], bytes]:
    return lambda: with_literal(content, value)


CASES: Mapping[str, Case] = {
    # depth
    "10,000 levels": Case(LEVELS.encode, REFUSED),
    "10,000 levels of objects": Case(lambda: b'{"featureFlags":' * 10_000, REFUSED),
    "10,000 levels in an unknown member": Case(literal(site(flag(), new=HERE), LEVELS), REFUSED),
    "10,000 levels in a flag": Case(literal(site(flag(new=HERE)), LEVELS), REFUSED),
    "10,000 levels in an operand": Case(literal(bad_operand(HERE), LEVELS), REFUSED),
    "900 levels in a flag": Case(literal(site(flag(new=HERE)), "[" * 900 + "]" * 900), ON),
    "900 levels in an operand": Case(literal(bad_operand(HERE), "[" * 900 + "]" * 900), OFF),
    "10,000 levels in a JSON variable": Case(text(lambda: variable(LEVELS)), PARSE_ERROR),
    "levels without an end in a JSON variable": Case(text(lambda: variable("[" * 10**6)), PARSE_ERROR),
    # numbers
    **{
        f"a million digits in {where}": Case(lambda raw=raw: raw, outcome) for where, raw, outcome in everywhere(DIGITS)
    },
    **{f"1e400 in {where}": Case(lambda raw=raw: raw, outcome) for where, raw, outcome in everywhere("1e400")},
    "a million digits in a JSON variable": Case(text(lambda: variable(DIGITS)), PARSE_ERROR),
    "1e400 in a JSON variable": Case(text(lambda: variable("1e400")), PARSE_ERROR),
    "a million digits in a version": Case(
        text(lambda: targeted(segment({"targetingType": "APPLICATION_VERSION", "version": DIGITS}))), OFF
    ),
    "ids of one hash": Case(
        text(lambda: site(flag(), segments=[{"id": number * COLLIDING} for number in range(20_000)])), ON
    ),
    "ids of one hash as texts": Case(
        text(lambda: site(flag(), segments=[{"id": str(number * COLLIDING)} for number in range(20_000)])), ON
    ),
    "flag ids of one hash": Case(
        text(lambda: site(flag(), *(flag(f"f{number}", id=number * COLLIDING) for number in range(20_000)))), ON
    ),
    "looked-up ids of one hash": Case(
        text(
            lambda: targeted(
                segment(*({"targetingType": "SEGMENT", "segmentId": number * COLLIDING} for number in range(1, 20_000)))
            )
        ),
        OFF,
    ),
    # sizes
    "100,000 members": Case(text(lambda: site(flag(), **{f"m{number}": 0 for number in range(100_000)})), ON),
    "100,000 members in a flag": Case(
        text(lambda: site(flag(new={f"m{number}": number for number in range(100_000)}))), ON
    ),
    "100,000 members in a JSON variable": Case(
        text(lambda: variable(json.dumps({f"m{number}": number for number in range(100_000)}))), "TYPE_MISMATCH"
    ),
    "300,000 flags that are none": Case(lambda: b'{"featureFlags":[' + b"0," * 300_000 + b"0]}", REFUSED),
    "100,000 flags that are none": Case(
        lambda: as_bytes(site(flag()))[:-1].replace(b'"segments"', b"") + b',"segments":[' + b"0," * 100_000 + b"0]}",
        ON,
    ),
    "100,000 rules for everybody": Case(text(lambda: site(flag("hostile", *map(rule, range(100_000))))), ON),
    "100,000 rules for nobody": Case(
        text(
            lambda: site(flag("hostile", *(rule(n, type="EXPERIMENTATION", exposition=0) for n in range(1, 100_001))))
        ),
        OFF,
    ),
    "100,000 variations": Case(text(lambda: site(flag(variations=[{"key": f"v{n}"} for n in range(100_000)]))), ON),
    "100,000 conditions joined by OR": Case(
        text(lambda: targeted(joined([POOR] * 99_999 + [VIP], [True] * 99_999))), ON
    ),
    "100,000 conditions joined by AND": Case(text(lambda: targeted(joined([VIP] * 100_000, [False] * 99_999))), ON),
    "100,000 conditions joined by AND and OR in turn": Case(
        text(lambda: targeted(joined([VIP] * 100_000, [False, True] * 50_000))), ON
    ),
    "100,000 conditions that nest as deep as they can": Case(
        text(lambda: targeted(joined([VIP] * 100_000, [False, False, True] * 33_333))), OFF
    ),
    "10,000 groups that nest as deep as they can": Case(
        text(
            lambda: targeted(
                {
                    "id": 1,
                    "conditionsData": {
                        "firstLevel": [{"conditions": [VIP], "orOperators": []}] * 10_000,
                        "firstLevelOrOperators": [False, False, True] * 3_333,
                    },
                }
            )
        ),
        OFF,
    ),
    "10,000 rules for 10,000 conditions": Case(
        text(
            lambda: site(
                flag("hostile", *(rule(number, segmentId=1) for number in range(10_000))),
                segments=[joined([POOR] * 10_000, [True] * 9_999)],
            )
        ),
        PARSE_ERROR,
    ),
    "10,000 rules for a broken segment": Case(
        text(
            lambda: site(
                flag("hostile", *(rule(number, segmentId=1) for number in range(10_000))),
                segments=[joined([POOR] * 10_000, [True])],
            )
        ),
        OFF,
    ),
    "10,000 looks at 10,000 rules": Case(
        text(
            lambda: site(
                flag("hostile", rule(segmentId=1)),
                flag("looked at", *map(rule, range(10_000))),
                segments=[
                    joined(
                        [{"targetingType": "TARGET_FEATURE_FLAG", "featureFlagId": len("looked at")}] * 10_000,
                        [True] * 9_999,
                    )
                ],
            )
        ),
        OFF,
    ),
    # segments inside segments
    "a segment in itself": Case(text(lambda: targeted(segment({"targetingType": "SEGMENT", "segmentId": 1}))), OFF),
    "a circle of 10,000 segments": Case(
        text(lambda: targeted(*chain(10_000, {"targetingType": "SEGMENT", "segmentId": 1}))), OFF
    ),
    "a chain of 10,000 segments": Case(text(lambda: targeted(*chain(10_000, VIP))), OFF),
    "a chain of 10,000 segments and a flag for each": Case(
        text(
            lambda: site(
                flag("hostile", rule(segmentId=1)),
                *({"featureKey": f"f{n}", "rules": [{"id": 1, "segmentId": n}]} for n in range(1, 10_001)),
                segments=chain(10_000, VIP),
            )
        ),
        OFF,
    ),
    "segments that double sixteen times": Case(text(lambda: targeted(*chain(16, VIP, doubled=True))), ON),
    "segments that double forty times": Case(text(lambda: targeted(*chain(40, VIP, doubled=True))), OFF),
    "segments that grow a hundredfold four times": Case(
        text(
            lambda: targeted(
                *(
                    segment(*[{"targetingType": "SEGMENT", "segmentId": n + 1}] * 100, segment_id=n)
                    for n in range(1, 5)
                ),
                segment(VIP, segment_id=5),
            )
        ),
        OFF,
    ),
    # texts
    "ten megabytes of a key": Case(text(lambda: site(flag(), flag("k" * 10**7))), ON),
    "ten megabytes of a broken flag's key": Case(text(lambda: site(flag(), flag("k" * 10**7, id="x"))), ON),
    "ten megabytes of a variable": Case(text(lambda: variable("x" * 10**7, "STRING")), "TYPE_MISMATCH"),
    "ten megabytes of a variation's key": Case(text(lambda: site(flag(defaultVariationKey="x" * 10**7))), ON),
    "ten megabytes of an operand": Case(text(lambda: targeted(segment({**VIP, "value": "x" * 10**7}))), OFF),
    "ten megabytes of a pattern": Case(
        text(lambda: targeted(segment({**VIP, "valueMatchType": "REGULAR_EXPRESSION", "value": "a?" * 5 * 10**6}))), OFF
    ),
    "a pattern that tries everything": Case(
        text(lambda: targeted(segment({**VIP, "valueMatchType": "REGULAR_EXPRESSION", "value": "(.*)*(.*)*(.*)*x"}))),
        OFF,
    ),
    "ten megabytes of values": Case(
        text(
            lambda: targeted(segment({**VIP, "valueMatchType": "AMONG_VALUES", "value": json.dumps(["x"] * 2_000_000)}))
        ),
        OFF,
    ),
    "ten megabytes of an unknown condition": Case(text(lambda: targeted(segment({"targetingType": "x" * 10**7}))), OFF),
    "ten megabytes of white space": Case(lambda: as_bytes(site(flag())).replace(b":", b":" + b" " * 10**6, 10), ON),
    # too large to be read at all
    "100 megabytes": Case(lambda: b"", REFUSED, megabytes=32),
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
