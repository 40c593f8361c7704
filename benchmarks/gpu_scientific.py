"""Claim: SmolLM2-135M becomes a tested row of Scientific within ten minutes of one GPU, and a cut loses seconds.

    calrec prepare --category=Scientific --raw=DIR --out=dataset/    # with --stages also CDs, Movies, Beauty2014
    python benchmarks/gpu_scientific.py --data_path=dataset --out=results/gpu-scientific --minutes=10
    python benchmarks/gpu_scientific.py --data_path=dataset --out=results/gpu-scientific --minutes=45 \\
        --stages=joint,finetune --ablate

Phases, in order of worth: a check of the device; stage II alone, trained for its share of the minutes; its test users;
with --stages stage I on four data sets, stage II from it, its test users; with --ablate the other rows of Table 3 (see
gpu_row/systems.py for what their equal steps are); the untuned backbone under two templates. --minutes is what this
call may take. Each phase leaves what it has in --out at once; one that fails leaves a line, and the next goes on. The
same command goes on from a cut, a kill or the end of its minutes, and extends the rows that lack test users; SIGTERM
ends it with 143. No network and no Java are needed: without Java ranks are by okapi, as the table says.

More settings as --key=value. --dry_run goes through all phases on a CPU, with a tiny decoder and made-up data of the
same names: its numbers mean nothing. Answers 0; 1 where a phase failed or a check does not hold; 2 for what is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gpu_row.requirements import (
    found_backbone,
    found_retrieval,
    missing_data,
    missing_device,
    missing_packages,
)

from calrec_recbole.errors import CalrecError, ConfigError

DATASET = "Scientific"
STAGES = {"finetune": False, "joint,finetune": True}
SECONDS_OF_STATE = 15  # between states of a training on disk: what a kill may cost


def main(argv: Sequence[str] | None = None) -> int:
    arguments, settings = parser().parse_known_args(argv)
    lacking = missing_packages()
    if lacking:
        return refused(lacking)
    from calrec_recbole.runs.sigterm import EXIT, Terminated, sigterm_raises

    try:
        with sigterm_raises():
            return measure(arguments, settings)
    except (CalrecError, OSError) as problem:
        return refused([str(problem)])
    except KeyboardInterrupt:
        print("\ninterrupted: the same command goes on", file=sys.stderr)
        return 130
    except Terminated:
        print("\nterminated: the same command goes on", file=sys.stderr)
        return EXIT


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = found.add_argument
    add("--out", required=True, type=Path, help="folder of the results; the same one goes on")
    add(
        "--data_path", type=Path, default=Path("dataset"), help="holds Scientific/Scientific.inter, by `calrec prepare`"
    )
    add("--minutes", type=float, default=10.0, help="of this call")
    add("--stages", choices=STAGES, default="finetune", help="joint,finetune: stage I first, in a row of its own")
    add("--ablate", action="store_true", help="the other rows of Table 3; needs --stages=joint,finetune")
    add("--backbone", default="", help="folder, .gguf file or hub id that is cached; else SmolLM2-135M, where it lies")
    add("--retrieval", default="auto", help="lucene, okapi; auto: lucene where Java starts")
    add("--dry_run", action="store_true", help="tiny sizes and made-up data, on a CPU")
    return found


def refused(lines: Sequence[str]) -> int:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return 2


def measure(arguments: argparse.Namespace, given: Sequence[str]) -> int:
    from gpu_row.bench import check_same, settings_before
    from gpu_row.dry import write_data

    from calrec_recbole.plugin.calrec.core_settings import GROUPS
    from calrec_recbole.plugin.config import EVERY_RUN
    from calrec_recbole.setting_groups import effective

    stages = STAGES[arguments.stages]
    names = datasets(stages)
    if arguments.ablate and not stages:
        raise ConfigError("--ablate needs --stages=joint,finetune: its rows start from stage I")
    if not arguments.minutes > 0:
        raise ConfigError(f"--minutes={arguments.minutes:g} must be greater than 0")
    if arguments.dry_run:
        arguments.data_path = arguments.out / "dataset"
        write_data(arguments.data_path, names)
    before = settings_before(arguments.out)
    backbone, no_weights = ("scratch", []) if arguments.dry_run else found_backbone(arguments.backbone)
    wanted = before.get("retrieval", "auto") if arguments.retrieval == "auto" else arguments.retrieval
    retrieval, no_java = found_retrieval(wanted)
    lacking = [] if arguments.dry_run else missing_device()
    lacking += missing_data(arguments.data_path, names) + no_weights + no_java
    if lacking:
        return refused(lacking)
    settings = shared_settings(arguments.data_path, backbone, retrieval, given)
    bench = checked_bench(arguments, settings)
    told = effective(settings, (*EVERY_RUN, *GROUPS.values()))
    check_same(arguments.out, {**told, "dry_run": arguments.dry_run})
    return go(bench, arguments.minutes, stages, arguments.ablate)


def datasets(stages: bool) -> list[str]:
    """What must be prepared."""
    from calrec_recbole.setting_files import config_file, read_settings

    joint = read_settings(config_file("smollm2-joint"))["joint_datasets"] if stages else []
    return list(dict.fromkeys([DATASET, *joint]))


def shared_settings(data_path: Path, backbone: str, retrieval: str, given: Sequence[str]) -> dict[str, Any]:
    """Of all runs."""
    from calrec_recbole.setting_files import parse_arguments

    fixed = {"data_path": str(data_path), "backbone": backbone, "retrieval": retrieval}
    quiet = {"show_progress": False, "checkpoint_minutes": SECONDS_OF_STATE / 60}
    return {**quiet, **parse_arguments(given), **fixed}


def checked_bench(arguments: argparse.Namespace, settings: dict[str, Any]) -> Any:
    """The bench. Raises ``ConfigError`` for a setting that no run knows."""
    from gpu_row.bench import Bench
    from gpu_row.dry import LONGEST, SIZES
    from gpu_row.systems import ALONE

    tiny = (SIZES, LONGEST) if arguments.dry_run else ()
    bench = Bench(arguments.out, DATASET, settings, *tiny)
    bench.config(ALONE.files, {})
    return bench


def go(bench: Any, call: float, stages: bool, ablate: bool) -> int:
    """All phases, then the table with its tests."""
    from gpu_row.minutes import Minutes
    from gpu_row.phases import go_through, is_done, phases_of, went_wrong
    from gpu_row.tables.summary import write_summary

    phases = phases_of(stages, ablate)
    minutes = Minutes(call, {phase.name: phase.weight for phase in phases if not is_done(bench, phase)})
    leave = partial(write_summary, bench, phases, stages, ablate)
    go_through(phases, bench, minutes, partial(print, flush=True), partial(leave, tests=False))
    print(leave(tests=True))
    return int(went_wrong(phases, bench))


if __name__ == "__main__":
    sys.exit(main())
