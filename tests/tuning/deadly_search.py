"""Searches that are killed at a moment: reads orders from stdin, one fork each, and answers with their exit codes."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import optuna

from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume
from calrec_recbole.tuning.search import search
from calrec_recbole.tuning.search_space import read_space
from calrec_recbole.tuning.tuning_request import TuningRequest

PLACES = {
    "create": (optuna, "create_study"),
    "enqueue": (optuna.Study, "add_trial"),
    "ask": (optuna.Study, "ask"),
    "epoch": (EpochwiseResume, "_train_epoch"),
    "report": (optuna.trial.Trial, "report"),
    "prune": (optuna.trial.Trial, "should_prune"),
    "tell": (optuna.Study, "tell"),
}


def kill_at(place: str, call: int, when: str) -> None:
    """Dies by SIGKILL before or after the ``call``-th call of ``place``."""
    owner, name = PLACES[place]
    original, calls = getattr(owner, name), 0

    def deadly(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def live(order: dict[str, Any]) -> None:
    space = read_space(order["space"])
    request = TuningRequest("SASRec", "Tiny", space, settings=order["settings"], out=Path(order["out"]))
    if order["moment"]:
        kill_at(*order["moment"])
    search(request, order["trials"], None)


def main() -> None:
    for line in sys.stdin:
        order, children = json.loads(line), []
        for _ in range(order["workers"]):
            child = os.fork()
            if child == 0:
                live(order)
                os._exit(0)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    main()
