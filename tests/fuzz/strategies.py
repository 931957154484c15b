"""What hypothesis draws: JSON texts however they are laid out, and data files that Kameleoon could have written.

Ids of data files are small, so that rules, segments and flags meet; what the parts mean is in specs/kameleoon-sdk.md 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

__all__ = ["CODES", "Literal", "data_files", "json_objects", "json_values", "visitor_attributes", "written"]

Json = dict[str, Any]


# --- JSON texts -----------------------------------------------------------------------------------------------


class Literal(str):
    """A number as it is to stand in the text, whether or not a float can hold it."""

    __slots__ = ()


NUMBERS = [
    *("0", "-0", "-0.0", "1E+2", "1e-999", "1e400", "-1e400", "0.1", "1.0", "123456789012345678901234567890"),
    *("9" * 500, "0." + "3" * 300),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', "\\", '\\"', "\x00", "\x1f", "\x7f", "\u2028", "é", "漢", "😀", "]}", ",:", "//", "null", " "]
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(NUMBERS).map(Literal)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def json_objects(*names: str) -> st.SearchStrategy[Json]:
    """Objects of which some members have these names."""
    return st.dictionaries(st.sampled_from(names) | texts, json_values, max_size=6)


def written(value: object, random: Random) -> str:
    """A value as JSON text, with white space and escapes in the places where JSON has them."""
    blank = random.choice(["", "", "", " ", "\n", "\t", "\r\n", "  \n "])
    return blank + _bare(value, random) + random.choice(["", "", blank])


def _bare(value: object, random: Random) -> str:
    if isinstance(value, Literal):
        return value
    if isinstance(value, str):
        return _quoted(value, random)
    if isinstance(value, list):
        return f"[{','.join(written(item, random) for item in value) or random.choice(['', ' '])}]"
    if isinstance(value, Mapping):
        members = (f"{written(name, random)}:{written(item, random)}" for name, item in value.items())
        return f"{{{','.join(members) or random.choice(['', ' '])}}}"
    return json.dumps(value)


def _quoted(text: str, random: Random) -> str:
    quoted = json.dumps(text, ensure_ascii=random.random() < 0.5)
    return quoted.replace("/", "\\/") if random.random() < 0.5 else quoted


# --- data files -----------------------------------------------------------------------------------------------

CODES = [f"visitor-{number}" for number in range(40)]
"""Visitor codes that are spread over [0, 1) under any suffix."""

VARIATIONS = ["off", "on", "a", "b"]
SEGMENTS = range(1, 6)
FLAGS = range(1, 5)

shares = st.sampled_from([0, 0.1, 0.25, 0.33, 0.5, 1]) | st.floats(0, 1)
ids = st.integers(1, 12)
is_include = st.sampled_from([True, True, False, None])

CONDITIONS: list[st.SearchStrategy[Json]] = [
    st.fixed_dictionaries(
        {
            "targetingType": st.just("CUSTOM_DATUM"),
            "customDataIndex": st.sampled_from(["0", "1", "2"]),
            "valueMatchType": st.sampled_from(["EXACT", "CONTAINS", "REGULAR_EXPRESSION", "UNDEFINED", "AMONG_VALUES"]),
            "value": st.sampled_from(["vip", "v", "v.*", '["vip", "pro"]', ""]),
        }
    ),
    st.fixed_dictionaries(
        {
            "targetingType": st.just("CUSTOM_DATUM"),
            "customDataIndex": st.sampled_from(["1", "2"]),
            "valueMatchType": st.sampled_from(["EQUAL", "GREATER", "LOWER", "TRUE", "FALSE"]),
            "value": st.sampled_from(["10", "10.5", "0", "true"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "targetingType": st.just("VISITOR_CODE"),
            "visitorCode": st.sampled_from(["visitor-1", "1", "visitor-[0-4]+"]),
            "matchType": st.sampled_from(["EXACT", "CONTAINS", "REGULAR_EXPRESSION"]),
        }
    ),
    st.fixed_dictionaries(
        {"targetingType": st.just("DEVICE_TYPE"), "device": st.sampled_from(["PHONE", "DESKTOP", "tablet"])}
    ),
    st.fixed_dictionaries({"targetingType": st.just("SEGMENT"), "segmentId": st.sampled_from([*SEGMENTS, 99])}),
    st.fixed_dictionaries(
        {
            "targetingType": st.just("TARGET_FEATURE_FLAG"),
            "featureFlagId": st.sampled_from([*FLAGS, 99]),
            "variationKey": st.sampled_from([*VARIATIONS, None]),
        }
    ),
    st.fixed_dictionaries(
        {
            "targetingType": st.just("EXCLUSIVE_EXPERIMENT"),
            "campaignType": st.sampled_from(["ANY", "EXPERIMENT", "PERSONALIZATION"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "targetingType": st.sampled_from(["VISITS", "PAGE_VIEWS", "SAME_DAY_VISITS"]),
            "visitCount": st.integers(0, 2),
            "pageCount": st.integers(0, 2),
            "matchType": st.sampled_from(["EQUAL", "GREATER", "LOWER"]),
        }
    ),
    st.fixed_dictionaries({"targetingType": st.sampled_from(["NEW_VISITORS"]), "visitorType": st.just("NEW")}),
    st.fixed_dictionaries({"targetingType": st.sampled_from(["EXPLICIT_TRIGGER", "WEATHER", "UNKNOWN"])}),
]

conditions = st.builds(
    lambda condition, include: {**condition, "isInclude": include}, st.one_of(CONDITIONS), is_include
)
operators = st.lists(st.booleans(), min_size=3, max_size=3)
groups = st.fixed_dictionaries({"conditions": st.lists(conditions, max_size=4), "orOperators": operators})
conditions_data = st.none() | st.fixed_dictionaries(
    {"firstLevel": st.lists(groups, max_size=3), "firstLevelOrOperators": operators}
)
entries = st.fixed_dictionaries(
    {
        "variationKey": st.sampled_from(VARIATIONS),
        "variationId": st.integers(1, 40) | st.none(),
        "exposition": shares,
    }
)
rules = st.fixed_dictionaries(
    {
        "id": ids,
        "type": st.sampled_from(["EXPERIMENTATION", "TARGETED_DELIVERY", "PERSONALIZED"]),
        "exposition": shares,
        "experimentId": ids,
        "respoolTime": st.sampled_from([None, 0, 1757030400]),
        "segmentId": st.sampled_from([None, 0, *SEGMENTS, 99]),
        "variationByExposition": st.lists(entries, max_size=4),
    }
)
variables: st.SearchStrategy[Json] = st.one_of(
    st.builds(
        lambda key, type_and_value: {"key": key, "type": type_and_value[0], "value": type_and_value[1]},
        st.sampled_from(["first", "second"]),
        st.sampled_from(
            [
                *(("BOOLEAN", True), ("NUMBER", 4), ("NUMBER", 0.5), ("STRING", "text"), ("CSS", ".b{}")),
                *(("JSON", '{"a": [1, 2.5, null]}'), ("JSON", "[true]"), ("JSON", "7"), ("JSON", "{"), ("NEW", 1)),
            ]
        ),
    )
)


def flags(number: int) -> st.SearchStrategy[Json]:
    """The flag of an id; its key is made of it."""
    return st.fixed_dictionaries(
        {
            "id": st.just(number),
            "featureKey": st.just(f"flag-{number}"),
            "environmentEnabled": st.sampled_from([True, True, True, False]),
            "defaultVariationKey": st.sampled_from(["off", "on", "undeclared"]),
            "mutuallyExclusiveGroup": st.sampled_from([None, None, "", "group"]),
            "bucketingCustomDataId": st.sampled_from([None, None, 501, 502, 9]),
            "variations": st.lists(variables, max_size=2).map(
                lambda given: [{"key": key, "name": key.title(), "variables": given} for key in VARIATIONS]
            ),
            "rules": st.lists(rules, max_size=4),
        }
    )


holdouts = st.none() | st.fixed_dictionaries(
    {
        "experimentId": st.just(77),
        "variationByExposition": st.lists(
            st.fixed_dictionaries(
                {
                    "variationKey": st.sampled_from(["in-holdout", "not-in-holdout"]),
                    "variationId": st.sampled_from([771, 772, None]),
                    "exposition": shares,
                }
            ),
            max_size=2,
        ),
    }
)
settings = st.fixed_dictionaries(
    {
        "consentType": st.sampled_from(["NOT_REQUIRED", "REQUIRED"]),
        "consentOptOutBehavior": st.sampled_from(["PARTIALLY_BLOCK", "FULLY_BLOCK"]),
    }
)

CUSTOM_DATA = [{"index": number, "id": 500 + number, "name": name} for number, name in enumerate(["plan", "cart", "x"])]

data_files: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "dateModified": st.just(1_789_900_000_000),
        "configuration": settings,
        "customData": st.just(CUSTOM_DATA),
        "holdout": holdouts,
        "segments": st.tuples(
            *(st.fixed_dictionaries({"id": st.just(n), "conditionsData": conditions_data}) for n in SEGMENTS)
        ).map(list),
        "featureFlags": st.tuples(*map(flags, FLAGS)).map(list),
    }
)
"""Valid data files: four flags that share five segments, a group, a holdout and three custom data."""

visitor_attributes: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "plan": st.sampled_from(["vip", "pro", ["pro", "vip"]]),
        "cart": st.sampled_from(["10", "11", "abc", ["abc", "11"]]),
        "x": st.just("true"),
        "device": st.just({"deviceType": "PHONE"}),
    },
)
"""What an evaluation context may say of a visitor of these data files."""
