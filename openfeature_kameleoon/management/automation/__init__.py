"""Kameleoon's Automation API: sites, experiments, goals, segments, custom data, feature flags, results, accounts.

Needs nothing that the package does not need anyway. Calls wait on the thread that makes them.
"""

from .client import Automation
from .filters import where
from .oauth import AccessToken, AuthorizationRefused, ClientCredentials, OAuthApplication, UserTokens
from .results import Results, ResultsFailed, VariationResult
from .segments import Condition, all_of, any_of

__all__ = [
    "AccessToken",
    "AuthorizationRefused",
    "Automation",
    "ClientCredentials",
    "Condition",
    "OAuthApplication",
    "Results",
    "ResultsFailed",
    "UserTokens",
    "VariationResult",
    "all_of",
    "any_of",
    "where",
]
