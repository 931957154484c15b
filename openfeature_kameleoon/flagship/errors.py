"""The exceptions that Flagship's SDKs name: one tree under ours, 1.x names first, 3.x names where they differ.

```
KameleoonError
└── FlagshipError                           (3.x: FlagshipException)
    ├── InitializationError                 start failed, or the SDK is used before it
    │   └── InitializationParamError        an empty environment id or API key
    ├── TypingError(TypeError)              an argument of a wrong type (3.x: ParamTypeError)
    ├── ParamError(ValueError)              an argument is too long, too small or too large; a hit cannot be sent
    ├── FlagshipParsingError                a decision does not decode
    ├── ContextError
    └── FlagNotFoundException, FlagTypeException, FlagExpositionNotFoundException,
        VisitorCacheFormatException, HitCacheFormatException,
        VisitorCacheTimeoutException, HitCacheTimeoutException      logged, never raised at a user
```
A request that fails is ``RequestFailed``, as everywhere (specs/flagship.md 1.7).
"""

from __future__ import annotations

from ..errors import KameleoonError

__all__ = [
    "ContextError",
    "FlagExpositionNotFoundException",
    "FlagNotFoundException",
    "FlagTypeException",
    "FlagshipError",
    "FlagshipException",
    "FlagshipParsingError",
    "HitCacheFormatException",
    "HitCacheTimeoutException",
    "InitializationError",
    "InitializationParamError",
    "ParamError",
    "ParamTypeError",
    "TypingError",
    "VisitorCacheFormatException",
    "VisitorCacheTimeoutException",
]


class FlagshipError(KameleoonError):
    """Base of what the Flagship SDK raises; ``message`` is safe to log."""


class InitializationError(FlagshipError):
    """The SDK could not be started, or is used before it was."""


class InitializationParamError(InitializationError):
    """It was to be started without an environment id or an API key."""


class TypingError(FlagshipError, TypeError):
    """An argument is of a wrong type; the message names the function, the argument and what is expected."""


class ParamError(FlagshipError, ValueError):
    """An argument is too long, too small or too large, or a hit lacks what it cannot be sent without."""


class FlagshipParsingError(FlagshipError):
    """A decision of the server, or a bucketing file, does not decode."""

    def __init__(self, message: str) -> None:
        super().__init__(f"[FlagshipParsingError] {message}")


class ContextError(FlagshipError):
    """A visitor's context is of a wrong shape; kept for programs that catch it."""


class FlagNotFoundException(FlagshipError):
    """No flag with this key."""


class FlagTypeException(FlagshipError):
    """The flag's value is of another type than the default."""


class FlagExpositionNotFoundException(FlagshipError):
    """The exposure of a flag that does not exist was to be reported."""


class VisitorCacheFormatException(FlagshipError):
    """What a visitor cache holds is no visitor."""


class HitCacheFormatException(FlagshipError):
    """What a hit cache holds is no hit."""


class VisitorCacheTimeoutException(FlagshipError):
    """A visitor cache did not answer in time."""


class HitCacheTimeoutException(FlagshipError):
    """A hit cache did not answer in time."""


FlagshipException = FlagshipError
ParamTypeError = TypingError
