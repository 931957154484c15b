"""Vendors' management APIs on one declarative REST core: Kameleoon Automation, Split / Harness, Optimizely.

Each is imported by itself (``management.automation``, ``management.split``, ``management.optimizely``); none is ever
imported by the provider. Calls wait for their answers, on the thread that makes them.
"""
