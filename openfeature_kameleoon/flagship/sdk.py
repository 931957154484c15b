"""What a process's Flagship is: the environment in use, who is told of things, and the rules of values.

One object stands behind ``Flagship``'s methods, and visitors of 3.x look at it each time: they outlive a new start.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..forking import renew_after_fork
from .config import Config, FlagshipConfig
from .engine.values import RECOMMENDED, Typing
from .log_manager import FlagshipLogManager, Log, LogLevel, ManagerLog
from .status_listener import Status

if TYPE_CHECKING:
    from .environment import Environment

__all__ = ["Sdk"]


class Sdk:
    """The environment in use, and the configuration that it was made of."""

    def __init__(self) -> None:
        self.environment: Environment | None = None
        self.config: FlagshipConfig | None = None
        self.legacy_config: Config | None = None
        self.log: Log = ManagerLog(FlagshipLogManager(), LogLevel.ALL)
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: locks of its own."""
        self.starting = threading.RLock()  # one start or stop at a time
        self._lock = threading.Lock()  # for moments

    @property
    def status(self) -> Status:
        """What can be done now."""
        environment = self.environment
        return Status.NOT_INITIALIZED if environment is None else environment.status

    @property
    def typing(self) -> Typing:
        """Which defaults a flag's value fits."""
        return RECOMMENDED if self.config is None else self.config.typing

    def replace(
        self,
        environment: Environment | None,
        log: Log | None = None,
        *,
        config: FlagshipConfig | None = None,
        legacy: Config | None = None,
    ) -> None:
        """Use another one from now on, and stop the one before in bounded time; without ``log`` the last one stays."""
        with self._lock:
            before, self.environment = self.environment, environment
            self.config, self.legacy_config = config, legacy
            self.log = log or self.log
        if before is not None:
            before.stop()
