"""The command ``openfeature-kameleoon``: asks a data file, explains, checks, and assigns a flag to lists of visitors.

Needs the extra ``cli`` (click and rich). One process, one thread: nothing is followed and nothing is reported.
"""

from .entry import main

__all__ = ["main"]
