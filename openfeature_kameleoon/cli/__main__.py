"""``python -m openfeature_kameleoon.cli`` is the command ``openfeature-kameleoon``."""

from .entry import main

if __name__ == "__main__":
    main()
