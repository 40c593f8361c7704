"""``python -m calrec_recbole.plugin.run_identity``: which run a request means, its settings and its folder's name.

Reads a JSON list of requests from stdin and writes the list of answers to the file given: RecBole and torch, which take
seconds to import, stay out of the process that asks.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from calrec_recbole.durable_files import write_json
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import input_files, input_hashes
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.runs.run_folder import run_id
from calrec_recbole.setting_files import hint_for
from calrec_recbole.setting_groups import settings_of

__all__ = ["resolve"]


def resolve(request: Mapping[str, Any]) -> dict[str, Any]:
    """One request -> one answer, both plain JSON.

    A request holds ``model``, ``dataset``, ``config_files``, ``settings`` (of this model: each must be known to it) and
    ``shared`` (of all models: those that this one does not know are left out). The answer holds ``error``, one line; or
    ``run_id``, ``parent`` (the folder of the model's runs), ``settings`` to give on the command line, and ``files``,
    all that the answer depends on beside the settings. ``unknown`` gives each left-out setting with a hint.
    """
    model, dataset, files = request["model"], request["dataset"], request["config_files"]
    unknown: dict[str, str] = {}
    try:
        known = Config(model, dataset).known
        unknown |= {key: hint_for(key, known) for key in request["shared"] if key not in known}
        shared = {key: value for key, value in request["shared"].items() if key not in unknown}
        settings = shared | request["settings"]
        config = Config(model, dataset, files, settings)
        prepared, sources = prepare(config), settings_of(SourceSettings, config)
        hashes = input_hashes(prepared, sources)
    except (CalrecError, OSError) as problem:
        return {"error": str(problem), "unknown": unknown}
    return {
        "run_id": run_id(config.settings, hashes, config.groups),
        "parent": str(settings_of(RunSettings, config).parent),
        "settings": settings,
        "unknown": unknown,
        "files": [str(file.absolute()) for file in input_files(prepared, sources)],
    }


def main() -> None:
    """Requests from stdin, answers to the file that the one argument names."""
    answers = [resolve(request) for request in json.load(sys.stdin)]
    write_json(sys.argv[1], answers)


if __name__ == "__main__":
    main()
