"""Names of methods that Kameleoon's SDK deprecated or renamed, each with what it became and how to get there.

``KameleoonClient`` looks its missing attributes up here: an alias works as it did and warns ``DeprecationWarning``.
Signatures, results and exceptions are those of specs/kameleoon-sdk.md 11.1 and 11.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .datafile.model import OFF
from .errors import FeatureVariableNotFound, FeatureVariationNotFound
from .visitors.data import UniqueIdentifier

if TYPE_CHECKING:
    from .client import KameleoonClient
    from .cookies import Cookies
    from .views import Variation

__all__ = ["ALIASES", "Alias", "bind_alias"]


class Alias(NamedTuple):
    """What replaces an old method, and a function of the client that does what the old one did."""

    successor: str
    adapter: Callable[..., Any]


def bind_alias(client: KameleoonClient, name: str) -> Callable[..., Any]:
    """The old method of a client. Raises ``AttributeError`` when there never was one of this name."""
    alias = ALIASES.get(name)
    if alias is None:
        raise AttributeError(f"KameleoonClient has no attribute {name!r}")

    def method(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"{name} is deprecated: use {alias.successor}", DeprecationWarning, stacklevel=2)
        return alias.adapter(client, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = alias.adapter.__doc__
    return method


def _variation_key(
    client: KameleoonClient, visitor_code: str, feature_key: str, is_unique_identifier: bool | None = None
) -> str:
    """The key of the visitor's variation."""
    return _variation(client, visitor_code, feature_key, is_unique_identifier).key


def _variable(
    client: KameleoonClient,
    visitor_code: str,
    feature_key: str,
    variable_key: str,
    is_unique_identifier: bool | None = None,
) -> Any:
    """The value of a variable of the visitor's variation."""
    return _value_of(_variation(client, visitor_code, feature_key, is_unique_identifier), variable_key)


def _variation(
    client: KameleoonClient, visitor_code: str, feature_key: str, is_unique_identifier: bool | None
) -> Variation:
    if is_unique_identifier is not None:
        client.add_data(visitor_code, UniqueIdentifier(is_unique_identifier))
    return client.get_variation(visitor_code, feature_key)


def _variation_variables(client: KameleoonClient, feature_key: str, variation_key: str) -> dict[str, Any]:
    """Values of a variation's variables by key, without any visitor."""
    variation = client.get_feature_flag(feature_key).variations.get(variation_key)
    if variation is None:
        raise FeatureVariationNotFound(f"feature flag {feature_key!r:.60} has no variation {variation_key!r:.60}")
    return {key: variable.value for key, variable in variation.variables.items()}


def _variable_when_off(client: KameleoonClient, feature_key: str, variable_key: str) -> Any:
    """The value of a variable of the flag's ``off`` variation, without any visitor."""
    values = _variation_variables(client, feature_key, OFF)
    if variable_key not in values:
        raise FeatureVariableNotFound(f"variation 'off' has no variable {variable_key!r:.60}")
    return values[variable_key]


def _all_variables(client: KameleoonClient, feature_key: str, variation_key: str = OFF) -> dict[str, Any]:
    """Values of a variation's variables by key; those of ``off`` unless told otherwise."""
    return _variation_variables(client, feature_key, variation_key)


def _value_of(variation: Variation, variable_key: str) -> Any:
    variable = variation.variables.get(variable_key)
    if variable is None:
        raise FeatureVariableNotFound(f"variation {variation.key!r:.60} has no variable {variable_key!r:.60}")
    return variable.value


def _feature_list(client: KameleoonClient) -> list[str]:
    """Keys of all flags in the order of the data file, those switched off included."""
    return client.feature_keys()


def _active_feature_list(client: KameleoonClient, visitor_code: str) -> list[str]:
    """Keys of the flags that are active for the visitor; nothing is remembered or reported."""
    return list(_active_features(client, visitor_code))


def _active_features(client: KameleoonClient, visitor_code: str) -> dict[str, Variation]:
    """The active variations of the visitor by flag key; nothing is remembered or reported."""
    return client.peek_variations(visitor_code, only_active=True)


def _obtain_feature_list(
    client: KameleoonClient, visitor_code: str | None = None, only_active: bool = True
) -> list[str]:
    """All flag keys, or with a visitor code those active for it; ``only_active`` never had an effect."""
    return _feature_list(client) if visitor_code is None else _active_feature_list(client, visitor_code)


def _obtain_experiment_list(
    client: KameleoonClient, visitor_code: str | None = None, only_allocated: bool = True
) -> list[int]:
    """All 2.x experiments, or with a visitor code those of the visitor."""
    if visitor_code is None:
        return client.get_experiment_list()
    return client.get_experiment_list_for_visitor(visitor_code, only_allocated)


def _associated_data(client: KameleoonClient, variation_id: int) -> Any:
    """The data that developers attached to a variation of a 2.x experiment."""
    return client.get_variation_associated_data(variation_id)


def _visitor_code(client: KameleoonClient, cookies: Cookies, default_visitor_code: str | None = None) -> str:
    """The visitor code that the cookies hold, or else the default one or a new one."""
    return client.get_visitor_code(cookies, default_visitor_code=default_visitor_code)


def _remote_data(client: KameleoonClient, key: str, timeout: float | None = None) -> Any:
    """The JSON value that is kept under a key; ``None`` when there is none, or the request fails."""
    return client.get_remote_data(key, timeout)


def _is_active(client: KameleoonClient, visitor_code: str, feature_key: str) -> bool:
    """Whether the flag is active for the visitor."""
    return client.is_feature_active(visitor_code, feature_key)


ALIASES: Mapping[str, Alias] = {
    "activate_feature": Alias("is_feature_active", _is_active),
    "get_active_feature_list_for_visitor": Alias("get_variations(only_active=True)", _active_feature_list),
    "get_active_features": Alias("get_variations(only_active=True)", _active_features),
    "get_feature_all_variables": Alias("get_data_file", _all_variables),
    "get_feature_list": Alias("get_data_file", _feature_list),
    "get_feature_variable": Alias("get_variation", _variable),
    "get_feature_variation_key": Alias("get_variation", _variation_key),
    "get_feature_variation_variables": Alias("get_data_file", _variation_variables),
    "obtain_experiment_list": Alias("get_experiment_list", _obtain_experiment_list),
    "obtain_feature_all_variables": Alias("get_data_file", _all_variables),
    "obtain_feature_list": Alias("get_data_file", _obtain_feature_list),
    "obtain_feature_variable": Alias("get_data_file", _variable_when_off),
    "obtain_variation_associated_data": Alias("get_variation_associated_data", _associated_data),
    "obtain_visitor_code": Alias("get_visitor_code", _visitor_code),
    "retrieve_data_from_remote_source": Alias("get_remote_data", _remote_data),
}
