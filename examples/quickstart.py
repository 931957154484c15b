"""A flag of each type, answered offline from the data file beside this program.

Run: python examples/quickstart.py
"""

from __future__ import annotations

from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).with_name("flags.json")


def main() -> None:
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE)
    api.set_provider_and_wait(KameleoonProvider("a8st4f59bj", configuration))
    flags = api.get_client()

    # The targeting key is the visitor code. "plan" is the name of a custom datum of the site.
    visitor = EvaluationContext("visitor-42", {"plan": "pro"})

    print("new checkout:", flags.get_boolean_value("new_checkout", False, visitor))
    print("button:", flags.get_string_value("checkout_button", "Buy", visitor))

    # A variation may have several variables: variableKey names the one that is wanted.
    columns = EvaluationContext("visitor-42", {"variableKey": "columns"})
    print("columns:", flags.get_integer_value("checkout_button", 1, columns))

    details = flags.get_boolean_details("new_checkout", False, visitor)
    print(f"why: variation {details.variant!r}, {details.reason}, rule {details.flag_metadata['ruleId']}")

    # What cannot be answered gives the default of the call, and says why.
    unknown = flags.get_boolean_details("no_such_flag", False, visitor)
    print("unknown flag:", unknown.value, unknown.error_code)

    api.shutdown()


if __name__ == "__main__":
    main()
