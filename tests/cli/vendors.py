"""What tests of the vendors' commands share: a keyring in memory, and an environment without credentials."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from openfeature_kameleoon.cli.management.credentials import AUTOMATION, OPTIMIZELY, SPLIT

__all__ = ["Vault", "vault"]

SETTINGS = (
    *("KAMELEOON_API_URL", "SPLIT_ADMIN_URL", "SPLIT_ADMIN_URL_V3", "HARNESS_URL", "OPTIMIZELY_URL"),
    *("HARNESS_ACCOUNT_ID", "HARNESS_ORG_ID", "HARNESS_PROJECT_ID", "OPTIMIZELY_API"),
)


class Vault(KeyringBackend):
    """A keyring that lasts as long as a test; ``error`` is what it raises, if anything."""

    priority = 0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring's own
        self.held: dict[tuple[str, str], str] = {}
        self.error: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """An empty keyring, and no credentials and settings in the environment."""
    for name in (*AUTOMATION.variables, *SPLIT.variables, *OPTIMIZELY.variables, *SETTINGS):
        monkeypatch.delenv(name, raising=False)
    before, made = keyring.get_keyring(), Vault()
    keyring.set_keyring(made)

    yield made

    keyring.set_keyring(before)
