"""The Split Admin API (Harness FME) and the Harness platform, with the documented names of ``splitapiclient``.

An example of the vendor's documentation runs as written but for its import lines:

=================================================  ============================================================
``from splitapiclient...``                         ``from openfeature_kameleoon.management.split...``
=================================================  ============================================================
``main import get_client``                         ``main import get_client``
``util.exceptions import SplitException``          ``exceptions import SplitException``
``util.bulk_result import BulkOperationResult``    ``resources import BulkOperationResult``
``resources import Workspace, treatment``          ``resources import Workspace, treatment``
``resources.harness import Token``                 ``resources.harness import Token``
=================================================  ============================================================

What those examples only claim is put right: section 10 of the specification lists how.
"""

from .exceptions import SplitException
from .main import HarnessClient, SplitClient, get_client

__all__ = ["HarnessClient", "SplitClient", "SplitException", "get_client"]
