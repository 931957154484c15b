"""The exceptions people catch: one tree, Kameleoon's current names first, 2.x names as aliases.

```
KameleoonError                              (2.x: KameleoonException)
├── ConfigException                         a setting is wrong; no retry helps
│   ├── ConfigFileNotFound                  (2.x: ConfigurationNotFoundException)
│   ├── ConfigCredentialsInvalid            (2.x: CredentialsNotFoundException)
│   └── ConfigSettingInvalid                names the setting, its value and what is allowed
├── SiteCodeIsEmpty
├── Initialization                          no data file could be had yet; later calls may succeed
├── DataFileInvalid                         a data file was refused; the one in use stays
├── RequestFailed                           an HTTP exchange failed; ``retryable`` says whether to try again
├── NotFoundError
│   ├── FeatureNotFound                     (2.x: FeatureConfigurationNotFound)
│   ├── FeatureVariationNotFound            (2.x: VariationConfigurationNotFound)
│   ├── FeatureExperimentNotFound           (2.x: ExperimentConfigurationNotFound)
│   └── FeatureVariableNotFound
├── FeatureError
│   ├── FeatureEnvironmentDisabled
│   ├── FeatureMalformed                    this flag's definition does not decode; the others do
│   └── VariableTypeMismatch                the variable holds another type than the one asked for
├── VisitorCodeInvalid                      (2.x: VisitorCodeNotValid)
│   └── VisitorCodeMissing                  there is none at all
├── VisitorDataInvalid                      names the attribute and the field
└── SiteCodeDisabled, NotTargeted, NotAllocated      2.x experiments only
```
(specs/kameleoon-sdk.md 11.3)
"""

from __future__ import annotations

__all__ = [
    "ConfigCredentialsInvalid",
    "ConfigException",
    "ConfigFileNotFound",
    "ConfigSettingInvalid",
    "ConfigurationNotFoundException",
    "CredentialsNotFoundException",
    "DataFileInvalid",
    "ExperimentConfigurationNotFound",
    "FeatureConfigurationNotFound",
    "FeatureEnvironmentDisabled",
    "FeatureError",
    "FeatureExperimentNotFound",
    "FeatureMalformed",
    "FeatureNotFound",
    "FeatureVariableNotFound",
    "FeatureVariationNotFound",
    "Initialization",
    "KameleoonError",
    "KameleoonException",
    "NotAllocated",
    "NotFoundError",
    "NotTargeted",
    "RequestFailed",
    "SiteCodeDisabled",
    "SiteCodeIsEmpty",
    "VariableTypeMismatch",
    "VariationConfigurationNotFound",
    "VisitorCodeInvalid",
    "VisitorCodeMissing",
    "VisitorCodeNotValid",
    "VisitorDataInvalid",
]


class KameleoonError(Exception):
    """Base of every exception this library raises on purpose; ``message`` is safe to log."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigException(KameleoonError):
    """The configuration cannot be used as it is."""


class ConfigFileNotFound(ConfigException):
    """The configuration file that was asked for is not there."""


class ConfigCredentialsInvalid(ConfigException):
    """A client id without its secret, or the reverse."""


class ConfigSettingInvalid(ConfigException):
    """A setting is unknown or its value is not allowed; ``setting`` is its name."""

    def __init__(self, message: str, *, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class SiteCodeIsEmpty(KameleoonError):
    """A client or provider was asked for without a site code."""


class Initialization(KameleoonError):
    """No data file could be had yet; ``__cause__`` is the last failure. The background goes on trying."""

    @property
    def cause(self) -> BaseException | None:
        """The last failure, by Kameleoon's name for it."""
        return self.__cause__


class DataFileInvalid(KameleoonError):
    """A data file was refused as a whole; the message names what is wrong and where."""


class RequestFailed(KameleoonError):
    """An HTTP exchange failed.

    ``status`` is the HTTP status, or ``None`` when there was no answer; ``retryable`` says whether the same
    request may succeed later, ``timed_out`` that time ran out, or that the client was closed meanwhile.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retryable: bool = True, timed_out: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = retryable
        self.timed_out = timed_out


class NotFoundError(KameleoonError):
    """Something was asked for by a key that the data file does not have."""


class FeatureNotFound(NotFoundError):
    """No feature flag with this key."""


class FeatureVariationNotFound(NotFoundError):
    """No variation with this key or id."""


class FeatureExperimentNotFound(NotFoundError):
    """No experiment with this id."""


class FeatureVariableNotFound(NotFoundError):
    """The variation has no variable with this key."""


class FeatureError(KameleoonError):
    """The feature flag exists but cannot be answered."""


class FeatureEnvironmentDisabled(FeatureError):
    """The flag is switched off in this environment, or the visitor's refusal of consent blocks it."""


class FeatureMalformed(FeatureError):
    """This flag's definition, or the variable asked for, does not decode."""


class VariableTypeMismatch(FeatureError):
    """The variable's value is of another type than the one asked for."""


class VisitorCodeInvalid(KameleoonError):
    """A visitor code is a non-empty string of at most 255 characters without control characters."""


class VisitorCodeMissing(VisitorCodeInvalid):
    """A visitor code is needed, and there is none, or an empty one, or something else than a string."""


class VisitorDataInvalid(KameleoonError):
    """Visitor data of the wrong shape; the message names the attribute and the field."""


class SiteCodeDisabled(KameleoonError):
    """The 2.x experiment belongs to a site that is switched off."""


class NotTargeted(KameleoonError):
    """The visitor does not meet the targeting of the 2.x experiment."""


class NotAllocated(KameleoonError):
    """The visitor meets the targeting of the 2.x experiment but is not part of its traffic."""


KameleoonException = KameleoonError
ConfigurationNotFoundException = ConfigFileNotFound
CredentialsNotFoundException = ConfigCredentialsInvalid
VisitorCodeNotValid = VisitorCodeInvalid
FeatureConfigurationNotFound = FeatureNotFound
VariationConfigurationNotFound = FeatureVariationNotFound
ExperimentConfigurationNotFound = FeatureExperimentNotFound
