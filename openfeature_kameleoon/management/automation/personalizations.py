"""Personalizations: content for a segment, without an A/B test (spec 4.5)."""

from __future__ import annotations

from datetime import datetime

from ..rest.fields import CREATE, REQUIRED, UPDATE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .verbs import Creates, Gets, Lists, Updates

__all__ = ["Image", "ImageInPage", "Personalization", "Personalizations"]


class Image(Record):
    """A picture of the library."""

    id = always(int)
    file_name = field(str)
    file_weight = field(float, note="kB")
    format = field(str, values="PNG JPEG GIF SVG MVG WEB")
    height = field(int)
    alt_text = field(str)
    base_color = field(str)
    color_depth = field(int)
    created_by_id = field(int)
    date = field(datetime)
    description = field(str)


class ImageInPage(Record):
    """A picture where a personalization shows it."""

    dom_element_selector = field(str)
    height = field(int)
    html_content = field(str)
    image = field(Image)


class Personalization(Record):
    """Content for a segment."""

    id = always(int)
    site_id = always(int, REQUIRED)
    name = always(str, REQUIRED | UPDATE)
    base_url = field(str, CREATE | UPDATE, "baseURL")
    description = field(str, UPDATE)
    java_script_code = field(str, UPDATE)
    css_code = field(str, UPDATE)
    global_script = field(str, UPDATE)
    is_archived = field(bool, UPDATE)
    main_goal_id = field(int, UPDATE)
    meta_read_only = field(str, UPDATE)
    tags = field(list[str], UPDATE)
    goals = field(list[int], UPDATE, note="empty in reads unless in `optional_fields`")
    category = field(str)
    format = field(str)
    status = always(str, read=str.upper)
    attribution_window = field(int)
    custom_exposition_rate = field(float, note="share of the segment that sees it")
    check_conditions_rule = field(str, values="ALL_CONDITIONS CUMULATIVE_WEIGHT")
    collecting_data_enabled = field(bool)
    created_by = field(int)
    capping_per_visitor_expositions = field(bool)
    capping_per_visitor_exposed_visits = field(bool)
    capping_per_visitor_convert_goal = field(bool)
    capping_per_visitor_goal_id = field(int)
    exposed_visits_same_visitor_max = field(int)
    exposition_frequency_delay = field(int)
    global_capping_number_visitors = field(bool)
    global_capping_visitors_config = field(
        str, values="NUMBER_VISITORS NUMBER_VISITORS_CONVERT_GOAL NUMBER_VISITORS_NOT_CONVERT_GOAL"
    )
    global_capping_goal_id = field(int)
    image_in_page = field(ImageInPage)
    variation_id = field(int, note="its content")
    variation_ids = field(list[int], note="its content, in other answers")
    date_created = field(datetime)
    date_modified = field(datetime)
    date_started = field(datetime)
    date_ended = field(datetime)
    date_status_modified = field(datetime)


class Personalizations(Resource):
    """Content for segments."""

    list = Lists("/personalizations", Personalization, DOCUMENTED)
    get = Gets("/personalizations/{personalization_id}", Personalization, DOCUMENTED)
    create = Creates("/personalizations", Personalization, OBSERVED)
    update = Updates("/personalizations/{personalization_id}", Personalization, DOCUMENTED)
