"""``run_recbole --model=NAME --dataset=NAME [--key=value ...]``: trains and evaluates one model."""

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from calrec_recbole.cli.calrec import say_loading, spin_briefly
from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.runs.sigterm import EXIT, Terminated

__all__ = ["main", "named_files"]

HELP = """\
usage: run_recbole --model=NAME --dataset=NAME [--config_files="a.yaml b.yaml"] [--key=value ...]
       run_recbole --model=NAME --help     the settings of one model, with their defaults and comments

Trains and evaluates one model and leaves one folder, <output_dir>/<dataset>/<model>/<run id>/, with the resolved
config, versions and costs, metrics, the ranks of every user, the checkpoint and a log.

models:
{models}

data sets:
  ml-100k, which RecBole bundles, and everything under <data_path>/<Name>/<Name>.inter (data_path is `dataset` by
  default); `calrec prepare --help` makes the Amazon categories of the paper.

settings, later wins:
  RecBole's defaults
  {configs}/overall.yaml
  {configs}/model/<Model>.yaml
  {configs}/dataset/<Dataset>.yaml
  your YAML files, in the order given; several are separated by spaces or commas; a bare name (demo, smollm2-135m)
  is one of {configs}/experiment/
  --key=value; values are YAML (--topk=[1,10] --learning_rate=1e-4 --gpu_id= for the CPU); --out=DIR is output_dir

examples:
  run_recbole --model=SASRec --dataset=ml-100k
  run_recbole --model=CALRec --dataset=Scientific --config_files=small.yaml --seed=1
  run_recbole --model=LIR --dataset=Scientific --retrieval=okapi --output_dir=runs
  run_recbole --model=CALRec --dataset=Scientific --evaluate_minutes=30     (once more: 30 minutes more)
  run_recbole --model=CALRec --dataset=Scientific --retrieval=none          (no Java; then calrec rank --run=DIR)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Answers 0; 2 after an error of the user, told in one line; 130 after Ctrl-C, 143 after SIGTERM."""
    spin_briefly()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments or {"-h", "--help"} & set(arguments):
            print(_help(arguments), flush=True)
            return 0 if arguments else 2
        _run(arguments)
    except BrokenPipeError:  # `run_recbole --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CalrecError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: the run is unfinished; the same command goes on, or starts it again", file=sys.stderr)
        return 130
    except Terminated as end:
        print(f"\nterminated: {end}", file=sys.stderr)
        return EXIT
    return 0


def _run(arguments: list[str]) -> None:
    from calrec_recbole.plugin.registry import known_model
    from calrec_recbole.setting_files import parse_arguments

    given = parse_arguments(arguments)
    if {"out", "output_dir"} <= set(given):
        raise ConfigError("--out and --output_dir are one setting: give one of them")
    if "out" in given:
        given["output_dir"] = given.pop("out")
    files = named_files(given.pop("config_files", None))
    lacking = [f"--{name}=NAME" for name in ("model", "dataset") if not given.get(name) and not files]
    if lacking:
        raise ConfigError(f"{' and '.join(lacking)} missing; see run_recbole --help")
    if given.get("model"):
        known_model(str(given["model"]))
    say_loading()
    from calrec_recbole.plugin.runner import run  # RecBole and torch take seconds: after the checks

    run(config_files=files, overrides=given)


def named_files(value: Any) -> list[str]:
    """The files of ``config_files``: a list, or names between blanks and commas."""
    names = value if isinstance(value, list) else re.split(r"[\s,]+", str(value or "").strip())
    return [str(name) for name in names if name]


def _help(arguments: list[str]) -> str:
    """Of the model that is named; without one, of the command."""
    from calrec_recbole.plugin.setting_comments import model_help
    from calrec_recbole.setting_files import parse_arguments

    given = parse_arguments([argument for argument in arguments if argument not in ("-h", "--help")])
    return model_help(str(given["model"]), str(given.get("dataset") or "")) if given.get("model") else _help_of_all()


def _help_of_all() -> str:
    import textwrap

    from calrec_recbole.plugin.registry import OURS, known_models
    from calrec_recbole.setting_files import CONFIGS

    recbole = ", ".join(known_models()[len(OURS) :])
    models = f"ours: {', '.join(OURS)}\nRecBole's: {recbole}"
    wrapped = "\n".join(
        textwrap.fill(line, 116, initial_indent="  ", subsequent_indent="    ") for line in models.splitlines()
    )
    return HELP.format(models=wrapped, configs=CONFIGS)


if __name__ == "__main__":
    sys.exit(main())
