"""Create accounts from a JSON array, as many as there are: the client keeps to 50 in 10 s and 1,000 in an hour.

Run: python examples/automation/bulk_accounts.py accounts.json
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.
"""

import json
import sys
from pathlib import Path

from openfeature_kameleoon.management.automation import Automation
from openfeature_kameleoon.management.rest import ApiError, OutcomeUnknown


def main(path: str) -> None:
    accounts = json.loads(Path(path).read_text(encoding="utf-8"))
    created, failed = 0, 0
    with Automation.from_environment() as api:
        for account in accounts:
            try:
                api.accounts.create(body=account)
            except OutcomeUnknown:
                print(f"{account['email']}: no answer; look whether it is there before trying again")
                failed += 1
            except ApiError as error:
                print(f"{account['email']}: {error.message}")
                failed += 1
            else:
                created += 1
    print(f"{created} created, {failed} failed")


if __name__ == "__main__":
    main(sys.argv[1])
