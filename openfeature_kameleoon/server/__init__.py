"""A local server that speaks Kameleoon's protocol and OFREP, and shows why a visitor gets what it gets.

Needs the extra ``server`` (Starlette, uvicorn). ``run.LocalServer`` runs it on a thread; the command is ``serve``.
"""
