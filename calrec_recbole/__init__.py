"""CALRec (RecSys'24): sequential recommendation by a language model that writes the next item's text."""

from importlib import import_module
from typing import Any

__all__ = ["__version__", "load_run"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``load_run``, with RecBole and torch, once it is asked for; ``calrec_recbole.prompts`` costs neither."""
    if name == "load_run":
        return import_module("calrec_recbole.plugin.reload").load_run
    raise AttributeError(f"module 'calrec_recbole' has no attribute {name!r}")
