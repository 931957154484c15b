"""The resources of Optimizely's Classic REST API v1, field by field (spec 5); what belongs to others comes first.

All stays as the server has it: dates are text, ids numbers, audience conditions JSON text.
"""

from __future__ import annotations

from typing import Any

from .objects import Children, CreateOnly, Deletable, Editable, Entity, Id, Required, Row, Unsupported

__all__ = [
    "Audience",
    "Dimension",
    "Experiment",
    "Goal",
    "Project",
    "Result",
    "Schedule",
    "Stat",
    "TargetingList",
    "Variation",
]


class Variation(Deletable, parent="experiment"):
    """What some of an experiment's visitors see (spec 5.5)."""

    experiment_id: int
    project_id: int
    description: Required[str]  # its name
    weight: Editable[int | None]  # basis points; those of an experiment add up to 10000
    js_component: Editable[str]
    is_paused: Editable[bool]
    section_id: int | None
    created: str


class Schedule(Deletable, parent="experiment"):
    """When an experiment starts and stops by itself; at least one of the two must be given (spec 5.4)."""

    experiment_id: int
    status: str  # ACTIVE, INACTIVE
    start_time: Editable[str | None]
    stop_time: Editable[str | None]


class _Measured(Row):
    variation_id: str  # of several sections joined by _
    variation_name: str
    goal_id: int
    goal_name: str
    baseline_id: str
    begin_time: str
    end_time: str
    visitors: int
    conversions: int
    conversion_rate: float  # not of revenue goals
    status: str  # winner, loser, inconclusive, baseline
    improvement: float
    difference: float
    is_revenue: bool
    revenue: float  # of revenue goals alone, as the next
    revenue_per_visitor: float


class Result(_Measured):
    """A variation's figures on one goal, by the classical t-test (spec 5.3)."""

    confidence: float


class Stat(_Measured):
    """A variation's figures on one goal, by sequential statistics; of experiments since 21 January 2015."""

    statistical_significance: float
    difference_confidence_interval_min: float
    difference_confidence_interval_max: float
    visitors_until_significance: int
    visitors_until_statistically_significant: int


class Goal(Deletable, parent="project"):
    """What counts as a conversion (spec 5.6)."""

    project_id: int
    title: Required[str]
    goal_type: Required[int]  # 0 click, 1 custom event, 2 engagement, 3 page views, 4 revenue
    description: Editable[str]
    archived: Editable[bool]
    addable: Editable[bool]
    experiment_ids: Editable[list[int]]
    selector: Editable[str | None]
    target_to_experiments: Editable[bool | None]
    target_urls: Editable[list[str]]
    target_url_match_types: Editable[list[int]]  # 1 exact, 2 regular expression, 3 simple, 4 substring
    urls: Editable[list[str]]
    url_match_types: Editable[list[int]]
    event: CreateOnly[str | None]
    is_editable: bool | None
    created: str
    last_modified: str


class Audience(Entity, parent="project"):
    """Visitors who are alike (spec 5.7, 6)."""

    project_id: int
    name: Required[str]
    description: Editable[str]
    conditions: Editable[str]
    segmentation: Editable[bool]
    archived: bool
    created: str
    last_modified: str

    delete = Unsupported("audiences cannot be deleted through the API; archive them in the product")


class Dimension(Deletable, parent="project"):
    """What the site's own code tells of a visitor (spec 5.8)."""

    project_id: int
    name: Required[str]
    client_api_name: Editable[str | None]
    description: Editable[str]
    last_modified: str


class TargetingList(Deletable, parent="project"):
    """An uploaded list; each change sends it whole, ``list_content`` included, which no answer holds (spec 5.9)."""

    path = "targeting_lists"

    project_id: int
    account_id: int
    name: Required[str]
    description: Editable[str]
    list_type: Required[int]  # 1 cookies, 2 query parameters, 3 zip codes
    key_fields: Required[str]
    list_content: Required[str]
    format: Required[str]  # csv


NARROWED = ("audience_id", "dimension_id", "dimension_value")


class Experiment(Deletable, parent="project"):
    """An A/B test: for whom, where, what, and measured by which goals (spec 5.2)."""

    project_id: int
    description: Required[str]  # its name
    edit_url: Required[str]
    details: str
    status: Editable[str]  # Not started, Running, Paused, Archived
    experiment_type: Editable[str]
    is_multivariate: bool
    activation_mode: Editable[str]  # immediate, manual, conditional
    conditional_code: str | None
    percentage_included: Editable[int]  # basis points
    url_conditions: Editable[list[dict[str, Any]]]
    audience_ids: Editable[list[int]]
    variation_ids: list[int]
    custom_css: Editable[str]
    custom_js: Editable[str]
    display_goal_order_lst: list[int]
    primary_goal_id: int | None
    shareable_results_link: str
    auto_allocated: bool
    created: str
    last_modified: str

    variations = Children(Variation)
    schedules = Children(Schedule)
    results = Children(Result, takes=NARROWED)
    stats = Children(Stat, takes=NARROWED)

    def add_goal(self, goal_id: Id) -> None:
        """Measure the goal on this experiment; ``display_goal_order_lst`` here is stale until ``refresh``."""
        own = self._id()
        goal = Goal(self.client, goal_id)
        self._measure(goal, list(dict.fromkeys([*goal.experiment_ids, own])))

    def remove_goal(self, goal_id: Id) -> None:
        """Measure the goal no longer on this experiment; no error when it is not."""
        own = self._id()
        goal = Goal(self.client, goal_id)
        self._measure(goal, [one for one in goal.experiment_ids if one != own])

    def _measure(self, goal: Goal, experiment_ids: list[int]) -> None:
        self.client.Goals.update(goal.id, {"experiment_ids": experiment_ids})


class Project(Entity):
    """What has one script to put on its pages: experiments, goals, audiences and dimensions (spec 5.1)."""

    account_id: int
    project_name: Required[str]
    project_status: Editable[str]  # Active, Archived
    code_revision: int
    include_jquery: Editable[bool]
    library: str
    js_file_size: int | None
    project_javascript: Editable[str | None]
    enable_force_variation: Editable[bool]
    exclude_disabled_experiments: Editable[bool]
    exclude_names: Editable[bool | None]
    ip_anonymization: Editable[bool]
    ip_filter: Editable[str | None]
    socket_token: str
    dcp_service_id: int | None
    created: str
    last_modified: str

    experiments = Children(Experiment)
    goals = Children(Goal)
    audiences = Children(Audience)
    dimensions = Children(Dimension)
    targeting_lists = Children(TargetingList)
    delete = Unsupported("projects cannot be deleted; archive it: project.project_status = 'Archived', and save")
