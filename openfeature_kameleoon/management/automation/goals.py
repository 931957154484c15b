"""Goals: what counts as a conversion (spec 4.6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import CREATE, REQUIRED, WRITE, Record, always, field
from ..rest.operations import OBSERVED, Resource
from .experiments import TrackingTool
from .verbs import Creates, Deletes, Gets, Lists, Replaces, Updates

__all__ = ["Goal", "Goals"]


class Goal(Record):
    """What visitors are to do."""

    id = always(int)
    name = always(str, REQUIRED | WRITE)
    site_id = always(int, REQUIRED)
    type = field(
        str,
        REQUIRED,
        values="CLICK CUSTOM SCROLL PAGE_VIEWS URL TIME_SPENT RETENTION_RATE WAREHOUSE RATIO_METRICS",
        note="`CUSTOM` is converted by code, as through an SDK",
    )
    has_multiple_conversions = field(bool, REQUIRED | WRITE, note="each one counts, or at most one per visit")
    status = field(str, WRITE, values="ACTIVE INACTIVE")
    description = field(str, WRITE)
    tags = field(list[str], WRITE)
    tracking_tools = field(list[TrackingTool], CREATE)
    params = field(dict[str, Any], CREATE, note="by type; of a `URL`: `matchString` and `matchType`")
    is_archived = field(bool)
    date_created = field(datetime)
    date_modified = field(datetime)


class Goals(Resource):
    """What counts as a conversion, by site."""

    list = Lists("/goals", Goal, OBSERVED)
    get = Gets("/goals/{goal_id}", Goal, OBSERVED)
    create = Creates("/goals", Goal, OBSERVED)
    replace = Replaces("/goals/{goal_id}", Goal, OBSERVED)
    update = Updates("/goals/{goal_id}", Goal, OBSERVED)
    delete = Deletes("/goals/{goal_id}", Goal, OBSERVED)
