"""One display for all runs of a comparison: a line a run with its state, its time and the newest line of its log."""

import re
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from calrec_recbole.comparison.plan import PlannedRun

__all__ = ["Progress"]

STYLES = {
    "waiting": "dim",
    "submitted": "cyan",
    "running": "bold cyan",
    "reused": "green",
    "done": "green",
    "failed": "bold red",
}
UNDER_WAY = ("submitted", "running")
REFRESH_SECONDS = 0.5
TAIL_BYTES = 4000

_LOGGED = re.compile(r"^[\d-]+ [\d:,]+ (?:INFO|WARNING) (.*)$")


class Progress:
    """Shows a table that stays in its place on a terminal, elsewhere one line whenever a run changes its state."""

    def __init__(self, names: list[str], console: Console | None = None) -> None:
        self.console = console or Console()
        self.states = dict.fromkeys(names, "waiting")
        self.runs: dict[str, PlannedRun] = {}
        self.started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self._refreshed = 0.0
        self._live = Live(self._table(), console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()
            self.console.print(self._table())

    def tell(self, name: str, state: str, run: PlannedRun) -> None:
        self.states[name], self.runs[name] = state, run
        if state in UNDER_WAY:
            self.started[name] = time.monotonic()
        elif name in self.started:
            self.seconds[name] = time.monotonic() - self.started[name]
        if not self.console.is_terminal:
            spent = f" after {_clock(self.seconds[name])}" if name in self.seconds else ""
            told = f": {run.error or run.folder}" if state not in UNDER_WAY else ""
            self.console.print(f"{name} {state}{spent}{told}", markup=False, highlight=False, soft_wrap=True)
        self._refreshed = 0.0
        self.refresh()

    def refresh(self) -> None:
        now = time.monotonic()
        if self.console.is_terminal and now - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = now
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        count = {state: list(self.states.values()).count(state) for state in STYLES}
        said = ", ".join(f"{number} {state}" for state, number in count.items() if number)
        table = Table(
            "run", "state", "time", "newest", title=said, box=None, padding=(0, 2, 0, 0), title_justify="left"
        )
        for name, state in self.states.items():
            seconds = self.seconds.get(name)
            if state in UNDER_WAY:
                seconds = time.monotonic() - self.started[name]
            newest = Text(self._newest(name, state), no_wrap=True, overflow="ellipsis")
            table.add_row(Text(name), Text(state, STYLES[state]), _clock(seconds), newest)
        return table

    def _newest(self, name: str, state: str) -> str:
        run = self.runs.get(name)
        if run is None or state == "waiting":
            return ""
        if run.error:
            return run.error
        return newest_line(run.folder / "log.txt") if state in UNDER_WAY and run.folder else str(run.folder)


def newest_line(log: Path) -> str:
    """The last line of a run's log that carries a time, without the time; empty where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            tail = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    logged = [found[1] for line in tail.splitlines() if (found := _LOGGED.match(line))]
    return logged[-1] if logged else ""


def _clock(seconds: float | None) -> str:
    """``75.2`` -> ``1:15``."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
