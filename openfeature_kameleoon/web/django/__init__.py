"""Kameleoon as a Django application: ``openfeature_kameleoon.web.django`` in ``INSTALLED_APPS``, its middleware beside.

``KAMELEOON_SITE_CODE`` and the other rows of ``web.setup.SETTINGS`` stand in Django's settings.
"""

from .middleware import KameleoonMiddleware

__all__ = ["KameleoonMiddleware"]
