"""Who gets what of a Flagship environment: pure decisions, without I/O, clock, threads or logging."""
