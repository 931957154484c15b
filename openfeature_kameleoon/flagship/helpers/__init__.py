"""Modules under the names that 1.x programs import."""
