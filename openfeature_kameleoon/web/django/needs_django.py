"""Django, which all of this package needs: whoever lacks it is told what to install, and nothing else happens here."""

try:
    import django as django
except ImportError as error:
    raise ImportError("Django is needed: pip install 'openfeature-kameleoon[django]'") from error
