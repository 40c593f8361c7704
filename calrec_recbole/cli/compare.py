"""`calrec compare`: many models side by side; runs what is missing and writes the report."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calrec_recbole.comparison.plan import PlannedRun

__all__ = ["add_parser", "run"]

LAUNCHERS = ("local", "slurm")
DESCRIPTION = """Trains and evaluates the models on the data sets, as far as no finished run with the same settings and
data is there, and writes a results folder: results.csv, results.parquet, table.md, table.tex, report.html, plots/.
A run that fails is reported and the others go on; the same command again does only what is missing, also of a run
that evaluate_minutes ended. All numbers are over the test users that all rows of a data set share."""

SETTINGS = """--key=value reaches every model that knows the setting; one that none knows is an error.
--MODEL.key=value, such as --CALRec.config_files=demo, is for one model alone (or for one label of an experiment).
With --launcher=slurm, --slurm.NAME=value is an option of sbatch by submitit's name: time (minutes, needed), partition,
account, qos, constraint, cpus_per_task, gpus_per_node, mem, setup, ..."""

EXAMPLES = """examples:
  calrec compare --dataset=ml-100k --models=Pop,LIR,SASRec,CALRec --CALRec.config_files=demo
  calrec compare --dataset=Scientific --models=LIR,SASRec --seeds=1,2,3 --jobs=2
  calrec compare --experiment=table2"""


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "compare",
        help="several models on several data sets: runs what is missing, writes tables, tests, plots, a report",
        description=f"{DESCRIPTION}\n\n{SETTINGS}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--dataset", metavar="D[,D2]", help="prepared data sets; ml-100k needs no preparation")
    add("--models", metavar="A,B,...", help="see run_recbole --help for the names")
    add("--experiment", metavar="NAME", help="a comparison of configs/experiment (table2) or a YAML file of yours")
    add("--seeds", metavar="S,S2,...", help="one run a seed (default: the seed of the settings)")
    add("--config_files", metavar="F,F2", help="YAML files for all models that know their settings")
    add("--reference", metavar="LABEL", help="what the tests compare with (default: the best baseline)")
    add("--out", metavar="DIR", type=Path, help="the results folder (default: results/<experiment or data sets>)")
    add("--jobs", metavar="N", type=int, help="runs at once (default: 1, with --gpus one a GPU)")
    add("--cores", metavar="N", type=int, help="cores shared among them (default: all that this process may use)")
    add("--gpus", metavar="I,J", help="GPUs shared among them, by number (default: none is assigned)")
    add("--launcher", choices=LAUNCHERS, default="local", help="slurm: each run is a job of a cluster (default: local)")
    goes_on = "the runs were stopped; the same command goes on where they stood"
    parser.set_defaults(run=run, parser=parser, takes_settings=True, goes_on=goes_on)


def run(arguments: argparse.Namespace) -> None:
    """Runs what is missing and writes the report; ``CalrecError`` at the end where a run failed."""
    from calrec_recbole.cli.compare_arguments import experiment_of, machine_of
    from calrec_recbole.comparison.display import Progress
    from calrec_recbole.comparison.plan import plan, shared_settings
    from calrec_recbole.comparison.resolution import resolve_all
    from calrec_recbole.comparison.scheduler import execute

    experiment, machine = experiment_of(arguments), machine_of(arguments)
    if machine.slurm:
        arguments.goes_on = "the jobs stay with the cluster (scancel ends them); the same command takes them up again"
    out = arguments.out or Path("results") / experiment.name
    planned, shared = plan(experiment), shared_settings(experiment)
    memory = Path(str(shared.get("output_dir", "runs"))) / ".compare"
    with Progress([one.name for one in planned]) as progress:
        ended = execute(
            planned,
            shared,
            lambda requests: resolve_all(requests, memory),
            machine,
            progress,
            memory / "output",
        )
    _report(arguments, experiment, ended, out, Path(str(shared.get("data_path", "dataset"))))
    _end(ended)


def _report(
    arguments: argparse.Namespace, experiment: Any, ended: "list[PlannedRun]", out: Path, data_path: Path
) -> None:
    from calrec_recbole.cli.slices import prepare_slices
    from calrec_recbole.report import Entry, Manifest, data_name, write_report
    from calrec_recbole.runs.run_folder import model_label

    entries = [
        Entry(
            label=one.row.label,
            model=model_label(one.row.model),
            dataset=data_name(one.dataset, one.settings or {}),
            folder=str(one.folder or ""),
            error=one.error,
            paper=one.row.paper,
        )
        for one in ended
        if one.row.show
    ]
    manifest = Manifest(
        name=experiment.name,
        title=experiment.title,
        command=arguments.command_line,
        notes=list(experiment.notes),
        paper=experiment.paper,
        paper_datasets=dict(experiment.paper_datasets),
        data=_data_folders(experiment.datasets, ended, data_path),
        reference=experiment.reference,
        entries=entries,
    )
    prepare_slices(manifest, out)
    write_report(manifest, out)
    print(f"report: {out / 'report.html'}", flush=True)


def _data_folders(names: "Sequence[str]", ended: "list[PlannedRun]", data_path: Path) -> dict[str, str]:
    """Where each data set's files lie, as runs found them, from here where it is below."""
    from calrec_recbole.report import data_name, from_here

    found = {data_name(one.dataset, one.settings or {}): from_here(one.data) for one in ended if one.data is not None}
    lacking = [name for name in names if name not in {one.dataset for one in ended if one.data is not None}]
    return {name: str(data_path / name) for name in lacking} | found


def _end(ended: "list[PlannedRun]") -> None:
    from calrec_recbole.errors import CalrecError

    failed = [one for one in ended if one.error]
    if failed:
        told = " | ".join(f"{one.name}: {one.error}" for one in failed)
        raise CalrecError(f"{len(failed)} of {len(ended)} runs failed; the same command tries them again: {told}")
