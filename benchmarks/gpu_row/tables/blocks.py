"""The blocks of the table: which systems stand together, beside which rows of the paper, and what they came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from calrec_recbole.report.inputs.shared_users import Shared, shared
from calrec_recbole.report.rows import KEYS, Row
from calrec_recbole.report.tables.paper_rows import PaperRows, paper_rows
from gpu_row.bench import MODEL, Bench
from gpu_row.systems import ABLATION, ALONE, STAGES, UNTUNED, System

__all__ = ["Block", "Cost", "blocks_of", "cost_of", "numbers"]


@dataclass(frozen=True)
class Block:
    """``beside``: a system's name -> its row in the paper's ``tables``; ``whole``: their other rows stand there too.

    The first of ``systems`` is what the others are tested against.
    """

    title: str
    systems: Sequence[System]
    tables: Sequence[int]
    beside: Mapping[str, str]
    whole: bool = True

    def paper(self, dataset: str) -> PaperRows:
        """The paper's rows, by its names."""
        rows: PaperRows = {}
        for number in self.tables:
            rows |= paper_rows(number, dataset)
        return rows

    def shared(self, bench: Bench) -> Shared:
        """Its rows on the users that all of them share; one that is not there says why."""
        return shared([_row(bench, system, self.beside.get(system.name, "")) for system in self.systems])

    def system(self, label: str) -> System:
        return next(system for system in self.systems if system.label == label)


class Cost(NamedTuple):
    """Minutes of wall clock; those of training with what the weights that it starts from took."""

    tested: int
    train_minutes: float
    test_minutes: float
    device: str


def blocks_of(stages: bool, ablate: bool) -> list[Block]:
    """What the phases of the same call fill."""
    both = STAGES[1]
    no_second, equal_second, equal_all, _, plain = ABLATION
    first = [both, ALONE] if stages else [ALONE]
    blocks = [Block("Table 2", first, (2,), {first[0].name: "CALRec"}, whole=False)]
    if ablate:
        beside = {both.name: "CALRec", equal_second.name: "w/o Multi-Category Joint Fine-Tuning (A)"}
        beside |= {no_second.name: "w/o Category-Specific Fine-Tuning (B)", plain.name: "w/o Contrastive Alignment"}
        blocks.append(Block("Table 3", [both, equal_second, equal_all, no_second, plain], (3,), beside))
    beside = {UNTUNED[0].name: "PaLM-2 XXXS", UNTUNED[1].name: "PaLM-2 XXS, GPT4Rec's template"}
    return [*blocks, Block("Tables 5 and 6", UNTUNED, (5, 6), beside)]


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


def cost_of(bench: Bench, system: System) -> Cost:
    """Of a system that has a run."""
    run = bench.read(system.name)
    trained = [name for name in (system.after, system.name if system.trains else "") if name]
    seconds = sum(bench.read(name).train_seconds for name in trained)
    tested = int(run.environment["users"]["test"])
    test = run.test_milliseconds * tested / 60_000
    return Cost(tested, round(seconds / 60, 2), round(test, 2), str(run.environment["devices"]["name"]))


def numbers(blocks: Sequence[Block], bench: Bench) -> list[dict[str, Any]]:
    """What the table says, for programs: a list of blocks, each with its rows' metrics on the users that they share."""
    found = [(block, block.shared(bench)) for block in blocks]
    return [
        {"block": block.title, "users": own.users, "rows": [_numbers(block, bench, row) for row in own.rows]}
        for block, own in found
    ]


def _numbers(block: Block, bench: Bench, row: Row) -> dict[str, Any]:
    if not row.runs:
        return {"system": row.label, "left_out": row.error}
    metrics = {key: row.value(key) for key in KEYS}
    cost = cost_of(bench, block.system(row.label))
    return {"system": row.label, "metrics": metrics, **cost._asdict(), "run": row.runs[0].folder.name}
