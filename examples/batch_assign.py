"""One flag for very many visitors: an export, a mailing, a simulation.

Run: python examples/batch_assign.py

Nothing is remembered of the visitors and nothing is reported, so memory does not grow with their number.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonClientConfiguration

DATA_FILE = Path(__file__).with_name("flags.json")
VISITORS = 100_000


def main() -> None:
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE, multi_threading=False)
    with KameleoonClient("a8st4f59bj", configuration_object=configuration) as client:
        client.wait_init()

        codes = (f"visitor-{number}" for number in range(VISITORS))
        shares = Counter(client.assign("checkout_button", codes))
        for variation, visitors in sorted(shares.items()):
            print(f"{variation}: {visitors / VISITORS:.1%}")

        # Where a segment looks at the visitor, its data comes along.
        customers = {"ann": "pro", "bob": "free", "cleo": "pro"}
        with_data = [(name, [CustomData("plan", plan)]) for name, plan in customers.items()]
        print(dict(zip(customers, client.assign("new_checkout", with_data), strict=True)))


if __name__ == "__main__":
    main()
