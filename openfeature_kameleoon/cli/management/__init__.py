"""The vendors' management APIs on the command line: lists, exports and results, a group of commands for each."""

from .groups import automation, optimizely, split

__all__ = ["automation", "optimizely", "split"]
