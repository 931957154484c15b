"""How bytes move: the one place that imports requests."""
