from __future__ import annotations

import pytest

from openfeature_kameleoon.errors import DataFileInvalid
from openfeature_kameleoon.flag_file import as_json, from_json, read
from openfeature_kameleoon.flag_file.yaml_text import MAX_BYTES, MAX_NODES


def refusal(text: str | bytes) -> str:
    with pytest.raises(DataFileInvalid) as caught:
        read(text if isinstance(text, bytes) else text.encode())
    message = caught.value.message
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x", "line 1, column 4: aliases (*), anchors (&) and tags (!) are not allowed"),
        ("flags: *x", "aliases (*)"),
        ("flags: !!python/object/apply:os.system ['true']", "tags (!)"),
        ("flags: !!str x", "tags (!)"),
        ("flags: {a: true, a: false}", "line 1, column 18: this key is there twice"),
        ("flags: {a: true, 'a': false}", "this key is there twice"),
        ("flags: {[1]: true}", "unhashable key"),
        ("flags: {\n", "line 2, column 1"),
        ("flags: {}\n---\nflags: {}", "a single document"),
        ("flags: \x07", "control characters"),
        (b"flags: \xff", "not UTF-8 text from byte 7 on"),
        ('flags: "\\ud800"', "half a character"),
        ("date_modified: 1e400", "this number is too large"),
        (f"date_modified: {'9' * 5000}", "this number is too large"),
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        (b"#" * (MAX_BYTES + 1), "over 1048576 bytes long"),
        ("[" + ",".join("0" * (MAX_NODES + 1)) + "]", "too many entries"),
        ("<<: {flags: {}}", "there is no key '<<'"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_hostile_yaml_is_refused(text: str | bytes, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "its top", "expected a mapping, got nothing"),
        ("[]", "its top", "expected a mapping, got a list"),
        ("flag: {}", "its top", "there is no key 'flag'; did you mean 'flags'?"),
        ("flags: []", "flags", "expected a mapping, got a list"),
        ("flags: {a: 5}", "flags.a", "expected a mapping, got a whole number"),
        ("flags: {a: on}", "flags.a", "expected a mapping, got a text"),
        ("flags: {a:}", "flags.a", "expected a mapping, got nothing"),
        ("flags: {a: {rule: []}}", "flags.a", "there is no key 'rule'; did you mean 'rules'?"),
        ("flags: {a: {default: onn}}", "flags.a.default", "there is no variation 'onn'; did you mean 'on'?"),
        ("flags: {a: {enabled: yes}}", "flags.a.enabled", "expected true or false, got a text"),
        ("flags: {a: {variations: [on]}}", "flags.a.variations", "expected a mapping, got a list"),
        ("flags: {a: {variations: {}}}", "flags.a.variations", "there must be one at least"),
        ("flags: {a: {variations: {b: 5}}}", "flags.a.variations.b", "expected a mapping, got a whole number"),
        ("flags: {a: {names: {o: x}}}", "flags.a.names", "there is no variation 'o'; did you mean 'on'?"),
        ("flags: {a: {types: {o: CSS}}}", "flags.a.types", "there is no variable 'o'; there is: none at all"),
        ("flags: {a: {bucketing: x}}", "flags.a.bucketing", "there is no custom datum 'x'"),
        ("flags: {a: {id: 99999999999999999999}}", "flags.a.id", "expected a whole number <= 9223372036854775807"),
        ("flags: {a: {rules: [5]}}", "flags.a.rules[0]", "expected a mapping, got a whole number"),
        ("flags: {a: {rules: [{}]}}", "flags.a.rules[0]", "either serve: VARIATION or experiment"),
        ("flags: {a: {rules: [{serve: on, experiment: [on]}]}}", "flags.a.rules[0]", "either serve: VARIATION"),
        ("flags: {a: {rules: [{serve: onn}]}}", "flags.a.rules[0].serve", "did you mean 'on'?"),
        ("flags: {a: {rules: [{serv: on}]}}", "flags.a.rules[0]", "there is no key 'serv'; did you mean 'serve'?"),
        ("flags: {a: {rules: [{experiment: {of: 5}}]}}", "flags.a.rules[0].experiment", "did you mean 'off'?"),
        ("flags: {a: {rules: [{experiment: {on: x}}]}}", "flags.a.rules[0].experiment.on", "expected a number"),
        ("flags: {a: {rules: [{experiment: {on: 60, off: 50}}]}}", "flags.a.rules[0].experiment", "add up to 110"),
        ("flags: {a: {rules: [{serve: on, exposition: 101}]}}", "flags.a.rules[0].exposition", "<= 100"),
        ("flags: {a: {rules: [{serve: on, exposition: true}]}}", "flags.a.rules[0].exposition", "got true or false"),
        ("flags: {a: {rules: [{serve: on, variation_ids: [1, 2]}]}}", "flags.a.rules[0].variation_ids", "of the 1"),
        ("flags: {a: {rules: [{serve: on, segment: x}]}}", "flags.a.rules[0].segment", "there is no segment 'x'"),
        ("flags: {a: {rules: [{serve: on, segment: {x: 1}}]}}", "flags.a.rules[0].segment.x", "or custom datum 'x'"),
        ("segments: {a: pro}", "segments.a", "a mapping or a list of conditions is expected"),
        ("segments: {a: [pro]}", "segments.a[0]", "expected a mapping, got a text"),
        ("segments: {a: {devise: phone}}", "segments.a.devise", "did you mean 'device'?"),
        ("segments: {a: {device: fone}}", "segments.a.device", "there is no device 'fone'; did you mean 'phone'?"),
        ("segments: {a: {device: [phone]}}", "segments.a.device", "expected a text, got a list"),
        ("segments: {a: {when: {devise: phone}}}", "segments.a.when.devise", "did you mean 'device'?"),
        ("segments: {a: {when: {}, audiense: true}}", "segments.a", "did you mean 'audience'?"),
        ("segments: {a: {segment: b}}", "segments.a.segment", "there is no segment 'b'"),
        ("segments: {a: {plan: {}}}\ncustom_data: [plan]", "segments.a.plan", "here may stand contains and matches"),
        ("segments: {a: {plan: {is: x}}}\ncustom_data: [plan]", "segments.a.plan", "there is no key 'is'"),
        ("segments: {a: {plan: null}}\ncustom_data: [plan]", "segments.a.plan", "expected a mapping, got nothing"),
        ("segments: {a: {plan: [[]]}}\ncustom_data: [plan]", "segments.a.plan[0]", "got a list"),
        ("segments: {a: {visits: {contains: x}}}", "segments.a.visits", "here may stand over and under"),
        ("segments: {a: {visits: '5'}}", "segments.a.visits", "got a text"),
        ("segments: {a: {page_url: {over: 5}}}", "segments.a.page_url", "here may stand contains and matches"),
        ("segments: {a: {geolocation: {city: x}}}", "segments.a.geolocation", "country"),
        ("segments: {a: {any: []}}", "segments.a.any", "it needs a condition at least"),
        ("segments: {a: {any: {device: phone}}}", "segments.a.any", "expected a list, got a mapping"),
        ("segments: {a: {not: {device: phone, visits: 1}}}", "segments.a.not", "it takes one condition"),
        ("segments: {a: {any: [{any: [{any: [{visits: 1}, {visits: 2}]}, {visits: 3, device: phone}]}, {visits: 5}]}}",
         "segments.a", "name the inner ones under segments, and use segment: NAME"),
        ("custom_data: [5]", "custom_data[0]", "expected a mapping, got a whole number"),
        ("custom_data: [{nam: plan}]", "custom_data[0]", "did you mean 'name'?"),
        ("configuration: 5", "configuration", "expected a mapping"),
        ("date_modified: yesterday", "date_modified", "expected a whole number, got a text"),
        ("flags: {\"a\\nb\": 5}", "flags.a\\nb", "expected a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_what_may_be_meant(text: str, place: str, message: str) -> None:
    told = refusal(text)

    assert told.startswith(f"the flag file is wrong at {place}: ")
    assert message in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        (b"[]", "a JSON list"),
        (b"{}", "lists no feature flags"),
        (b'{"featureFlags": [', "cut off"),
        (b'{"featureFlags": [], "new": ' + b"[" * 400 + b"]" * 400 + b"}", "nested too deeply"),
        (b'{"featureFlags": [], "new": "' + b"a" * MAX_BYTES + b'"}', "over 1048576 bytes long"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_data_file_that_cannot_become_a_flag_file_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(DataFileInvalid, match=message):
        from_json(text)


def test_what_reads_reads_as_json_too() -> None:
    assert as_json(b"{}") == b'{"dateModified": 0, "customData": [], "segments": [], "featureFlags": []}'
