"""Why does this visitor get that variation?

Run: python examples/explain_decision.py
"""

from __future__ import annotations

from pathlib import Path

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration

DATA_FILE = Path(__file__).with_name("flags.json")


def main() -> None:
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE, multi_threading=False)
    with KameleoonClient("a8st4f59bj", configuration_object=configuration) as client:
        client.wait_init()

        # The attributes are those of an evaluation context. Explaining remembers and reports nothing.
        print(client.explain("visitor-42", "new_checkout", {"plan": "free"}).as_text())
        print(client.explain("visitor-42", "search", {"beta_tester": True, "device": "DESKTOP"}).as_text())

        # The same as plain data: for a support page, a log, a test.
        decision = client.explain("visitor-42", "checkout_button").as_dict()
        print(decision["variation"], decision["reason"], [step["name"] for step in decision["steps"][0]["steps"]])


if __name__ == "__main__":
    main()
