"""What stands below a table on how its rows came to be: training that a budget ended, commits of the code."""

from collections.abc import Sequence

from calrec_recbole.evaluation.score_files import list_notes
from calrec_recbole.report.rows import Row
from calrec_recbole.report.tables.cost_table import is_trained

__all__ = ["STOPPED", "row_notes", "ties_note"]

STOPPED = "†"  # behind the label of a row that its budget of epochs or steps ended
LEAST = 0.0005  # of the targets; fewer would be 0.0 %
UNRECORDED = "an unrecorded commit"


def row_notes(rows: Sequence[Row]) -> list[str]:
    """A line on the rows that were stopped, one on those without a curve, those on the rows of given lists, one on the
    commits.
    """
    of_lists = [line for row in rows for line in list_notes(row.runs[0].metrics.get("given_lists", {}), row.label)]
    return [line for line in (_stopped(rows), _unknown(rows), *of_lists, _commits(rows)) if line]


def ties_note(rows: Sequence[Row]) -> str:
    """``Targets that tie: LIR 74.8 % (over 76.1 items).``, of all seeds; empty where it would be 0.0 %."""
    told = [
        f"{row.label} {100 * found['tied']:.1f} % (over {found['tied_items']:.1f} items)"
        for row in rows
        if (found := row.ties) and found["tied"] >= LEAST
    ]
    return f"Targets that tie: {', '.join(told)}." if told else ""


def _stopped(rows: Sequence[Row]) -> str:
    names = _joined([row for row in rows if row.stopped])
    return f"{STOPPED} Stopped by the budget of epochs or steps, not by patience: {names}." if names else ""


def _unknown(rows: Sequence[Row]) -> str:
    """Rows that were trained for epochs, of which no validation was kept."""
    by_epochs = [row for row in rows if is_trained(row) and row.runs[0].step_name == "epoch"]
    names = _joined([row for row in by_epochs if not all(run.curve.steps for run in row.runs)])
    return f"How the training ended is unknown, as no learning curve is there: {names}." if names else ""


def _commits(rows: Sequence[Row]) -> str:
    """``Code: LIR, SASRec of 8ffa42e; the other rows of 56a5b6b.``; empty where no row has a commit."""
    of_commit: dict[str, list[Row]] = {}
    for row in rows:
        commits = dict.fromkeys(run.commit for run in row.runs)
        of_commit.setdefault(", ".join(one or UNRECORDED for one in commits), []).append(row)
    if set(of_commit) <= {UNRECORDED}:
        return ""
    most = max(of_commit, key=lambda commit: len(of_commit[commit]))
    told = [f"{_joined(own)} of {commit}" for commit, own in of_commit.items() if commit != most]
    rest = f"{'the other' if told else 'all'} rows of {most}"
    return f"Code: {'; '.join([*told, rest])}."


def _joined(rows: Sequence[Row]) -> str:
    return ", ".join(row.label for row in rows)
