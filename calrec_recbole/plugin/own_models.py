"""Models of the user's own, named by ``package.module:Class``: a module of the current folder or an installed one."""

import importlib.util
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from calrec_recbole.errors import ConfigError
from calrec_recbole.stored_files import one_line

__all__ = ["NOT_OWN", "is_own", "module_found", "module_of", "own_class", "own_files"]

NOT_OWN = ("recbole.", "calrec_recbole.", "torch.")


def is_own(model: str) -> bool:
    """Whether ``model`` is an address, not a name."""
    return ":" in model


def module_found(model: str, taken: Collection[str]) -> str:
    """``model`` itself, whose module is there. Imports its parent packages only; the current folder is looked in first.

    Raises ``ConfigError``, also where the class bears one of the names ``taken``: tables would hold two systems of one
    name.
    """
    module, _, name = model.partition(":")
    if module.endswith(".py") or "/" in module:
        dotted = ".".join(Path(module).with_suffix("").parts)
        raise ConfigError(f"model={model!r} names a file: write {dotted}:{name}, and run it in the folder above")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ConfigError(f"model={model!r} must be package.module:Class")
    if name in taken:
        raise ConfigError(f"model={model!r}: {name} is the name of a model that is known: give the class another one")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it
    try:
        found = importlib.util.find_spec(module)
    except Exception as problem:  # of a parent package, which is anybody's code
        raise ConfigError(f"model={model!r}: {module} cannot be imported: {one_line(problem)}") from problem
    if found is None:
        raise ConfigError(f"model={model!r}: there is no module {module}, neither in {here} nor installed")
    return model


def module_of(dotted: str) -> str:
    """How ``package.module.Class`` or ``module.py`` is written as an address; empty where it is neither.

    >>> module_of("my_models.NextItem"), module_of("shop/my_models.py"), module_of("v1.5")
    ('my_models:NextItem', 'shop.my_models:CLASS', '')
    """
    if dotted.endswith(".py"):
        return f"{'.'.join(Path(dotted).with_suffix('').parts)}:CLASS"
    module, _, name = dotted.rpartition(".")
    return f"{module}:{name}" if all(part.isidentifier() for part in (*module.split("."), name)) else ""


def own_class(model: str, load: Callable[[str], Any]) -> type[Any]:
    """The class at ``model``; ``ConfigError`` where it cannot be imported, or is no model of RecBole's kinds."""
    from recbole.model.abstract_recommender import AbstractRecommender
    from recbole.utils import ModelType

    module, _, name = model.partition(":")
    try:
        found = load(model)
    except AttributeError as problem:
        if module in sys.modules and not hasattr(sys.modules[module], name):
            raise ConfigError(f"model={model!r}: {sys.modules[module].__file__} has no class {name}") from problem
        raise ConfigError(f"model={model!r}: {module} cannot be imported: {one_line(problem)}") from problem
    except Exception as problem:  # anybody's code
        told = f"{type(problem).__name__}: {one_line(problem)}"
        raise ConfigError(f"model={model!r}: {module} cannot be imported: {told}") from problem
    if not isinstance(found, type) or not issubclass(found, AbstractRecommender):
        raise ConfigError(
            f"model={model!r} is no class of RecBole's SequentialRecommender or GeneralRecommender "
            "(recbole.model.abstract_recommender): derive it from one of them"
        )
    if getattr(found, "type", None) not in (ModelType.SEQUENTIAL, ModelType.GENERAL, ModelType.TRADITIONAL):
        raise ConfigError(
            f"model={model!r} derives from neither RecBole's SequentialRecommender nor its GeneralRecommender: only "
            "these run here"
        )
    return found


def own_files(model: type[Any]) -> list[Path]:
    """The files of the class and of those that it derives from, as far as they are neither ours nor a library's."""
    modules = dict.fromkeys(base.__module__ for base in model.__mro__ if base is not object)
    files = [sys.modules[name].__file__ for name in modules if not f"{name}.".startswith(NOT_OWN)]
    return [Path(file) for file in files if file]
