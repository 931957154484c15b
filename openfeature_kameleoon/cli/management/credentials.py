"""Where a vendor's credentials come from: environment variables, else the system's keyring; never arguments.

The keyring has them under the names of the environment variables. The library ``keyring`` comes with the extra
``management``, and is looked at when the environment does not suffice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...settings import Secret
from ...transport.foreign_text import printable
from ..output import fail

__all__ = ["AUTOMATION", "OPTIMIZELY", "SERVICE", "SPLIT", "Credentials", "Name", "Way"]

SERVICE = "openfeature-kameleoon"
"""What the keyring calls us."""

EXTRA = "pip install 'openfeature-kameleoon[management]'"


@dataclass(frozen=True, slots=True)
class Name:
    """One value, by its environment variable; what is no secret may be seen while it is typed."""

    variable: str
    prompt: str
    is_secret: bool = True


@dataclass(frozen=True, slots=True)
class Way:
    """Values that let in together."""

    kind: str
    names: tuple[Name, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables."""
        return tuple(name.variable for name in self.names)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The ways into one vendor's API; the first one that is there whole is taken."""

    vendor: str
    title: str
    ways: tuple[Way, ...]

    def find(self, *kinds: str) -> dict[str, Secret]:
        """The values of a way, of these kinds if any are named, by variable.

        Fails with all that could be done when there is none.
        """
        ways = [way for way in self.ways if not kinds or way.kind in kinds]
        names = [name for way in ways for name in way.variables]
        held = {name: Secret(text) for name in names if (text := os.environ.get(name, "").strip())}
        if found := _first_whole(ways, held):
            return found
        kept, trouble = self._kept(name for name in names if name not in held)
        held |= kept
        return _first_whole(ways, held) or fail(self._advice(ways, held, trouble))

    def keep(self, values: Mapping[str, Secret]) -> None:
        """Put values into the keyring, in place of all that it has of this vendor. Fails where it cannot."""
        keyring = _needed_keyring()
        self.forget()
        try:
            for name, secret in values.items():
                keyring.set_password(SERVICE, name, secret.reveal())
        except keyring.errors.KeyringError as error:
            fail(_told("written", error))

    def forget(self) -> list[str]:
        """Take all that there is of this vendor out of the keyring; answers what there was. Fails where it cannot."""
        keyring = _needed_keyring()
        gone = []
        try:
            for name in self.variables:
                if keyring.get_password(SERVICE, name) is not None:
                    keyring.delete_password(SERVICE, name)
                    gone.append(name)
        except keyring.errors.KeyringError as error:
            fail(_told("changed", error))
        return gone

    @property
    def variables(self) -> tuple[str, ...]:
        """All environment variables, each once."""
        return tuple(dict.fromkeys(name for way in self.ways for name in way.variables))

    def _kept(self, names: Iterable[str]) -> tuple[dict[str, Secret], str]:
        """What the keyring has of these, and why it cannot be asked, if so."""
        keyring = _keyring()
        if keyring is None:
            return {}, f"the keyring needs: {EXTRA}"
        try:
            texts = {name: keyring.get_password(SERVICE, name) for name in names}
        except keyring.errors.KeyringError as error:
            return {}, _told("read", error)
        return {name: Secret(text) for name, text in texts.items() if text}, ""

    def _advice(self, ways: Sequence[Way], held: Mapping[str, Secret], trouble: str) -> str:
        named = ", or ".join(" and ".join(way.variables) for way in ways)
        told = [f"no credentials for {self.title}"]
        missing = [name for way in ways if held.keys() & set(way.variables) for name in way.variables]
        if absent := [name for name in missing if name not in held]:
            told.append(f"{', '.join(absent)} is missing")
        told.append(f"set {named} in the environment, or store them: openfeature-kameleoon {self.vendor} login")
        return "; ".join([*told, trouble] if trouble else told)


def _first_whole(ways: Sequence[Way], held: Mapping[str, Secret]) -> dict[str, Secret]:
    found = (way.variables for way in ways if held.keys() >= set(way.variables))
    return {name: held[name] for name in next(found, ())}


def _keyring() -> Any:
    """The library, ``None`` where it is not installed."""
    try:
        import keyring  # noqa: PLC0415  # an extra, and slow to load
        import keyring.errors  # noqa: PLC0415  # the same
    except ModuleNotFoundError:
        return None
    return keyring


def _needed_keyring() -> Any:
    keyring = _keyring()
    if keyring is None:
        fail(f"the keyring needs: {EXTRA}")
    return keyring


def _told(done: str, error: Exception) -> str:
    reason = str(error).partition(".")[0] or type(error).__name__
    return f"the keyring cannot be {done}: {printable(reason)}"


AUTOMATION = Credentials(
    "automation",
    "Kameleoon's Automation API",
    (
        Way(
            "client",
            (
                Name("KAMELEOON_CLIENT_ID", "Client id", is_secret=False),
                Name("KAMELEOON_CLIENT_SECRET", "Client secret"),
            ),
        ),
        Way("token", (Name("KAMELEOON_ACCESS_TOKEN", "Access token"),)),
    ),
)
SPLIT = Credentials(
    "split",
    "Split's Admin API",
    (
        Way("api-key", (Name("SPLIT_ADMIN_API_KEY", "Admin API key"),)),
        Way("harness", (Name("HARNESS_TOKEN", "Harness token"),)),
    ),
)
OPTIMIZELY = Credentials("optimizely", "Optimizely's API", (Way("token", (Name("OPTIMIZELY_TOKEN", "Token"),)),))
