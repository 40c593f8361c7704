"""What a call leaves for readers: gpu_scientific.md and .json in --out, whole at any moment."""

from collections.abc import Iterator, Sequence
from typing import Any

from calrec_recbole.durable_files import write_json, write_text
from gpu_row.bench import MODEL, Bench
from gpu_row.phases import DONE, Phase
from gpu_row.tables.blocks import blocks_of, numbers
from gpu_row.tables.table import markdown

__all__ = ["write_summary"]

NAME = "gpu_scientific"


def write_summary(bench: Bench, phases: Sequence[Phase], stages: bool, ablate: bool, tests: bool) -> str:
    """Writes both files, and answers with the text."""
    blocks = blocks_of(stages, ablate)
    records = {phase.name: bench.record(phase.name) for phase in phases}
    rows = [part for block in blocks for part in markdown(block, bench, tests)]
    text = "\n\n".join([*_head(bench), *rows, *_device(records["check"]), *_open(phases, records)]) + "\n"
    write_text(bench.out / f"{NAME}.md", text)
    found: dict[str, Any] = {"blocks": numbers(blocks, bench), "phases": records, "settings": dict(bench.settings)}
    write_json(bench.out / f"{NAME}.json", found)
    return text


def _head(bench: Bench) -> Iterator[str]:
    yield f"# {MODEL} on {bench.dataset}" if not bench.sizes else "# Dry run: the numbers mean nothing"
    engine, runs = bench.settings["retrieval"], bench.out / "runs"
    yield f"Weights: {bench.settings['backbone']}. Retrieval: {engine}. Optimistic/expected/pessimistic."
    if engine == "okapi":
        command = "calrec rank --run=RUN --retrieval=lucene --out=DIR"
        yield f"Lucene's ranks, on a machine with Java: `{command}`, RUN one of those below {runs}"


def _device(check: dict[str, Any]) -> Iterator[str]:
    if "checks" not in check:
        return
    lines = [
        f"- {'' if one['ok'] else '**FAILED**: '}{one['name']}: {one['value']:.2g} (limit {one['limit']:.2g})"
        for one in check["checks"]
    ]
    yield "\n".join(["## The device", "", *lines, *(f"- {line}" for line in check["measures"])])


def _open(phases: Sequence[Phase], records: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The phases that the same command goes on with."""
    left = [
        f"- {phase.name}: {records[phase.name].get('state', 'not reached')}"
        + (f": {records[phase.name]['told']}" if "told" in records[phase.name] else "")
        for phase in phases
        if records[phase.name].get("state") != DONE
    ]
    if left:
        yield "\n".join(["## What the same command goes on with", "", *left])
