"""Accounts: the people who work with Kameleoon, and what they may do (spec 4.1)."""

from __future__ import annotations

from datetime import datetime

from ..rest.fields import CREATE, REQUIRED, WRITE, Record, always, field
from ..rest.operations import DOCUMENTED, OBSERVED, Resource
from .verbs import Creates, Deletes, Gets, Lists, Updates

__all__ = ["Account", "Accounts", "Role"]


class Role(Record):
    """What an account may do, for which customers and sites."""

    name = always(
        str,
        WRITE,
        values="ROLE_KAMELEOON_FULL_ADMIN ROLE_KAMELEOON_ADMIN ROLE_CUSTOMER_ADMIN ROLE_SITE_ADMIN"
        " ROLE_SITE_PRODUCTION ROLE_SITE_TECHNICAL ROLE_SITE_MARKETING ROLE_SITE_DEMO ROLE_SITE_ABTESTS_RESTRICTED"
        " ROLE_SITE_AUTO_PROMO_PERSO_ONLY",
    )
    customers = field(list[int], WRITE)
    sites = field(list[int], WRITE)
    privileges = field(list[str], WRITE, note="`<ACTION>_<OBJECT>`, as `CREATE_GOAL`")


class Account(Record):
    """A person's account."""

    id = always(int)
    email = always(str, REQUIRED | WRITE)
    first_name = field(str, REQUIRED | WRITE)
    last_name = field(str, REQUIRED | WRITE)
    password = field(str, REQUIRED, is_secret=True)
    password_confirm = field(str, REQUIRED, is_secret=True)
    preferred_locale = field(str, WRITE, values="en fr de")
    status = field(str, WRITE, values="CREATED ACTIVATED DEACTIVATED")
    roles = field(list[Role], WRITE)
    solutions = field(list[str], WRITE, values="WEB_EXPERIMENTATION FEATURE_EXPERIMENTATION")
    is_product_reco_allowed = field(bool, CREATE)
    team_id = field(int)
    image_url = field(str, wire="imageURL")
    is_password_expired = field(bool)
    password_blocked = field(bool, note="too many logins failed")
    am_client_id = field(str, is_secret=True, note="the account's own API credentials")
    am_client_secret = field(str, is_secret=True)
    date_created = field(datetime)


class Accounts(Resource):
    """People who work with Kameleoon, across the customer's sites."""

    list = Lists("/accounts", Account, DOCUMENTED)
    create = Creates("/accounts", Account, DOCUMENTED)
    get = Gets("/accounts/{account_id}", Account, OBSERVED)
    update = Updates("/accounts/{account_id}", Account, DOCUMENTED)
    delete = Deletes("/accounts/{account_id}", Account, OBSERVED)
