"""Experiments, their variations, and what joins them to segments (spec 4.3, 4.4, 4.11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import CREATE, REQUIRED, UPDATE, WRITE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .results import RequestsResults
from .verbs import Copies, Creates, Deletes, Gets, Lists, Replaces, Searches, Updates

__all__ = [
    "AllocationMethod",
    "Experiment",
    "Experiments",
    "Prompt",
    "Redirection",
    "TargetingRule",
    "TargetingRules",
    "TrackingTool",
    "Variation",
    "Variations",
]

AllocationMethod = "MANUAL MULTI_ARMED_BANDIT CONTEXTUAL_BANDIT"
TARGETING = "ALL_VISITORS AUTOPROMO_AUTODEFINED GRAPHICAL_PAGES HEAT_SLICE PAGE SAVED_TEMPLATE SITE URL"


class TrackingTool(Record):
    """A tool that an experiment's results are sent to."""

    name = field(str, WRITE, note="as `GOOGLE_ANALYTICS4`; `type` in older answers")
    custom_variable = field(int, WRITE)
    universal_analytics_dimension = field(int, WRITE)
    adobe_omniture_object = field(str, WRITE)
    com_score_customer_id = field(str, WRITE)
    com_score_domain = field(str, WRITE)
    content_square_url = field(str, WRITE)
    custom_integrations = field(list[str], WRITE)
    eulerian_user_centric_parameter = field(str, WRITE)
    reporting_script = field(str, WRITE)


class Experiment(Record):
    """An A/B test on a site."""

    id = always(int)
    name = always(str, REQUIRED | WRITE)
    site_id = always(int, REQUIRED)
    base_url = field(str, REQUIRED | WRITE, "baseURL", note="page opened in the editor and in preview")
    type = field(
        str, WRITE, values="AI CLASSIC DEVELOPER FEATURE_FLAG MVT PROMPT SDK_HYBRID", note="may not stick in an update"
    )
    description = field(str, WRITE)
    site_code = field(str, CREATE)
    status = always(
        str,
        values="DRAFT ACTIVE PAUSED STOPPED DEACTIVATED DEVIATED USED_AS_PERSONALIZATION ARCHIVED PLANNED",
        note="changed by `action` in an update; read in upper case",
        read=str.upper,
    )
    deviations = field(dict[str, float], WRITE, note="share of traffic by variation id, `origin` for the page itself")
    respool_time = field(dict[str, float], WRITE, note="epoch seconds of the last change of a share, by variation id")
    traffic_allocation_method = field(str, WRITE, values=AllocationMethod)
    auto_optimized = field(bool, WRITE, note="superseded by `traffic_allocation_method`")
    goals = field(list[int], WRITE, note="empty in reads unless in `optional_fields`")
    main_goal_id = field(int, WRITE, note="should be in `goals` too")
    tags = field(list[str], WRITE, note="empty in reads unless in `optional_fields`")
    targeting_configuration = field(str, WRITE, values=TARGETING, note="`SAVED_TEMPLATE` is a saved segment")
    targeting_segment_id = field(int, WRITE)
    targeting_rule = field(dict[str, Any], WRITE)
    common_java_script_code = field(str, WRITE, note="of all variations")
    common_css_code = field(str, WRITE)
    global_script = field(str, WRITE, note="of this experiment, after the site's own")
    collecting_data_enabled = field(bool, CREATE)
    execute_code_for_reference = field(bool, CREATE)
    is_legacy_editor = field(bool, CREATE)
    is_multiple_testing_correction = field(bool, WRITE)
    mvt_variations = field(list[dict[str, Any]], CREATE)
    mvt_allocation_settings = field(dict[str, Any], CREATE)
    tracking_tools = field(list[TrackingTool], WRITE)
    identification_key = field(str, UPDATE)
    variations = field(list[int], UPDATE, note="ids; replaced as a whole")
    is_archived = field(bool)
    created_by = field(int)
    date_created = field(datetime)
    date_modified = field(datetime)
    date_started = field(datetime)
    date_ended = field(datetime)
    date_status_modified = field(datetime)
    date_collecting_data_stopped = field(datetime)


class Experiments(Resource):
    """A/B tests.

    A new one is a draft that owns one variation. What ``Variations.create`` makes is not part of it until an update
    sends the whole list of ``variations``, with ``deviations`` that cover it.
    """

    list = Lists("/experiments", Experiment, DOCUMENTED)
    create = Creates("/experiments", Experiment, DOCUMENTED)
    get = Gets("/experiments/{experiment_id}", Experiment, DOCUMENTED)
    update = Updates(
        "/experiments/{experiment_id}",
        Experiment,
        DOCUMENTED,
        takes=("action",),
        note="`action` changes the status: ACTIVATE, PAUSE, RESUME, STOP, SCHEDULE, DEACTIVATE",
    )
    clone = Copies("/experiments/{experiment_id}/clone", Experiment, DOCUMENTED, note="a fresh draft")
    delete = Deletes("/experiments/{experiment_id}", Experiment, OBSERVED, note="a draft or a stopped one alone")
    restart = Copies("/experiments/restart/{experiment_id}", Experiment, OBSERVED, note="a stopped one")
    request_results = RequestsResults("/experiments/{experiment_id}/results", DOCUMENTED)


class Prompt(Record):
    """What a variation was made of by words."""

    text_input = field(str, REQUIRED | WRITE)
    prompt_source = field(str, WRITE)


class Redirection(Record):
    """Where a variation sends its visitors."""

    type = field(str, WRITE, values="GLOBAL_REDIRECTION PARAMETER_REDIRECTION")
    url = field(str, WRITE, note="of a global one")
    parameters = field(str, WRITE, note="of the other, as `a=1&b=2`")
    include_query_parameters = field(bool, WRITE)


class Variation(Record):
    """One version of a page; the original page is none, but `origin` in deviations and `0` in results."""

    id = always(int)
    name = always(str, REQUIRED | WRITE)
    site_id = always(int, REQUIRED)
    experiment_id = field(int, WRITE, note="ignored in a creation")
    personalization_id = field(int)
    js_code = field(str, WRITE)
    css_code = field(str, WRITE)
    is_js_code_after_dom_ready = field(bool, WRITE, note="true by default")
    shadow_dom = field(bool, WRITE)
    prompt = field(Prompt, WRITE)
    color = field(int, CREATE, note="in the editor")
    custom_json = field(str, CREATE)
    force_no_flicker = field(bool, CREATE)
    redirection = field(Redirection, CREATE)
    redirection_strings = field(str, CREATE, note="superseded by `redirection`")
    widget_template_input = field(str, CREATE, note="JSON as text")
    exposition_frequency_same_visit = field(int, CREATE)
    exposition_frequency_same_visitor = field(int, CREATE)
    exposition_frequency_delay_seconds_between_two_expositions = field(int, CREATE, note="seconds")
    exposition_frequency_same_visitor_delay_seconds = field(int, CREATE, note="seconds")
    creation_mode = field(str, values="CODE_BASE WIDGET")
    generated_js_code = field(str, note="of the visual editor")
    generated_css_code = field(str, note="of the visual editor")
    ai_builder = field(bool)


class Variations(Resource):
    """Versions of pages, of experiments and personalizations."""

    list = Lists("/variations", Variation, OBSERVED)
    create = Creates("/variations", Variation, DOCUMENTED)
    get = Gets("/variations/{variation_id}", Variation, DOCUMENTED)
    update = Updates("/variations/{variation_id}", Variation, DOCUMENTED)
    replace = Replaces("/variations/{variation_id}", Variation, OBSERVED)
    delete = Deletes("/variations/{variation_id}", Variation, OBSERVED)
    search = Searches("/variations/search", Variation, OBSERVED)


class TargetingRule(Record):
    """Joins a segment (who) and a trigger (where and when) to an experiment."""

    id = always(int)
    site_id = always(int, REQUIRED)
    segment_configuration = field(str, CREATE, values=TARGETING)
    segment_id = field(int, CREATE)
    trigger_configuration = field(str, CREATE, values=TARGETING.replace("ALL_VISITORS ", ""))
    trigger_id = field(int, CREATE)
    targeting_configuration_param = field(
        str, CREATE, note="URL for `PAGE`, part of one for `URL`, segment id for `SAVED_TEMPLATE` and `HEAT_SLICE`"
    )


class TargetingRules(Resource):
    """Who sees an experiment, where and when; there is no way to delete one."""

    list = Lists("/targeting-rules", TargetingRule, DOCUMENTED)
    create = Creates("/targeting-rules", TargetingRule, DOCUMENTED, needs=("experimentId",))
