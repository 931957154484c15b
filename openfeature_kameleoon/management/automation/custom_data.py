"""Custom data: what a site knows of its visitors (spec 4.8)."""

from __future__ import annotations

from datetime import datetime

from ..rest.fields import REQUIRED, WRITE, Record, always, field
from ..rest.operations import OBSERVED, Resource
from .verbs import Creates, Deletes, Gets, Lists, Replaces, Updates

__all__ = ["CustomData", "CustomDatas"]


class CustomData(Record):
    """One piece of what is known of a visitor; SDKs and conditions name it by ``index``, this API by ``id``."""

    id = always(int)
    index = field(int)
    name = always(str, REQUIRED | WRITE)
    site_id = always(int, REQUIRED)
    method = field(
        str,
        REQUIRED | WRITE,
        values="CLIENT CUSTOM_CODE GTM SDK TC TEALIUM ADOBE_ANALYTICS",
        note="how it is collected",
    )
    type = field(str, WRITE, values="UNIQUE LIST COUNT_LIST")
    format = field(str, WRITE, values="STRING NUMBER BOOLEAN")
    scope = field(str, WRITE, values="PAGE VISIT VISITOR")
    description = field(str, WRITE)
    is_local_only = field(bool, WRITE)
    gtm_variable_name = field(str, WRITE, note="for `GTM`")
    adobe_analytics_variable_name = field(str, WRITE, note="for `ADOBE_ANALYTICS`")
    custom_eval_code = field(str, WRITE, note="for `CUSTOM_CODE`")
    is_constant = field(bool)
    is_mapping_identifier = field(bool)
    date_created = field(datetime)
    modification_date = field(datetime)


class CustomDatas(Resource):
    """What the sites know of their visitors."""

    list = Lists("/custom-datas", CustomData, OBSERVED)
    create = Creates("/custom-datas", CustomData, OBSERVED)
    get = Gets("/custom-datas/{custom_data_id}", CustomData, OBSERVED)
    replace = Replaces("/custom-datas/{custom_data_id}", CustomData, OBSERVED)
    update = Updates("/custom-datas/{custom_data_id}", CustomData, OBSERVED)
    delete = Deletes("/custom-datas/{custom_data_id}", CustomData, OBSERVED)
