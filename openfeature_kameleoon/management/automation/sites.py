"""Sites, which the web application calls projects (spec 4.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..rest.fields import REQUIRED, WRITE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .verbs import Creates, Deletes, Gets, Lists, Replaces, Updates

__all__ = ["ExperimentConfig", "IntegrationTool", "PersonalizationConfig", "Site", "Sites"]

CONSENT = "OFF REQUIRED INTERACTIVE IABTCF"
AFTER_OPTOUT = "RUN BLOCK"
BEFORE_CONSENT = "NONE PARTIALLY ALL"


class ExperimentConfig(Record):
    """A site's settings for experiments."""

    is_editor_launched_by_shortcut = field(bool, WRITE)
    is_kameleoon_reporting_enabled = field(bool, WRITE)
    custom_variation_selection_script = field(str, WRITE)
    min_wining_reliability = field(int, WRITE, note="spelt so; the reliability from which on a variation wins")
    abtest_consent = field(str, WRITE, values=CONSENT)
    abtest_consent_optout = field(str, WRITE, values=AFTER_OPTOUT)
    before_abtest_consent = field(str, WRITE, values=BEFORE_CONSENT)


class PersonalizationConfig(Record):
    """A site's settings for personalizations."""

    personalizations_deviation = field(float, WRITE)
    is_same_type_personalization_enabled = field(bool, WRITE)
    is_same_jquery_injection_allowed = field(bool, WRITE)
    personalization_consent = field(str, WRITE, values=CONSENT)
    personalization_consent_optout = field(str, WRITE, values=AFTER_OPTOUT)
    before_personalization_consent = field(str, WRITE, values=BEFORE_CONSENT)


class Site(Record):
    """A site or an application; most calls need its ``id``, feature flags its ``code``."""

    id = always(int)
    code = always(str, note="10 characters; in the web application under Admin > Projects")
    name = always(str, REQUIRED | WRITE)
    url = field(str, REQUIRED | WRITE, note="absolute")
    description = field(str, WRITE)
    type = field(str, WRITE, values="SITE SITE_JS SITE_SDK APPLICATION")
    site_type = field(str, WRITE, values="ECOMMERCE MEDIA OTHER", note="in `audience_config` in older answers")
    domain_names = field(list[str], WRITE)
    tracking_script = field(str, WRITE, note="JavaScript of the whole site")
    behavior_when_timeout = field(str, WRITE, values="RUN DISABLE_FOR_PAGE DISABLE_FOR_VISIT")
    data_storage = field(str, WRITE, values="STANDARD_COOKIE LOCAL_STORAGE CUSTOM_COOKIE")
    indicators = field(list[str], WRITE, values="RETENTION_RATE NUMBER_OF_PAGES_SEEN DWELL_TIME")
    capture_event_method = field(str, WRITE, values="CLICK MOUSEDOWN MOUSEUP")
    is_script_active = field(bool, WRITE)
    is_audience_used = field(bool, WRITE)
    is_kameleoon_enabled = field(bool, WRITE)
    main_goal = field(int, WRITE)
    experiment_config = field(ExperimentConfig, WRITE)
    personalization_config = field(PersonalizationConfig, WRITE)
    audience_config = field(dict[str, Any], WRITE)
    date_created = field(datetime)


class IntegrationTool(Record):
    """A tool that a site's results are sent to."""

    name = always(str)
    settings = field(dict[str, Any])


class Sites(Resource):
    """Sites of the account; one access token reaches all that the account may reach."""

    list = Lists("/sites", Site, DOCUMENTED)
    get = Gets("/sites/{site_id}", Site, OBSERVED)
    get_by_code = Gets("/sites/byCode/{site_code}", Site, OBSERVED)
    create = Creates("/sites", Site, OBSERVED)
    replace = Replaces("/sites/{site_id}", Site, OBSERVED)
    update = Updates("/sites/{site_id}", Site, OBSERVED)
    delete = Deletes("/sites/{site_id}", Site, OBSERVED, note="cannot be undone")
    integration_tools = Lists("/sites/{site_id}/integration-tools", IntegrationTool, OBSERVED)
