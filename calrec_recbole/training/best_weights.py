"""Checks of ``checkpoint/best`` that cost nothing: whose weights, of which step, and is every file whole?"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import read_json, reading

__all__ = ["best_step", "check_best", "finished_weights", "weights_name"]


def best_step(folder: Path, run: str) -> int | None:
    """The step of the weights in ``folder``, None where there are none of the run ``run``."""
    if not (folder / "state.json").is_file():
        return None
    state = _state(folder)
    return int(state["step"]) if state.get("run") == run else None


def finished_weights(run: str) -> str:
    """What the weights of a run that trains nothing are called: its id stands for them."""
    return f"{run} step 0"


def weights_name(folder: Path) -> str:
    """What the weights in ``folder`` are called in files made with them.

    Of trained ones a digest of all that validation said of them, the nats of held-out items to the last bit among it:
    trained once more, on another machine, they are others. Raises ``DataError`` where ``state.json`` is damaged.
    """
    state = _state(folder)
    if not state["step"]:
        return finished_weights(str(state.get("run")))
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]
    return f"{state.get('run')} step {state['step']} {digest}"


def check_best(folder: Path) -> None:
    """Raises ``DataError`` that names ``folder`` where weights are missing or cut short; reads headers only."""
    if not (folder / "state.json").is_file():
        raise DataError(f"checkpoint {folder} holds no trained weights: the run has not finished; run it again")
    _state(folder)
    for file in sorted(folder.glob("*.safetensors")):
        with reading(f"checkpoint {file} is damaged", "remove the run's folder, run it again"), safe_open(file, "pt"):
            pass


def _state(folder: Path) -> dict[str, Any]:
    return dict(read_json(folder / "state.json", "run it again", {"step": int, ...: object}))
