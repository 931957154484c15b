"""What sites keep besides: tags, key moments, key pages, pictures, referrers, widgets, audiences (spec 4.10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import UPDATE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .personalizations import Image
from .verbs import Gets, Lists, Updates

__all__ = [
    "AudienceReport",
    "AudienceStats",
    "Audiences",
    "Detection",
    "Images",
    "KeyMoment",
    "KeyMoments",
    "KeyPage",
    "KeyPages",
    "RecommenderBlock",
    "RecommenderBlocks",
    "Referrer",
    "Referrers",
    "Tag",
    "Tags",
    "Template",
    "Templates",
    "Widget",
    "WidgetTemplates",
    "Widgets",
]


class Tag(Record):
    """A word that things are found by."""

    name = always(str)


class KeyMoment(Record):
    """A moment that counts on a site."""

    id = always(int)
    name = always(str)
    site_id = field(int)


class KeyPage(Record):
    """A page that counts on a site."""

    id = always(int)
    name = always(str)
    site_id = field(int)


class Widget(Record):
    """A widget of the studio."""

    id = always(int)
    name = always(str)
    site_id = field(int)


class RecommenderBlock(Record):
    """A block of recommendations."""

    id = always(int)
    name = always(str)
    site_id = field(int)


class Detection(Record):
    """How a referrer is told."""

    method = field(str, UPDATE)
    parameters = field(str, UPDATE)
    and_ = field(bool, UPDATE, "and")
    and_method = field(str, UPDATE)
    and_parameters = field(str, UPDATE)


class Referrer(Record):
    """Where visitors come from."""

    id = always(int)
    index = field(int)
    site_id = field(int)
    name = always(str, UPDATE)
    priority = field(int, UPDATE)
    tags = field(str, UPDATE, note="one text")
    detections = field(list[Detection], UPDATE)
    date_created = field(datetime)
    modification_date = field(datetime)


class Template(Record):
    """A template of widgets."""

    id = always(int)
    site_id = field(int, UPDATE)
    name = always(str, UPDATE)
    description = field(str, UPDATE)
    type = field(str, UPDATE, values="TEMPLATE")
    status = field(str, UPDATE, values="DRAFT")
    config = field(str, UPDATE)
    template_html_code = field(str, UPDATE)
    template_css_code = field(str, UPDATE)
    template_java_script_code = field(str, UPDATE)
    ui_html_code = field(str, UPDATE)
    ui_css_code = field(str, UPDATE)
    url = field(str, UPDATE)
    theme_id = field(int, UPDATE)
    is_custom_template = field(bool, UPDATE)
    use_custom_data = field(bool, UPDATE)
    widget_editor_template = field(str, UPDATE)
    tags = field(list[str], UPDATE)


class AudienceStats(Record):
    """What a group of visitors did; each figure has a twin ``...Evolution``, in percent, in ``raw``."""

    element_count = field(int)
    conversions = field(int)
    converted_element_count = field(int)
    conversion_rate = field(float)
    revenue = field(float)
    average_revenue_per_element_count = field(float)
    average_revenue_per_conversion = field(float)
    average_conversion_per_element_count = field(float)


class AudienceReport(Record):
    """What an audience did, once ``status`` is READY; WAITING and ERROR have no ``data``."""

    status = always(str, values="ERROR READY WAITING")
    data = field(dict[str, Any], note="`startDateTime`, `endDateTime` (exclusive), `analyticsLevel` and statistics")

    @property
    def global_stats(self) -> AudienceStats | None:
        """What all visitors did."""
        return AudienceStats(self.data["globalStats"]) if self.data else None

    @property
    def segment_stats(self) -> list[AudienceStats]:
        """What each segment did."""
        return [AudienceStats(one) for one in self.data.get("segmentStats", ())] if self.data else []


class Tags(Resource):
    """Words that things are found by."""

    list = Lists(
        "/tags",
        Tag,
        OBSERVED,
        needs=("type",),
        note="`type`: EXPERIMENT, FEATURE, PERSONALIZATION, SEGMENT, GOAL, WIDGET, STUDIO_THEME, TEAM, IMAGE,"
        " AI_EXPLORATION_SCOPE, KEY_MOMENT",
    )


class KeyMoments(Resource):
    """Moments that count."""

    list = Lists("/key-moments", KeyMoment, OBSERVED)


class KeyPages(Resource):
    """Pages that count."""

    list = Lists("/key-pages", KeyPage, OBSERVED)


class Images(Resource):
    """Pictures of the library."""

    list = Lists("/images", Image, OBSERVED)


class Referrers(Resource):
    """Where visitors come from."""

    list = Lists("/referrers", Referrer, OBSERVED)
    update = Updates("/referrers/{referrer_id}", Referrer, DOCUMENTED)


class Templates(Resource):
    """Templates of widgets."""

    list = Lists("/templates", Template, OBSERVED)
    update = Updates("/templates/{template_id}", Template, DOCUMENTED)


class Widgets(Resource):
    """Widgets of the studio."""

    list = Lists("/widget-studio", Widget, OBSERVED)


class WidgetTemplates(Resource):
    """Templates of the studio."""

    list = Lists("/widget-studio-templates", Widget, OBSERVED)


class RecommenderBlocks(Resource):
    """Blocks of recommendations."""

    list = Lists("/studio-recommender-blocks", RecommenderBlock, OBSERVED)


class Audiences(Resource):
    """Reports on audiences; how one is asked for is not known, only how it is polled."""

    poll = Gets("/audiences/poll", AudienceReport, DOCUMENTED, needs=("dataCode",))
