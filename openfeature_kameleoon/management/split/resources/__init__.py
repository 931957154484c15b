"""The objects of the Split API.

What flag definitions are made of also goes by the documented modules: ``treatment.Treatment``, ``bucket.Bucket``,
``matcher.Matcher``, ``condition.Condition``, ``rule.Rule``, ``default_rule.DefaultRule``.
"""

from . import harness
from . import values as bucket
from . import values as condition
from . import values as default_rule
from . import values as matcher
from . import values as rule
from . import values as treatment
from .flags import ChangeRequest, Split, SplitDefinition
from .people import APIKey, Group, User
from .schema import Attribute, BulkOperationResult, Identity, TrafficType
from .segments import (
    LargeSegment,
    LargeSegmentDefinition,
    RuleBasedSegment,
    RuleBasedSegmentDefinition,
    Segment,
    SegmentDefinition,
)
from .values import Bucket, Condition, DefaultRule, Matcher, Rule, Treatment
from .workspaces import Environment, FlagSet, Restriction, Workspace

__all__ = [
    "APIKey",
    "Attribute",
    "Bucket",
    "BulkOperationResult",
    "ChangeRequest",
    "Condition",
    "DefaultRule",
    "Environment",
    "FlagSet",
    "Group",
    "Identity",
    "LargeSegment",
    "LargeSegmentDefinition",
    "Matcher",
    "Restriction",
    "Rule",
    "RuleBasedSegment",
    "RuleBasedSegmentDefinition",
    "Segment",
    "SegmentDefinition",
    "Split",
    "SplitDefinition",
    "TrafficType",
    "Treatment",
    "User",
    "Workspace",
    "bucket",
    "condition",
    "default_rule",
    "harness",
    "matcher",
    "rule",
    "treatment",
]
