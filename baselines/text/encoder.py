"""A frozen encoder: texts -> one vector each, by the first token (BERT's CLS) or by the mean over the tokens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.stored_files import reading

__all__ = ["POOLINGS", "TextSettings", "encode", "first_token", "token_mean"]

BATCH_TOKENS = 8192  # with pads; bounds memory, no effect on the vectors beyond the last float digits


def first_token(hidden: Tensor, mask: Tensor) -> Tensor:
    """The state of the first token, CLS for a BERT: (B, L, D), (B, L) -> (B, D)."""
    return hidden[:, 0]


def token_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are no pads: (B, L, D), (B, L) of 0 and 1 -> (B, D)."""
    weights = mask[:, :, None].to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cls": first_token, "mean": token_mean}


@dataclass(frozen=True)
class TextSettings:
    """``encoder``: see ``encoder_folder``; ``max_length`` in tokens; ``cache``: a folder, made when it is needed.

    ``attributes``: the columns of an item that its text is joined from.
    """

    encoder: str
    pooling: str
    max_length: int
    cache: Path
    device: str = "cpu"
    attributes: Sequence[str] = ("title",)
    show_progress: bool = True

    def __post_init__(self) -> None:
        must_be_one_of("text_pooling", self.pooling, POOLINGS)
        if isinstance(self.attributes, str) or not self.attributes:
            raise ConfigError(f"text_attributes={self.attributes!r} must be a list of columns of the .item file")
        if self.max_length < 1:
            raise ConfigError(f"text_max_length={self.max_length} must be at least 1")


def encode(texts: Sequence[str], folder: Path, settings: TextSettings) -> np.ndarray:
    """(len(texts), D) float32, by the encoder in ``folder``; its vectors are not normalised.

    Longest texts first, so that memory runs short at once or never. Leaves torch's random state as it was: a run that
    encodes and a run that finds the cache go on alike.
    """
    devices = [settings.device] if settings.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        tokenizer, model = _load(folder, settings)
        tokens = [torch.tensor(ids) for ids in _token_ids(texts, tokenizer, settings.max_length)]
        vectors: np.ndarray | None = None
        with tqdm(total=len(texts), desc="Encode texts", unit="text", disable=not settings.show_progress) as bar:
            for rows in _batches([len(ids) for ids in tokens]):
                found = _encode_batch([tokens[row] for row in rows], model, settings)
                if vectors is None:
                    vectors = np.empty((len(texts), found.shape[1]), dtype=np.float32)
                vectors[rows] = found.cpu().numpy()
                bar.update(len(rows))
    assert vectors is not None, "a catalogue has at least one text"
    return vectors


def _encode_batch(tokens: list[Tensor], model: Any, settings: TextSettings) -> Tensor:
    ids = pad_sequence(tokens, batch_first=True, padding_value=model.config.pad_token_id or 0)  # (B, L)
    mask = pad_sequence([torch.ones_like(row) for row in tokens], batch_first=True)
    ids, mask = ids.to(settings.device), mask.to(settings.device)
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return POOLINGS[settings.pooling](hidden, mask)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places by falling length, as many at once as ``BATCH_TOKENS`` allow."""
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        rows = max(1, BATCH_TOKENS // max(1, lengths[order[start]]))
        yield order[start : start + rows]
        start += rows


def _token_ids(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[list[int]]:
    return list(tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"])


def _load(folder: Path, settings: TextSettings) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer  # seconds that a filled cache does not cost

    from calrec_recbole.backbone import no_bars
    from calrec_recbole.backbone.pretrained import NO_CODE, check_size

    with reading(f"text_encoder={settings.encoder} cannot be loaded", "give another encoder", ConfigError), no_bars():
        check_size(str(folder), local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **NO_CODE)
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32, **NO_CODE)
    room = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", settings.max_length))
    if settings.max_length > room:
        raise ConfigError(f"text_max_length={settings.max_length} exceeds the encoder's {room} tokens; lower it")
    return tokenizer, model.to(settings.device).eval()
