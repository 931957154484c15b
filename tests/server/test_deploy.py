"""What lies in deploy/ says what the command knows; no container is built here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from openfeature_kameleoon import KameleoonClientConfiguration
from openfeature_kameleoon.cli.serve import serve
from openfeature_kameleoon.server.guard import MOST_BODY_BYTES
from openfeature_kameleoon.server.hub import KEEP_ALIVE_SECONDS
from openfeature_kameleoon.server.run import GRACE_SECONDS, LocalServer

CHECKOUT = Path(__file__).resolve().parents[2]
DEPLOY = CHECKOUT / "deploy"
OPTIONS = {name for parameter in serve.params for name in parameter.opts}
VARIABLES = {parameter.envvar for parameter in serve.params if getattr(parameter, "envvar", None)}


def instructions(name: str) -> dict[str, str]:
    """The last of each kind of instruction of a Dockerfile."""
    text = (DEPLOY / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return dict(line.split(" ", 1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line))


def exec_form(instruction: str) -> list[str]:
    command: list[str] = json.loads(instruction[instruction.index("[") :])
    return command


@pytest.fixture
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return content


def test_the_image_runs_serve_as_nobody_special() -> None:
    found = instructions("Dockerfile")
    program, command, *options = exec_form(found["ENTRYPOINT"])

    assert (program, command) == ("openfeature-kameleoon", "serve")
    assert {option for option in options if option.startswith("--")} <= OPTIONS
    assert found["USER"] == "relay"
    assert options[options.index("--port") + 1] == found["EXPOSE"] == "8000"


@pytest.mark.parametrize(("path", "expected"), [("/healthz", 0), ("/nowhere", 1)])
def test_the_health_check_tells(server: LocalServer, path: str, expected: int) -> None:
    _, option, script = exec_form(instructions("Dockerfile")["HEALTHCHECK"])
    script = script.replace("http://127.0.0.1:8000/healthz", server.url + path)
    assert server.url in script

    done = subprocess.run([sys.executable, option, script], capture_output=True, check=False, timeout=30)

    assert done.returncode == expected


def test_the_build_gets_what_it_needs_and_no_more() -> None:
    kept = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }

    assert all((CHECKOUT / name).exists() for name in kept)
    assert {"openfeature_kameleoon", "pyproject.toml", "README.md", "LICENSE"} == kept


def test_compose_gives_the_command_what_it_knows(compose: dict[str, Any]) -> None:
    relay = compose["services"]["relay"]

    assert {word for word in relay["command"] if word.startswith("--")} <= OPTIONS
    assert set(relay["environment"]) <= VARIABLES
    assert relay["deploy"]["replicas"] == 2
    assert (DEPLOY / relay["build"]["context"]).resolve() == CHECKOUT
    assert (CHECKOUT / relay["build"]["dockerfile"]).is_file()
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_file()


def test_the_settings_are_the_clients_and_leave_time_to_end(compose: dict[str, Any]) -> None:
    settings = KameleoonClientConfiguration.from_file(DEPLOY / "client-python.yaml")

    kept = instructions("Dockerfile")["VOLUME"]
    assert str(settings.cache_directory).startswith(kept)
    assert str(settings.tracking_directory).startswith(kept)
    seconds = int(compose["services"]["relay"]["stop_grace_period"].removesuffix("s"))
    assert seconds > GRACE_SECONDS + settings.shutdown_timeout_second


def test_the_balancer_fits_the_relay(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    directives = re.sub(r"#.*", "", text)
    command = compose["services"]["relay"]["command"]
    [host] = re.findall(r"proxy_set_header Host (\S+);", directives)
    [silence] = re.findall(r"proxy_read_timeout (\d+)s;", directives)
    [megabytes] = re.findall(r"client_max_body_size (\d+)m;", directives)

    assert directives.count("{") == directives.count("}")
    assert all(re.search(r"[;{}]$", line.strip()) for line in directives.splitlines() if line.strip())
    assert host == command[command.index("--allowed-host") + 1]
    assert "server relay:8000 " in directives
    assert int(silence) > 2 * KEEP_ALIVE_SECONDS
    assert int(megabytes) << 20 == MOST_BODY_BYTES
    assert "proxy_buffering off;" in directives


def test_the_readmes_command_is_one() -> None:
    [line] = re.findall(r"^KAMELEOON_REDIS_URL=.*$", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    variable, program, command, *options = line.split()

    assert variable.partition("=")[0] in VARIABLES
    assert (program, command) == ("openfeature-kameleoon", "serve")
    assert set(options[::2]) <= OPTIONS
