"""Overrides: what flags do then, for whom, and that all is as before once they are gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfeature_kameleoon.errors import ConfigSettingInvalid, DataFileInvalid, FeatureNotFound
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.site import Served, Site
from tests.faces import EXPERIMENT, flag, rule, site
from tests.server.conftest import FLAGS
from tests.vectors import as_bytes

CODES = [f"visitor-{number}" for number in range(200)]
BUTTON = "checkout_button"  # control, discount or short, for everybody


def variations(of: Site, key: str = BUTTON) -> dict[str, str]:
    return {code: of.client.get_variation(code, key).key for code in CODES}


def test_everybody_gets_a_variation_whatever_the_rules_say(site: Site) -> None:
    site.override(BUTTON, Override(variation="discount"))

    assert set(variations(site).values()) == {"discount"}


def test_a_variation_is_everybodys_in_holdouts_and_groups_too() -> None:
    half = [{"variationKey": "in-holdout", "variationId": 1, "exposition": 0.5}]
    half.append({"variationKey": "served", "variationId": 2, "exposition": 0.5})
    flags = [
        flag(key, rule(number, ("on", 1), kind=EXPERIMENT), mutuallyExclusiveGroup="g", id=number)
        for number, key in enumerate(("one", "two"), 1)
    ]
    held = Site("site")
    held.publish(as_bytes(site(*flags, holdout={"experimentId": 9, "variationByExposition": half})))
    before = variations(held, "one")

    held.override("one", Override(variation="on"))

    assert set(before.values()) == {"on", "off"}
    assert set(variations(held, "one").values()) == {"on"}


def test_visitors_get_theirs_and_nobody_else_anything(site: Site) -> None:
    before = variations(site)
    wanted = {"visitor-1": "short", "visitor-2": "discount", "visitor-3": "short"}

    site.override(BUTTON, Override(visitors=wanted))

    assert variations(site) == {**before, **wanted}


def test_a_flag_is_switched(site: Site) -> None:
    site.override(BUTTON, Override(enabled=False))
    site.override("black_friday", Override(enabled=True))

    assert not site.client.is_feature_active("visitor-1", BUTTON)
    assert site.client.get_feature_flag("black_friday").environment_enabled


def test_a_rule_shows_itself_to_more_or_fewer(site: Site) -> None:
    [first, *_] = json.loads(FLAGS.read_text(encoding="utf-8"))["featureFlags"][1]["rules"]

    site.override(BUTTON, Override(expositions={str(first["id"]): 0.0}))

    assert len(set(variations(site).values())) == 1


def test_all_is_as_before_once_they_are_gone(site: Site) -> None:
    before = {key: variations(site, key) for key in (BUTTON, "search")}
    site.override(BUTTON, Override(variation="short"))
    site.override("search", Override(enabled=False))

    site.reset("search")
    assert variations(site, "search") == before["search"]
    assert set(variations(site).values()) == {"short"}

    site.reset()
    assert variations(site) == before[BUTTON]
    assert site.overrides == {}


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (Override(variation="nope"), "there is no variation 'nope'; there are control, discount, short"),
        (Override(visitors={"ann": "nope"}), "there is no variation 'nope'"),
        (Override(expositions={"5": 0.5}), "there is no rule '5'"),
        (Override(expositions={"102": 1.5}), "an exposition lies between 0 and 1; 1.5 does not"),
        (Override(expositions={"102": float("nan")}), "an exposition lies between 0 and 1; nan does not"),
    ],
)
def test_what_a_flag_does_not_have_is_refused(site: Site, override: Override, problem: str) -> None:
    before, overrides = site.served, dict(site.overrides)

    with pytest.raises(ConfigSettingInvalid, match=problem):
        site.override(BUTTON, override)
    with pytest.raises(FeatureNotFound):
        site.override("nope", Override(enabled=True))

    assert (site.served, site.overrides) == (before, overrides)


def test_every_change_is_served_as_newer_and_told(site: Site) -> None:
    told: list[Served] = []
    site.listen(told.append)
    assert site.served is not None
    first = site.served

    site.override(BUTTON, Override(variation="short"))
    site.reset()

    stamps = [first, *told]
    assert len(told) == 2
    assert sorted({served.timestamp for served in stamps}) == [served.timestamp for served in stamps]
    assert len({served.last_modified for served in stamps}) == 3
    assert [json.loads(served.raw)["dateModified"] for served in stamps] == [served.timestamp for served in stamps]


def test_what_is_served_says_what_is_overridden_and_has_sdks_stream(site: Site) -> None:
    site.override(BUTTON, Override(variation="short"))

    assert site.served is not None
    content = json.loads(site.served.raw)
    assert [flag["featureKey"] for flag in content["featureFlags"] if flag.get("overridden")] == [BUTTON]
    assert content["configuration"]["realTimeUpdate"] is True


def test_overrides_outlive_another_data_file_as_far_as_they_fit(site: Site) -> None:
    site.override(BUTTON, Override(variation="short"))
    site.override("search", Override(enabled=False))
    content = json.loads(FLAGS.read_bytes())
    [button] = [flag for flag in content["featureFlags"] if flag["featureKey"] == BUTTON]
    button["variations"] = [each for each in button["variations"] if each["key"] != "short"]
    button["defaultVariationKey"] = "control"
    button["rules"] = []

    site.publish(as_bytes(content))

    assert set(variations(site).values()) == {"control"}
    assert not site.client.is_feature_active("visitor-1", "search")

    site.publish(FLAGS.read_bytes())
    assert set(variations(site).values()) == {"short"}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'"x"', b"null", b'{"featureFlags": 5}', b"\xff", b"{}[]"])
def test_what_is_no_data_file_never_replaces_one(site: Site, raw: bytes) -> None:
    before = site.served

    with pytest.raises(DataFileInvalid):
        site.publish(raw)

    assert site.served is before
    assert set(variations(site).values()) == {"control", "discount", "short"}


OVERRIDES: st.SearchStrategy[Any] = st.builds(
    Override,
    enabled=st.none() | st.booleans(),
    variation=st.none() | st.sampled_from(["control", "discount", "short"]),
    visitors=st.dictionaries(st.sampled_from(CODES), st.sampled_from(["control", "discount", "short"]), max_size=5),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(OVERRIDES)
def test_any_override_does_what_it_says(site: Site, override: Override) -> None:
    site.reset()
    before = variations(site)

    site.override(BUTTON, override)

    if override.enabled is False:
        assert not site.client.is_feature_active("visitor-1", BUTTON)
        return
    base = dict.fromkeys(CODES, override.variation) if override.variation else before
    assert variations(site) == {**base, **override.visitors}
