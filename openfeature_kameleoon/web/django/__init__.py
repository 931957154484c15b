"""Kameleoon as a Django application: ``openfeature_kameleoon.web.django`` in ``INSTALLED_APPS``, and its middleware.

``KAMELEOON_SITE_CODE`` and the other rows of ``web.setup.SETTINGS`` stand in Django's settings.
"""

from . import needs_django as needs_django
