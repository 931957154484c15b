"""Experiments and campaigns of v2 with their results, and jobs that start and stop them (spec 12)."""

from __future__ import annotations

from typing import Any

from ...rest.fields import CREATE, REQUIRED, WRITE, field
from .records import Entity, Own, SnakeRecord
from .verbs import Archives, Creates, Exports, Gets, Lists, Measures, Registry, Updates

__all__ = [
    "Campaign",
    "Campaigns",
    "Experiment",
    "Experiments",
    "Metric",
    "Report",
    "Results",
    "ScheduledJob",
    "ScheduledJobs",
    "Variation",
]

STATUSES = "not_started running paused archived concluded campaign_paused"


class Variation(SnakeRecord):
    """What some of an experiment's visitors see; a member of its experiment."""

    variation_id = field(int)
    name = field(str, WRITE)
    key = field(str, WRITE)
    weight = field(int, WRITE, note="basis points")
    status = field(str, WRITE)
    actions = field(list[dict[str, Any]], WRITE, note="their `changes` hold the `js_component` of v1")
    feature_enabled = field(bool, WRITE)
    variable_values = field(dict[str, Any], WRITE)


class Metric(SnakeRecord):
    """How an event counts for an experiment."""

    event_id = field(int, WRITE)
    aggregator = field(str, WRITE)
    scope = field(str, WRITE)
    winning_direction = field(str, WRITE, values="increasing decreasing")


class Experiment(Entity):
    """An experiment; its status is changed by what it does: ``start``, ``pause``, ..."""

    project_id = field(int, REQUIRED)
    campaign_id = field(int, CREATE)
    key = field(str, WRITE)
    name = field(str, REQUIRED | WRITE, note="`description` of v1")
    description = field(str, WRITE, note="the hypothesis, `details` of v1")
    type = field(str, CREATE)
    status = field(str, values=STATUSES)
    traffic_allocation = field(int, WRITE, note="basis points")
    holdback = field(int, WRITE, note="basis points")
    audience_conditions = field(str, WRITE, note="`everyone`, or JSON text over audience ids")
    page_ids = field(list[int], WRITE)
    url_targeting = field(dict[str, Any], WRITE)
    variations = field(list[Variation], WRITE)
    metrics = field(list[Metric], WRITE, note="what it is measured by: the goals of v1")
    schedule = field(dict[str, Any], WRITE, note="`start_time`, `stop_time`, `time_zone`")
    created = field(str)
    last_modified = field(str)

    start = Own()
    pause = Own()
    resume = Own()
    publish = Own()
    unarchive = Own()
    delete = Own()
    results = Own()


class Results(SnakeRecord):
    """An experiment's figures, by metric and variation."""

    experiment_id = field(int)
    start_time = field(str)
    end_time = field(str)
    metrics = field(list[dict[str, Any]])
    reach = field(dict[str, Any], note="how many visitors saw each variation")


class Report(SnakeRecord):
    """What came of an experiment; all of it is in ``raw``."""

    experiment_id = field(int)


SHORT = "the specification gives the last word of its path"


class Experiments(Registry):
    """Experiments of a project."""

    list = Lists("/experiments", Experiment, needs=("project_id",))
    get = Gets("/experiments/{experiment_id}", Experiment)
    create = Creates("/experiments", Experiment)
    update = Updates("/experiments/{experiment_id}", Experiment)
    start = Updates("/experiments/{experiment_id}?action=start", Experiment)
    pause = Updates("/experiments/{experiment_id}?action=pause", Experiment)
    resume = Updates("/experiments/{experiment_id}?action=resume", Experiment)
    publish = Updates("/experiments/{experiment_id}?action=publish", Experiment)
    unarchive = Updates("/experiments/{experiment_id}?action=unarchive", Experiment)
    delete = Archives("/experiments/{experiment_id}", Experiment)
    results = Measures("/experiments/{experiment_id}/results", Results)
    timeseries = Measures("/experiments/{experiment_id}/timeseries", Results, note=SHORT)
    report = Measures("/experiments/{experiment_id}/report", Report, note=SHORT)
    export = Exports("/export/experiments/{experiment_id}/results/csv", Results, note=SHORT)


class Campaign(Entity):
    """Experiments that are shown and prioritised together."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    description = field(str, WRITE)
    type = field(str, CREATE)
    status = field(str, values=STATUSES)
    holdback = field(int, WRITE, note="basis points")
    experiment_ids = field(list[int])
    experiment_priorities = field(list[list[int]], WRITE)
    page_ids = field(list[int], WRITE)
    metrics = field(list[Metric], WRITE)
    created = field(str)
    last_modified = field(str)

    delete = Own()


class Campaigns(Registry):
    """Campaigns of a project."""

    list = Lists("/campaigns", Campaign, needs=("project_id",))
    get = Gets("/campaigns/{campaign_id}", Campaign)
    create = Creates("/campaigns", Campaign)
    update = Updates("/campaigns/{campaign_id}", Campaign)
    delete = Archives("/campaigns/{campaign_id}", Campaign)


class ScheduledJob(Entity):
    """A start or stop that is to come."""

    project_id = field(int)
    experiment_id = field(int)
    action = field(str)
    scheduled_time = field(str)
    status = field(str)


class ScheduledJobs(Registry):
    """What is going to start and stop; an experiment's own ``schedule`` is where it is said."""

    list = Lists("/scheduled-jobs", ScheduledJob, needs=("project_id",))
