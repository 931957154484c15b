"""Data files that are broken here and there, while something is overridden: they cost only what is broken."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.errors import DataFileInvalid
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.site import Site
from tests.faces import flag, rule
from tests.faces import site as data_file
from tests.vectors import as_bytes

WHOLE = flag("whole", rule(1, ("on", 1)))


@pytest.mark.parametrize("broken", [{"featureKey": 5}, 7, None, "text", [], {"featureKey": "b", "rules": [5]}], ids=str)
def test_a_flag_that_is_none_keeps_no_other_from_being_overridden(site: Site, broken: Any) -> None:
    site.publish(as_bytes(data_file(WHOLE, broken)))

    site.override("whole", Override(variation="off"))

    assert site.client.get_variation("ada", "whole").key == "off"


@pytest.mark.parametrize(
    "members", [{"featureFlags": 5}, {"segments": {}}, {"configuration": [1]}, {"configuration": "x"}], ids=str
)
@pytest.mark.parametrize("overrides", [{}, {"whole": Override(variation="off")}], ids=["plain", "overridden"])
def test_a_file_that_is_none_is_refused_and_the_one_before_stays(
    site: Site, members: dict[str, Any], overrides: dict[str, Override]
) -> None:
    site.publish(as_bytes(data_file(WHOLE)))
    for key, override in overrides.items():
        site.override(key, override)
    served = site.served

    with pytest.raises(DataFileInvalid):
        site.publish(as_bytes({**data_file(WHOLE), **members}))

    assert site.served is served
    assert site.client.get_variation("ada", "whole").key == ("off" if overrides else "on")


@pytest.mark.parametrize("member", ["segments", "configuration"])
def test_members_may_be_null_as_for_sdks(site: Site, member: str) -> None:
    site.publish(as_bytes({**data_file(WHOLE), member: None}))

    site.override("whole", Override(visitors={"ada": "off"}))

    assert site.client.get_variation("ada", "whole").key == "off"
