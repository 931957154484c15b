"""Who gets what: pure decisions, without I/O, clock, threads or logging."""
