"""Runs that die by SIGKILL at a chosen moment, each in a fork of this process, which has imported everything once.

    python deadly_runs.py      # one JSON object a line in: settings, moment; one exit status a line out

A moment is {"places": names, "when": "before" or "after", "calls": n}: the n-th passing of any of the places.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from calrec_recbole.plugin.calrec.trainer import CALRecTrainer
from calrec_recbole.plugin.runner import run
from calrec_recbole.training import Training


def wrapped(owner: Any, name: str, place: Any, moment: dict[str, Any]) -> None:
    """``place(arguments)`` names the place that a call of ``owner.name`` passes."""
    original = getattr(owner, name)

    def deadly(*arguments: Any, **options: Any) -> Any:
        here = place(arguments) in moment["places"]
        moment["calls"] -= here
        dies = here and moment["calls"] == 0
        if dies and moment["when"] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def live_and_die(settings: dict[str, Any], moment: dict[str, Any]) -> None:
    wrapped(Training, "_one_step", lambda _: "step", moment)
    wrapped(CALRecTrainer, "_valid_epoch", lambda _: "validation", moment)
    wrapped(os, "fsync", lambda _: "sync", moment)
    wrapped(os, "replace", lambda arguments: f"rename to {Path(arguments[1]).name}", moment)
    wrapped(shutil, "rmtree", lambda arguments: f"removal of {Path(arguments[0]).name}", moment)
    run("CALRec", overrides=settings, show=False)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            live_and_die(order["settings"], order["moment"])
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
