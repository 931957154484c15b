"""``validate``: the problems of data files, one per line, and an exit status for continuous integration."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click

from ..errors import KameleoonError
from ..transport.foreign_text import printable
from .checks import Finding, check
from .output import output_option, write_json
from .source import Source, source_or_files_options

__all__ = ["validate"]

CLEAN, PROBLEMS, UNUSABLE = 0, 1, 2
SHOWN_FLAGS = 3


@dataclass(slots=True)
class Report:
    """What was found in one data file; ``error`` is why it cannot be used at all."""

    file: str
    error: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> int:
        """How many findings are no mere warnings."""
        return sum(not finding.is_warning for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many are."""
        return len(self.findings) - self.problems

    def status(self, *, is_strict: bool) -> int:
        """The exit status that this file alone would give."""
        if self.error is not None:
            return UNUSABLE
        return PROBLEMS if self.problems or (is_strict and self.warnings) else CLEAN

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return {
            "file": self.file,
            "error": self.error,
            **self.counts,
            "problems": self.problems,
            "warnings": self.warnings,
            "findings": [
                {
                    "severity": "warning" if finding.is_warning else "problem",
                    "path": finding.path,
                    "flags": list(finding.flags),
                    "message": finding.message,
                }
                for finding in self.findings
            ],
        }


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@source_or_files_options
@click.option("--strict", is_flag=True, help="Let warnings count as problems.")
@output_option
@click.pass_context
def validate(context: click.Context, files: tuple[str, ...], source: Source | None, strict: bool, output: str) -> None:
    """Check data files, for people and pipelines.

    FILE may be - for stdin; without FILE, the options name one. Exit status 0: nothing wrong. 1: problems. 2: a file
    that cannot be used at all.
    """
    if source is None:
        reports = [_report(name, _reader(name)) for name in files]
    else:
        reports = [_report(source.name, source.fetch)]
    if output == "json":
        write_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            _write(report)
    context.exit(max(report.status(is_strict=strict) for report in reports))


def _reader(name: str) -> Callable[[], bytes]:
    return sys.stdin.buffer.read if name == "-" else Source(name, None).fetch


def _report(name: str, read: Callable[[], bytes]) -> Report:
    report = Report("stdin" if name == "-" else name)
    try:
        index, report.findings = check(read())
    except KameleoonError as error:
        report.error = error.message
    else:
        report.counts = {"flags": len(index.flags), "segments": len(index.segments)}
    return report


def _write(report: Report) -> None:
    name = printable(report.file)
    for finding in report.findings:
        where = "".join(f"{part}: " for part in (name, _flags(finding.flags), finding.path) if part)
        severity = click.style("warning: ", fg="yellow") if finding.is_warning else ""
        click.echo(f"{printable(where, 1000)}{severity}{printable(finding.message, 1000)}")
    if report.error is not None:
        click.secho(f"{name}: unusable: {printable(report.error, 1000)}", fg="red")
        return
    told = ", ".join(
        _count(number, what) for what, number in (("problem", report.problems), ("warning", report.warnings)) if number
    )
    found = ", ".join(_count(number, what.removesuffix("s")) for what, number in report.counts.items())
    click.secho(f"{name}: {found}: {told or 'nothing wrong'}", fg="red" if report.problems else "green")


def _flags(keys: tuple[str, ...]) -> str:
    if not keys:
        return ""
    shown = ", ".join(repr(key) for key in keys[:SHOWN_FLAGS])
    more = f" and {len(keys) - SHOWN_FLAGS} more" if len(keys) > SHOWN_FLAGS else ""
    return f"flag{'s' if len(keys) > 1 else ''} {shown}{more}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
