"""README.md and docs/faq.md say what the code does: their programs run, their tables are the code's own."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import shutil
import signal
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from click.testing import CliRunner
from django.utils.module_loading import import_string
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationDetails

import openfeature_kameleoon.configuration
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.aliases import ALIASES
from openfeature_kameleoon.cli.commands import command_line
from openfeature_kameleoon.configuration import settings_table
from openfeature_kameleoon.context import KINDS, VARIABLE_KEY
from openfeature_kameleoon.flagship import Flagship
from openfeature_kameleoon.flagship.endpoints import Endpoints as FlagshipEndpoints
from openfeature_kameleoon.transport.urls import Endpoints
from openfeature_kameleoon.web import Visits
from openfeature_kameleoon.web.setup import SETTINGS
from tests.chaos import ChaosServer, reply
from tests.management.standins.automation import FULL as AUTOMATION_CREDENTIALS
from tests.management.standins.automation import AutomationServer
from tests.management.standins.optimizely import OptimizelyServer
from tests.management.standins.split import SplitServer

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "examples"
README, FAQ = CHECKOUT / "README.md", CHECKOUT / "docs" / "faq.md"

COMMANDS = ("pip install '.[cli]' && openfeature-kameleoon demo", "pip install '.[test]' && pytest")
NOT_RUN = "<!-- not run:"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code: the title above it, the line it begins at, and whether the page says that it is not run."""

    section: str
    line: int
    language: str
    code: str
    is_run: bool


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        above = text[: fence.start()]
        titles = re.findall(r"^## (.*)$", above, re.MULTILINE)
        is_run = not above.rstrip().rpartition("\n")[2].startswith(NOT_RUN)
        line = above.count("\n") + 1
        found.append(Block(titles[-1] if titles else "", line, fence[1], fence[2], is_run))
    return [block for block in found if block.language == language]


def sections(page: Path) -> list[Any]:
    """The sections with programs, each with its own after those of the page's opening, which it goes on from."""
    programs = [block for block in blocks(page, "python") if block.is_run]
    opening = [block for block in programs if not block.section]
    parameters = []
    for section in dict.fromkeys(block.section for block in programs):
        own = [block for block in programs if block.section == section]
        title = f"{page.name}-{section or 'opening'}"
        parameters.append(pytest.param(page, own if not section else [*opening, *own], id=title))
    return parameters


def table(page: Path, first_column: str) -> list[list[str]]:
    """The cells of the one table whose first column has this title, without its head."""
    tables = re.findall(r"(?:^\|.*\|\n)+", page.read_text(encoding="utf-8"), re.MULTILINE)
    rows = [[[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines()] for text in tables]
    [found] = [lines for lines in rows if lines[0][0] == first_column]
    return found[2:]


def code_names(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


# --- what people copy ---------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """Kameleoon's servers, as far as a program of these pages notices."""
    with ChaosServer(reply(200, (EXAMPLES / "flags.json").read_bytes())) as server:
        yield server


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ChaosServer) -> Path:
    """A folder with the files that the pages speak of, where no name leads out of this machine."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    shutil.copy(EXAMPLES / "flags.json", tmp_path)
    [settings] = blocks(README, "yaml")
    own_settings = settings.code.replace("/var/cache", str(tmp_path))
    (tmp_path / "kameleoon.yaml").write_text(own_settings, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    default_path = str(tmp_path / "client-python.yaml")
    monkeypatch.setattr(openfeature_kameleoon.configuration, "DEFAULT_CONFIGURATION_PATH", default_path)
    here = Endpoints(configuration=server.url)
    monkeypatch.setattr(Endpoints, "for_domain", lambda domain: here)
    return tmp_path


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-ins at the addresses of the management APIs, which take the credentials of these pages."""
    with AutomationServer() as kameleoon, SplitServer() as split, OptimizelyServer() as optimizely:
        client_id, client_secret = AUTOMATION_CREDENTIALS
        monkeypatch.setenv("KAMELEOON_CLIENT_ID", client_id)
        monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", client_secret)
        kameleoon.reports.waits = 0
        split.add_api_key("readme")["key"] = "admin-api-key"
        for kind, token in (("legacy", "token-with-a-colon:88120034"), ("bearer", "personal-token")):
            optimizely.tokens[token] = optimizely.tokens[getattr(optimizely, kind)["admin"]]
        hosts = {
            "https://api.kameleoon.com": kameleoon.url,
            "https://api.split.io": split.url,
            "https://www.optimizelyapis.com": optimizely.url,
            "https://api.optimizely.com": optimizely.url,
        }
        send = requests.Session.request

        def here(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
            [host] = [host for host in hosts if url.startswith(host)]
            return send(session, method, hosts[host] + url.removeprefix(host), **options)

        monkeypatch.setattr(requests.Session, "request", here)
        yield


@pytest.fixture
def flagship(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AB Tasty's servers, as far as a program of these pages notices."""
    file = (EXAMPLES / "vendors" / "flagship.json").read_bytes()
    with ChaosServer(reply(200, file, {"Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT"})) as server:
        monkeypatch.setattr(FlagshipEndpoints, "bucketing_url", lambda *_: f"{server.url}/bucketing.json")
        for place in ("activate_url", "hits_url"):
            monkeypatch.setattr(FlagshipEndpoints, place, server.url)
        monkeypatch.setattr(FlagshipEndpoints, "events_url", lambda *_: server.url)
        yield
        Flagship.stop()


@pytest.fixture
def namespace() -> Iterator[dict[str, Any]]:
    """Names of a program; what it leaves open is closed, and its handlers are removed."""
    names: dict[str, Any] = {"__name__": "program"}
    on_termination = signal.getsignal(signal.SIGTERM)

    yield names

    signal.signal(signal.SIGTERM, on_termination)
    api.shutdown()
    for value in names.values():
        if isinstance(value, KameleoonProvider | KameleoonClient):
            client = value.client if isinstance(value, KameleoonProvider) else value
            client.close()
    names.clear()


def run(page: Path, programs: list[Block], namespace: dict[str, Any]) -> None:
    for block in programs:
        exec(compile("\n" * block.line + block.code, str(page), "exec"), namespace)


@pytest.mark.parametrize(("page", "programs"), [*sections(README), *sections(FAQ)])
@pytest.mark.usefixtures("workplace")
def test_a_section_runs_as_written(
    page: Path, programs: list[Block], namespace: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    for word, stand_ins in (("management", "vendors"), ("flagship", "flagship")):
        if any(f"openfeature_kameleoon.{word}" in block.code for block in programs):
            request.getfixturevalue(stand_ins)

    run(page, programs, namespace)


@pytest.mark.usefixtures("workplace")
def test_the_first_program_prints_what_it_says(namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    [first] = [block for block in blocks(README, "python") if not block.section]

    run(README, [first], namespace)

    assert capsys.readouterr().out == "the new checkout\n"
    assert len([line for line in first.code.splitlines() if line]) <= 10


@pytest.mark.usefixtures("workplace")
def test_the_hook_for_opentelemetry_emits_what_it_says(
    namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    programs = [block for block in blocks(README, "python") if block.section in ("", "Logging and OpenTelemetry")]

    run(README, programs, namespace)

    emitted = capsys.readouterr().out
    assert "feature_flag.evaluation {'feature_flag.key': 'new_checkout'" in emitted
    assert "'kameleoon.ruleId': 101" in emitted
    assert "visitor-42" not in emitted


@pytest.mark.parametrize("block", [*blocks(README, "yaml"), *blocks(FAQ, "yaml")])
def test_settings_in_a_file_are_known(block: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(block.code, encoding="utf-8")

    configuration = KameleoonClientConfiguration.from_file(path)

    assert configuration != KameleoonClientConfiguration()
    assert not caplog.records, "unknown settings are logged"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_two_commands_stand_in_blocks_of_their_own(command: str) -> None:
    assert [block.code for block in blocks(README, "sh")].count(f"{command}\n") == 1


def test_the_first_screen_has_the_commands_and_a_program() -> None:
    opening = [block for language in ("sh", "python") for block in blocks(README, language) if not block.section]

    assert [block.language for block in opening] == ["sh", "sh", "python"]
    assert max(block.line for block in opening) < 30


def test_little_is_not_run() -> None:
    programs = [*blocks(README, "python"), *blocks(FAQ, "python")]

    assert len([block for block in programs if not block.is_run]) <= 1


@pytest.mark.parametrize("page", [README, FAQ], ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


# --- tables that are the code's -----------------------------------------------------------------------------


def test_the_table_of_settings_is_that_of_the_code() -> None:
    expected = [
        [
            f"`{row.name}`",
            f"`{row.default}`",
            row.unit,
            "yes" if row.in_file else "no",
            row.description.replace("<", "&lt;"),
        ]
        for row in settings_table()
    ]

    assert table(README, "Setting") == expected


def test_the_table_of_attributes_is_that_of_the_code() -> None:
    *kinds, variable_key = table(README, "Attribute")

    assert kinds == [
        [
            f"`{name}`",
            f"`{kind.data.__name__}`",
            ", ".join(f"**`{field.name}`**" if field.is_required else f"`{field.name}`" for field in kind.fields),
        ]
        for name, kind in KINDS.items()
    ]
    assert variable_key[0] == f"`{VARIABLE_KEY}`"


def test_the_table_of_old_names_is_that_of_the_code() -> None:
    rows = table(README, "Use")

    assert {old: code_names(use)[0] for use, olds in rows for old in code_names(olds)} == {
        name: alias.successor for name, alias in ALIASES.items()
    }


def test_the_table_of_methods_is_that_of_the_client() -> None:
    methods = [name for cells in table(README, "Method") for name in code_names(cells[0])]

    assert sorted(methods) == sorted(
        name for name, member in inspect.getmembers(KameleoonClient, inspect.isfunction) if not name.startswith("_")
    )


def test_the_table_of_options_is_that_of_the_middleware() -> None:
    parameters = list(inspect.signature(Visits).parameters.values())[1:]

    assert [cells[:2] for cells in table(README, "Option")] == [[f"`{p.name}`", f"`{p.default}`"] for p in parameters]


def test_names_in_the_settings_of_django_lead_somewhere(namespace: dict[str, Any]) -> None:
    [settings] = [block for block in blocks(README, "python") if "INSTALLED_APPS" in block.code]

    exec(settings.code, namespace)

    [app], [middleware] = namespace["INSTALLED_APPS"], namespace["MIDDLEWARE"]
    assert import_string(middleware) is import_string(f"{app}.KameleoonMiddleware")
    assert {name for name in namespace if name.startswith("KAMELEOON_")} < set(SETTINGS)
    assert Path(CHECKOUT, namespace["KAMELEOON_CONFIGURATION"]["data_file"]).is_file()


@pytest.mark.usefixtures("workplace")
def test_the_handler_of_the_readme_serves_its_visitors(namespace: dict[str, Any]) -> None:
    programs = [block for block in blocks(README, "python") if block.section in ("", "In a web application")]
    run(README, programs, namespace)
    quiet = type("Quiet", (namespace["Handler"],), {"log_message": lambda *_: None})

    with HTTPServer(("127.0.0.1", 0), quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}") as answer:
            page, cookie = answer.read(), answer.headers["Set-Cookie"]
        server.shutdown()
        thread.join()

    assert page in (b"new checkout: True", b"new checkout: False")
    assert cookie.startswith("kameleoonVisitorCode=")


def test_a_section_on_a_framework_is_short() -> None:
    [web] = re.findall(
        r"^## In a web application$(.*?)^## ", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    parts = {part.partition("\n")[0]: part.strip().splitlines() for part in web.split("\n### ")[1:]}

    assert {"Django", "Flask", "FastAPI and Starlette"} <= set(parts)
    assert max(len(parts[name]) for name in ("Django", "Flask", "FastAPI and Starlette")) < 25


def test_the_commands_are_those_of_the_command_line() -> None:
    [sentence] = re.findall(r"with these commands: (.*?)\. ", README.read_text(encoding="utf-8"), re.DOTALL)

    assert code_names(sentence) == list(command_line.commands)


@pytest.mark.parametrize(
    "line",
    [
        line
        for page in (README, FAQ)
        for block in blocks(page, "sh")
        for line in block.code.splitlines()
        if line.startswith("openfeature-kameleoon ")
    ],
)
def test_a_command_runs_as_written(line: str, workplace: Path) -> None:
    done = CliRunner().invoke(command_line, shlex.split(line)[1:])

    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert "new_checkout" in done.stdout


# --- reasons and errors -------------------------------------------------------------------------------------


class Case(NamedTuple):
    """An evaluation that shows a situation."""

    flag: str
    context: EvaluationContext | None
    asked: str = "boolean"
    domain: str = "ready"


class Unreadable(list[Any]):
    """What an application may put into a context, and nobody foresaw."""

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("not today")


VISITOR = EvaluationContext("visitor-42")
SITUATIONS: Mapping[str, list[Case]] = {
    "nothing depends on the visitor": [Case("welcome_text", VISITOR, "string")],
    "a delivery to all who match its segment": [Case("new_checkout", EvaluationContext("visitor-42", {"plan": "pro"}))],
    "the variation was forced": [Case("checkout_button", EvaluationContext("tester"), "string")],
    "an experiment, a partial delivery, a holdout or an exclusive group chose": [
        Case("checkout_button", VISITOR, "string"),
        Case("half", EvaluationContext("visitor-44")),
        Case("other_of_group", VISITOR),
        Case("new_checkout", EvaluationContext("visitor-42", {"plan": "pro"}), domain="held out"),
    ],
    "no rule applied, or a partial delivery left the visitor out": [
        Case("new_checkout", VISITOR),
        Case("half", EvaluationContext("visitor-50")),
    ],
    "the flag is switched off in this environment": [Case("black_friday", VISITOR)],
    "no such flag, or no such variable": [
        Case("no_such_flag", VISITOR),
        Case("checkout_button", EvaluationContext("v", {VARIABLE_KEY: "no_such_variable"}), "string"),
        Case("new_checkout", VISITOR, "integer"),
    ],
    "the value is of another type": [Case("welcome_text", VISITOR)],
    "the flag or its variable does not decode": [Case("broken_flag", VISITOR), Case("broken_variable", VISITOR)],
    "no visitor code": [Case("new_checkout", None), Case("new_checkout", EvaluationContext(""))],
    "a bad visitor code or attribute": [
        Case("new_checkout", EvaluationContext("v" * 256)),
        Case("new_checkout", EvaluationContext("v\n")),
        Case("new_checkout", EvaluationContext("v", {"browser": "NETSCAPE"})),
    ],
    "no data file yet": [Case("new_checkout", VISITOR, domain="waiting")],
    "the provider's status is FATAL": [Case("new_checkout", VISITOR, domain="fatal")],
    "anything else": [Case("new_checkout", EvaluationContext("v", {"plan": Unreadable()}))],
}

DEFAULTS: Mapping[str, Any] = {"boolean": True, "string": "the caller's", "integer": -1}


def made_data_file() -> dict[str, Any]:
    """The examples' flags, and what is only to be had in stranger ones."""
    data_file: dict[str, Any] = json.loads((EXAMPLES / "flags.json").read_bytes())
    switch = {
        "environmentEnabled": True,
        "defaultVariationKey": "off",
        "variations": [{"key": "off"}, {"key": "on"}],
    }
    entry = {"variationKey": "on", "variationId": 399, "exposition": 1.0}
    half = {"id": 199, "type": "TARGETED_DELIVERY", "exposition": 0.5, "experimentId": 299}
    broken = {"key": "broken", "variables": [{"key": "v", "type": "JSON", "value": "{"}]}
    group = {**switch, "mutuallyExclusiveGroup": "group"}
    data_file["featureFlags"] += [
        {"featureKey": "half", **switch, "rules": [{**half, "variationByExposition": [entry]}]},
        {"featureKey": "broken_flag", "environmentEnabled": True, "variations": 7},
        {"featureKey": "broken_variable", **switch, "defaultVariationKey": "broken", "variations": [broken]},
        {"featureKey": "other_of_group", "id": 98, **group},
        {"featureKey": "one_of_group", "id": 99, **group},
    ]
    return data_file


@pytest.fixture
def providers(tmp_path: Path) -> Iterator[None]:
    """A provider for each domain of the cases."""

    def provider(name: str) -> KameleoonProvider:
        configuration = KameleoonClientConfiguration(data_file=tmp_path / name, multi_threading=False)
        return KameleoonProvider("a8st4f59bj", configuration)

    data_file = made_data_file()
    all_held_out = {"variationKey": "in-holdout", "variationId": 499, "exposition": 1.0}
    holdout = {"experimentId": 999, "variationByExposition": [all_held_out]}
    (tmp_path / "ready").write_text(json.dumps(data_file), encoding="utf-8")
    (tmp_path / "held out").write_text(json.dumps({**data_file, "holdout": holdout}), encoding="utf-8")
    ready = provider("ready")
    api.set_provider_and_wait(ready, domain="ready")
    ready.client.set_forced_variation("tester", experiment_id=202, variation_key="discount")
    api.set_provider_and_wait(provider("held out"), domain="held out")
    with pytest.raises(ProviderFatalError):
        api.set_provider_and_wait(provider("missing"), domain="fatal")

    yield

    api.shutdown()


def answer(case: Case) -> FlagEvaluationDetails[Any]:
    default = DEFAULTS[case.asked]
    if case.domain == "waiting":  # the client has its own answer for a provider that was never initialized
        waiting = KameleoonProvider("a8st4f59bj", KameleoonClientConfiguration(data_file="missing"))
        resolved = getattr(waiting, f"resolve_{case.asked}_details")(case.flag, default, case.context)
        return FlagEvaluationDetails(case.flag, **vars(resolved))
    flags: OpenFeatureClient = api.get_client(domain=case.domain)
    details: FlagEvaluationDetails[Any] = getattr(flags, f"get_{case.asked}_details")(case.flag, default, case.context)
    return details


@pytest.mark.parametrize("row", table(README, "Situation"), ids=lambda row: row[0])
@pytest.mark.usefixtures("providers")
def test_a_situation_has_the_reason_and_the_error_of_the_table(row: list[str]) -> None:
    situation, value, reason, error_code = row

    answers = [answer(case) for case in SITUATIONS[situation]]

    for case, details in zip(SITUATIONS[situation], answers, strict=True):
        assert str(details.reason) == reason.strip("`"), case
        assert str(details.error_code or "") == error_code.strip("`"), case
        is_callers = details.variant is None
        assert is_callers == (value == "caller's"), case
        assert not is_callers or details.value == DEFAULTS[case.asked], case


def test_every_situation_of_the_cases_is_in_the_table() -> None:
    assert set(SITUATIONS) == {row[0] for row in table(README, "Situation")}


@pytest.mark.usefixtures("providers")
def test_the_metadata_named_are_those_given() -> None:
    configuration = KameleoonClientConfiguration(
        data_file=EXAMPLES / "flags.json", environment="staging", multi_threading=False
    )
    provider = KameleoonProvider("a8st4f59bj", configuration)
    api.set_provider_and_wait(provider)
    provider.client.set_forced_variation("tester", experiment_id=202, variation_key="discount")
    [sentence] = re.findall(r"`flag_metadata` holds (.*?)as far as", README.read_text("utf-8"), re.DOTALL)

    given = api.get_client().get_string_details("checkout_button", "", EvaluationContext("tester")).flag_metadata

    assert set(code_names(sentence)) == set(given)
