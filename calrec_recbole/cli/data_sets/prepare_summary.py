"""What `calrec prepare` tells at its end."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["print_summary"]


def _bad_lines(summary: dict[str, Any]) -> Iterator[str]:
    """What was skipped: how many lines of which file, why, and the first line numbers."""
    for source in (summary["reviews"], *summary.get("other_parts", []), summary["metadata"]):
        for reason, found in (source["bad_lines"] if source else {}).items():
            first = ", ".join(str(line) for line in found["first"])
            more = ", ..." if found["lines"] > len(found["first"]) else ""
            yield f"skipped {found['lines']:,} in {source['file']}: {reason} (lines {first}{more})"


def _rows(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    counts, texts = summary["counts"], summary["texts"]
    share = counts["duplicates_dropped"] / counts["raw_events"]
    yield "events in the raw file", f"{counts['raw_events']:,}"
    yield "duplicates dropped", f"{counts['duplicates_dropped']:,} ({share:.1%})"
    yield f"users below {summary['settings']['min_user_events']} events", f"{counts['short_users_dropped']:,}"
    if counts["users_not_sampled"]:
        yield "users not sampled", f"{counts['users_not_sampled']:,}"
    for name in ("users", "items", "events"):
        yield f"[bold]{name}[/bold]", f"[bold]{counts[name]:,}[/bold]"
    if texts["items_without_metadata"]:
        yield "items without metadata", f"{texts['items_without_metadata']:,}"
    yield "items that lack", ", ".join(f"{name} {n:,}" for name, n in texts["missing"].items() if n) or "nothing"
    if texts["only_markup"]:
        yield "  because it was only markup", ", ".join(f"{name} {n:,}" for name, n in texts["only_markup"].items())
    if texts["cut"]:
        yield "texts cut at 100,000 characters", ", ".join(f"{name} {n:,}" for name, n in texts["cut"].items())


def _official_split(found: dict[str, Any]) -> str:
    """What our split makes of the official one."""
    counts = "/".join(f"{count:,}" for count in found["events"])
    if found["kind"] == "timestamp":
        cuts = f"--split=global_time --global_time_shares={found['global_time_shares']} cuts at the same two times"
        return f"official split: timestamp, {counts} events; {cuts}"
    same = f"split=leave_one_out validates and tests the same events of {found['users_as_leave_one_out']:,}"
    return f"official split: last_out, {counts} events; {same} of {found['users']:,} users"


def print_summary(summary: dict[str, Any], folder: Path, seconds: float) -> None:
    """Prints the summary of ``prepare`` with bad lines, time and peak memory (MiB of this process)."""
    table = Table(title=f"{summary['settings']['name']} -> {folder}", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for row in _rows(summary):
        table.add_row(*row)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.add_row("seconds, peak memory", f"{seconds:.1f} s, {peak:.0f} MiB")
    console = Console()
    console.print(table)
    if "official_split" in summary:
        console.print(_official_split(summary["official_split"]), soft_wrap=True, highlight=False, markup=False)
    for line in _bad_lines(summary):
        console.print(line, style="yellow", soft_wrap=True, highlight=False, markup=False)
