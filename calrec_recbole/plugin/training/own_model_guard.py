"""What a model of the user's own answers is checked as it comes; an error in its code is told in one line."""

import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor

from calrec_recbole.errors import CalrecError, ConfigError, OwnModelError
from calrec_recbole.plugin.own_models import NOT_OWN, own_files
from calrec_recbole.plugin.registry import known_bases
from calrec_recbole.stored_files import one_line
from calrec_recbole.training.device.random_state import RandomState

__all__ = ["guarded", "own_code", "try_scores"]

Check = Callable[[Any, Any], str]  # what was handed over, what came back -> the fault, or nothing
TRIED = 8  # users


def guarded(model: Any, n_items: int) -> Any:
    """``model``, of the user's own, whose three methods refuse answers of another shape than RecBole's.

    Raises ``ConfigError`` for a class that scores nothing; its methods raise ``ConfigError`` for a wrong answer and
    ``OwnModelError`` for what their code raises.
    """
    found, base = type(model), AbstractRecommender
    if found.full_sort_predict is base.full_sort_predict and found.predict is base.predict:
        raise ConfigError(f"{_name(found)} scores nothing: write full_sort_predict(interaction) -> (users, n_items)")
    for name, check in (("calculate_loss", _Loss()), ("full_sort_predict", _Scores(n_items)), ("predict", _pairs)):
        if getattr(found, name) is not getattr(base, name):
            setattr(model, name, _guarded(getattr(model, name), found, name, check))
    return model


def try_scores(model: Any, valid_data: Any, device: torch.device) -> None:
    """Has ``model`` score a few users before it is trained: what is wrong is told before, not after, an epoch.

    The random state stays. A method of RecBole's or of ours is not tried. Of a model that may learn what it scores by
    from training alone, as RecBole's Pop does, an error in its code does not count.
    """
    scores = type(model).full_sort_predict is not AbstractRecommender.full_sort_predict
    if _known(type(model), "full_sort_predict" if scores else "predict") or not len(valid_data.dataset):
        return
    interaction = valid_data.collate_fn(list(range(min(TRIED, len(valid_data.dataset)))))[0].to(device)
    items = valid_data._dataset.get_item_feature().to(device)
    trained = any(part.requires_grad for name, part in model.named_parameters() if name != "fake_loss")
    was_training = model.training
    state, of_numpy, of_python = RandomState(device), np.random.get_state(), random.getstate()
    model.eval()
    try:
        with torch.no_grad():
            _score(model, interaction, items)
    except OwnModelError:
        if trained and not known_bases(type(model)):
            raise
    finally:
        model.train(was_training)
        state.set()
        np.random.set_state(of_numpy)
        random.setstate(of_python)


def _score(model: Any, interaction: Interaction, items: Interaction) -> None:
    """By all items, or where the model scores pairs alone, by one item each."""
    try:
        model.full_sort_predict(interaction)
    except NotImplementedError:
        number = min(len(interaction), len(items))
        pairs = interaction[slice(number)]
        pairs.update(items[slice(number)])
        model.predict(pairs)


@contextmanager
def own_code(model: type[Any], method: str, *let: type[Exception]) -> Iterator[None]:
    """Turns what the code of ``model`` raises, but for ``let``, into one line: class, method, error, file and line."""
    try:
        yield
    except (CalrecError, torch.OutOfMemoryError):
        raise
    except Exception as problem:
        if isinstance(problem, let):
            raise
        raise OwnModelError(f"{_name(model)}.{method}: {_told(problem)}{_place(model, problem)}") from problem


def _guarded(method: Callable[..., Any], model: type[Any], name: str, check: Check) -> Callable[..., Any]:
    known = _known(model, name)
    pairs = name == "full_sort_predict" and model.predict is not AbstractRecommender.predict
    let = (NotImplementedError,) if pairs else ()  # RecBole then scores the pairs

    @wraps(method)
    def checked(interaction: Any, *arguments: Any, **options: Any) -> Any:
        with own_code(model, name, *let):
            found = method(interaction, *arguments, **options)
        if not known and isinstance(interaction, Interaction) and (fault := check(interaction, found)):
            raise ConfigError(f"{_name(model)}.{name} gave {fault}")
        return found

    return checked


def _known(model: type[Any], method: str) -> bool:
    """Whether the method is RecBole's or ours."""
    return f"{getattr(model, method).__module__}.".startswith(NOT_OWN)


class _Scores:
    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def __call__(self, interaction: Any, found: Any) -> str:
        """Also a flat answer fits, as RecBole takes it."""
        wanted = (len(interaction), self.n_items)
        if not isinstance(found, Tensor) or not found.is_floating_point():
            return f"{_kind(found)}; wanted a tensor of floats of shape {wanted}"
        if found.shape not in (wanted, (wanted[0] * wanted[1],)):
            return f"{tuple(found.shape)}; wanted {wanted}: users by items, column 0 is the pad item"
        return ""


class _Loss:
    looked = False  # whether it was finite

    def __call__(self, interaction: Any, found: Any) -> str:
        parts = found if isinstance(found, tuple) else (found,)
        for part in parts or (None,):
            if not isinstance(part, Tensor) or part.numel() != 1:
                return f"{_kind(part)}; wanted a scalar tensor, such as the mean over the batch, or a tuple of such"
        if not self.looked:
            self.looked = True
            return self._first(parts)
        return ""

    def _first(self, parts: tuple[Tensor, ...]) -> str:
        if torch.is_grad_enabled() and not any(part.requires_grad for part in parts):
            return "a loss without a gradient: it must depend on the model's parameters"
        if not all(bool(torch.isfinite(part)) for part in parts):
            return f"{', '.join(str(part.item()) for part in parts)} at the first batch; wanted a finite loss"
        return ""


def _pairs(interaction: Any, found: Any) -> str:
    if not isinstance(found, Tensor) or found.numel() != len(interaction):
        return f"{_kind(found)}; wanted a score for each of the {len(interaction)} pairs"
    return ""


def _kind(found: Any) -> str:
    if isinstance(found, Tensor):
        return f"a tensor ({str(found.dtype).removeprefix('torch.')}) of shape {tuple(found.shape)}"
    return f"{type(found).__module__}.{type(found).__qualname__}".removeprefix("builtins.")


def _name(model: type[Any]) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _told(problem: Exception) -> str:
    kind, said = type(problem).__name__, one_line(problem)
    return said if said.startswith(kind) else f"{kind}: {said}"


def _place(model: type[Any], problem: Exception) -> str:
    """The last line of the user's own files that the error went through."""
    files = {str(file) for file in own_files(model)}
    own = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename in files]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
