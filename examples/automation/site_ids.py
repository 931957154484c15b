"""Turn site codes, which SDKs know, into the site ids that this API wants.

Run: python examples/automation/site_ids.py CODE [CODE ...]
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import sys

from openfeature_kameleoon.management.automation import Automation, where


def main(codes: list[str]) -> None:
    with Automation.from_environment() as api:
        for site in api.sites.list(filter=where.code.equal(*codes)):
            print(site.code, site.id)


if __name__ == "__main__":
    main(sys.argv[1:])
