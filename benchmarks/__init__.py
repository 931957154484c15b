"""What is claimed about speed, measured beside others: ``python -m benchmarks``. See README.md."""
