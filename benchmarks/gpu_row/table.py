"""One table beside the paper's: a row a system, blocks whose rows share their test users, tests under them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calrec_recbole.report.cells import TableRow
from calrec_recbole.report.differences import differences
from calrec_recbole.report.paper_rows import PaperRows, paper_rows
from calrec_recbole.report.rows import KEYS, METRICS, Row
from calrec_recbole.report.shared import Shared, shared
from calrec_recbole.report.statistics import compared
from calrec_recbole.report.tables import metric_table
from gpu_row.bench import MODEL, Bench
from gpu_row.systems import ABLATION, ALONE, STAGES, UNTUNED, System

__all__ = ["Block", "blocks_of", "markdown", "numbers"]

COLUMNS = (*(metric.title for metric in METRICS), "users", "training, min", "test, min", "device")


@dataclass(frozen=True)
class Block:
    """``beside``: a system's name -> its row in the paper's ``tables``; all of their rows stand in the block."""

    title: str
    systems: Sequence[System]
    tables: Sequence[int]
    reference: System
    beside: Mapping[str, str] = field(default_factory=dict)

    def paper(self, dataset: str) -> PaperRows:
        rows: PaperRows = {}
        for number in self.tables:
            rows |= paper_rows(number, dataset)
        return rows

    def shared(self, bench: Bench) -> Shared:
        """Its rows on the users that all of them share; one that is not there says why."""
        return shared([_row(bench, system, self.beside.get(system.name, "")) for system in self.systems])


def blocks_of(stages: bool, ablate: bool) -> list[Block]:
    """What the phases of the same call fill."""
    joint, both = STAGES
    equal_second, equal_all, _, plain = ABLATION
    first = [both, ALONE] if stages else [ALONE]
    blocks = [Block("Table 2", first, (2,), first[0], {first[0].name: "CALRec"})]
    if ablate:
        beside = {both.name: "CALRec", equal_second.name: "w/o Multi-Category Joint Fine-Tuning (A)"}
        beside |= {joint.name: "w/o Category-Specific Fine-Tuning (B)", plain.name: "w/o Contrastive Alignment"}
        blocks.append(Block("Table 3", [both, equal_second, equal_all, joint, plain], (3,), both, beside))
    beside = {UNTUNED[0].name: "PaLM-2 XXXS", UNTUNED[1].name: "PaLM-2 XXS, GPT4Rec's template"}
    return [*blocks, Block("Tables 5 and 6", UNTUNED, (5, 6), UNTUNED[0], beside)]


def _row(bench: Bench, system: System, paper: str) -> Row:
    if bench.has_run(system.name):
        return Row(system.label, MODEL, bench.dataset, [bench.read(system.name)], paper=paper)
    return Row(system.label, MODEL, bench.dataset, [], _why_not(bench, system), paper)


def _why_not(bench: Bench, system: System) -> str:
    for phase in (f"train-{system.name}", f"test-{system.name}"):
        record = bench.record(phase)
        if "state" in record:
            return f"{record['state']}: {record['told']}"
    return "not reached"


def numbers(blocks: Sequence[Block], bench: Bench) -> list[dict[str, Any]]:
    """What the table says, for programs: a list of blocks, each with its rows' metrics on the users that they share."""
    return [
        {"block": block.title, "users": found.users, "rows": [_numbers(row) for row in found.rows]}
        for block in blocks
        for found in [block.shared(bench)]
    ]


def _numbers(row: Row) -> dict[str, Any]:
    if not row.runs:
        return {"system": row.label, "left_out": row.error}
    (run,) = row.runs
    return {"system": row.label, "metrics": {key: row.value(key) for key in KEYS}, "run": run.folder.name}


def markdown(blocks: Sequence[Block], bench: Bench, tests: bool) -> str:
    """Headed blocks in GitHub's Markdown; ``tests``: with the paired tests, which take seconds."""
    parts = []
    for block in blocks:
        found = block.shared(bench)
        parts.append(f"## {bench.dataset}, beside {block.title} of the paper")
        rows = metric_table(found.rows, block.paper(bench.dataset), whole=len(block.tables) > 1 or block.tables[0] != 2)
        ours = {row.label: row for row in found.rows}
        parts.append(
            "\n".join([_bar(["", *COLUMNS]), _bar(["-"] * (1 + len(COLUMNS))), *(_line(row, ours) for row in rows)])
        )
        parts += [f"{line.removesuffix('.')}." for line in (found.told, *found.notes) if line]
        parts += [_tests(found.rows, block.reference.label)] if tests else []
    return "\n\n".join(part for part in parts if part)


def _line(row: TableRow, ours: Mapping[str, Row]) -> str:
    """A row of the table; the paper's are in italics."""
    if row.kind != "ours":
        return _bar([f"*{row.label} (paper)*", *_cells(row), *[""] * (len(COLUMNS) - len(METRICS))])
    own = ours[row.label]
    if not own.runs:
        return _bar([row.label, own.error.replace("|", "\\|"), *[""] * (len(COLUMNS) - 1)])
    (run,) = own.runs
    tested = int(run.environment["users"]["test"])
    minutes = f"{run.train_seconds / 60:.1f}", f"{run.test_milliseconds * tested / 60_000:.1f}"
    return _bar([row.label, *_cells(row), f"{tested:,}", *minutes, str(run.environment["devices"]["name"])])


def _cells(row: TableRow) -> list[str]:
    return [cell.opt.text if cell.alike else f"{cell.opt.text}/{cell.pes.text}" for cell in row.cells]


def _tests(rows: Sequence[Row], reference: str) -> str:
    """Each row minus the reference; empty where there is nothing to compare."""
    finished = [row for row in rows if row.runs]
    if len(finished) < 2 or reference not in {row.label for row in finished}:
        return ""
    found = differences(compared(finished, reference), reference)
    lines = [
        f"Minus {reference}, and p of the paired t-test and of the permutation test, Holm's correction over the block:"
    ]
    for label, pairs in found.items():
        told = [
            f"{metric.title} {pair.value} ({pair.t_p}, {pair.permutation_p})"
            for metric, both in zip(METRICS, pairs, strict=True)
            for pair in [both[1]]
        ]
        lines.append(f"- {label}: {', '.join(told)}")
    return "\n".join(["", *lines, "", "Pessimistic metrics; the optimistic ones are in the correction too."]).strip()


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
