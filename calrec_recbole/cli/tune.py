"""`calrec tune`: settings chosen on validation, by Optuna, within a budget."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calrec_recbole.tuning.search_space import Space
    from calrec_recbole.tuning.shared_study import SharedStudy
    from calrec_recbole.tuning.tuning_request import TuningRequest

__all__ = ["add_parser", "run"]

DESCRIPTION = """Chooses settings of one model on one data set by Optuna (TPE, median pruning): each trial trains with
other values and is judged by valid_metric on the validation users; nothing is tested. Ends when the study has N trials
or has spent B CPU minutes, trials of earlier and of other processes counted. Leaves <out>/<dataset>/<model>/ with
study.db, trials.csv (every trial), best.yaml (the chosen settings) and one run folder a trial, without weights.

The same command goes on: finished trials count, one that was killed is repeated with its values. The same command
several times at once shares the work (give each its cores: OMP_NUM_THREADS=1)."""

SETTINGS = """--key=value are settings that all trials share, as run_recbole takes them; what the search space
names too is then not searched. The first trial has the defaults."""

EXAMPLES = """examples:
  calrec tune --model=SASRec --dataset=Scientific --trials=20
  calrec tune --model=CALRec --dataset=ml-100k --minutes=30 --valid_users=200 --config_files=demo
  calrec tune --model=LIR --dataset=Scientific --space=mine.yaml --trials=10
  calrec tune --model=SASRec --dataset=Scientific --report"""

OUT = Path("runs/tuning")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand; loads nothing heavy."""
    parser = subparsers.add_parser(
        "tune",
        help="settings chosen on validation by Optuna, within a budget of trials or CPU minutes",
        description=f"{DESCRIPTION}\n\n{SETTINGS}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", metavar="NAME", required=True, help="see run_recbole --help for the names")
    add("--dataset", metavar="NAME", required=True, help="a prepared data set; ml-100k needs no preparation")
    add("--trials", metavar="N", type=int, help="trials of the study in all")
    add("--minutes", metavar="B", type=float, help="CPU minutes of all trials of the study, with all threads")
    add("--space", metavar="FILE", help="a search space of yours (default: configs/tuning/<Model>.yaml)")
    add("--valid_users", metavar="N", type=int, help="users of a validation, where the model can choose them (CALRec)")
    add("--config_files", metavar="F,F2", help="YAML files, as run_recbole takes them")
    add("--out", metavar="DIR", type=Path, default=OUT, help=f"where studies and trials lie (default: {OUT})")
    add("--storage", metavar="URL", default="", help="another storage of Optuna's than study.db, such as mysql://...")
    add("--report", action="store_true", help="only print what the study came to so far")
    goes_on = "the study keeps what is finished; the same command goes on, and repeats the trial that was stopped"
    parser.set_defaults(run=run, parser=parser, takes_settings=True, goes_on=goes_on)


def run(arguments: argparse.Namespace) -> None:
    """Searches, or only reports; ``CalrecError`` where the study cannot be what is asked for."""
    from calrec_recbole.errors import ConfigError
    from calrec_recbole.plugin.registry import known_model
    from calrec_recbole.runs.sigterm import EXIT, Terminated

    known_model(arguments.model)
    if arguments.report:
        _report(arguments)
        return
    for name in ("trials", "minutes"):
        if (value := getattr(arguments, name)) is not None and not value > 0:
            raise ConfigError(f"--{name}={value} must be above 0")
    if arguments.trials is None and arguments.minutes is None:
        raise ConfigError("a budget is missing: give --trials=N, --minutes=B (CPU minutes) or both")
    try:
        _search(arguments)
    except Terminated:
        print(f"\nterminated: {arguments.goes_on}", file=sys.stderr)
        raise SystemExit(EXIT) from None


def _search(arguments: argparse.Namespace) -> None:
    from calrec_recbole.cli.calrec import say_loading

    say_loading()
    from calrec_recbole.tuning.chosen_settings import trial_line
    from calrec_recbole.tuning.search import search

    request = _request(arguments)
    shared = search(
        request,
        arguments.trials,
        arguments.minutes,
        arguments.storage,
        tell=lambda trial: print(trial_line(trial), flush=True),
    )
    _tell(arguments, shared)


def _request(arguments: argparse.Namespace) -> "TuningRequest":
    from calrec_recbole.cli.run_recbole import named_files
    from calrec_recbole.errors import ConfigError
    from calrec_recbole.plugin.config import Config
    from calrec_recbole.setting_files import parse_arguments
    from calrec_recbole.tuning.search_space import read_space, space_file
    from calrec_recbole.tuning.tuning_request import VALID_USERS, TuningRequest

    settings = parse_arguments(arguments.settings)
    if "output_dir" in settings:
        raise ConfigError("--output_dir is --out here: trials lie beside their study")
    if arguments.valid_users is not None:
        if VALID_USERS in Config(arguments.model, arguments.dataset).known:
            settings[VALID_USERS] = arguments.valid_users
        else:
            told = f"{VALID_USERS}: {arguments.model} has no such setting; every trial validates on all users"
            print(told, file=sys.stderr, flush=True)
    space = _searched(read_space(arguments.space or space_file(arguments.model)), settings)
    files = named_files(arguments.config_files)
    return TuningRequest(arguments.model, arguments.dataset, space, files, settings, arguments.out)


def _searched(space: "Space", settings: Mapping[str, Any]) -> "Space":
    """``space`` without what the command line fixes, which a line tells."""
    from calrec_recbole.errors import ConfigError

    fixed = [name for name in space if name in settings]
    if fixed:
        told = ", ".join(f"--{name}={settings[name]}" for name in fixed)
        if len(fixed) == len(space):
            raise ConfigError(f"{told} leave nothing of the search space to search: leave one of them out")
        print(f"{told}: fixed for all trials, not searched", file=sys.stderr, flush=True)
    return {name: one for name, one in space.items() if name not in settings}


def _report(arguments: argparse.Namespace) -> None:
    from calrec_recbole.cli.calrec import say_loading

    say_loading()
    from calrec_recbole.runs.run_folder import model_label
    from calrec_recbole.tuning.search import study_of

    folder = arguments.out / arguments.dataset / model_label(arguments.model)
    shared = study_of(arguments.model, arguments.dataset, folder, arguments.storage)
    shared.open()
    shared.write()
    _tell(arguments, shared)


def _tell(arguments: argparse.Namespace, shared: "SharedStudy") -> None:
    from calrec_recbole.tuning.chosen_settings import print_study, write_best

    write_best(shared, arguments.model, arguments.dataset)
    print_study(shared, arguments.model, arguments.dataset)
