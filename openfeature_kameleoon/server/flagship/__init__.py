"""Flagship for local work: bucketing file, decision API, activations and hits; beside Kameleoon or instead of it.

Needs the extras ``server`` and ``flagship``, and is imported when there is a bucketing file to serve.
"""
