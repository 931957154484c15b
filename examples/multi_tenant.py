"""One provider per tenant, each with a site of its own, told apart by OpenFeature's domains.

Run: python examples/multi_tenant.py
"""

from __future__ import annotations

from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

TENANTS = Path(__file__).with_name("tenants")
SITE_CODES = {"acme": "a8st4f59bj", "globex": "c2dj81kx0q"}


def main() -> None:
    for tenant, site_code in SITE_CODES.items():
        configuration = KameleoonClientConfiguration(data_file=TENANTS / f"{tenant}.json")
        api.set_provider_and_wait(KameleoonProvider(site_code, configuration), domain=tenant)

    user = EvaluationContext("user-7")
    for tenant in SITE_CODES:
        flags = api.get_client(domain=tenant)
        sign_on = flags.get_boolean_value("single_sign_on", False, user)
        limit = flags.get_integer_details("upload_limit", 100, user)
        print(f"{tenant}: sign-on {sign_on}, {limit.value} MB, site {limit.flag_metadata['siteCode']}")

    # A domain without a provider of its own has the default one's flags; here none was set.
    print("initech:", api.get_client(domain="initech").get_integer_value("upload_limit", 100, user), "MB")

    api.shutdown()  # of all domains


if __name__ == "__main__":
    main()
