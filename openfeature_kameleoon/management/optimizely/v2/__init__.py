"""Optimizely's Platform API v2 and Flags API, which replaced the Classic v1 (spec 12).

The same registries where there is an endpoint, and new ones; ``client`` has them side by side with those of v1.
"""
