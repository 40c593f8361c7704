"""One vector an item from its text, by a frozen encoder, cached on disk. Items of equal text share one, bit for bit.

The text is plain, as UniSRec's: ``text_attributes`` joined by a space, without labels or word limits. It is another
text than CALRec's template (labels, limits, price): items may tie under one and differ under the other.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.baselines.text.array_cache import cached_array
from calrec_recbole.baselines.text.encoder import TextSettings, encode
from calrec_recbole.baselines.text.encoder_folder import encoder_folder, folder_hash
from calrec_recbole.catalogue import Catalogue, read_attributes
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.data.dataset import item_file, item_tokens

__all__ = ["encode_texts", "item_features", "plain_catalogue", "text_settings"]


def item_features(dataset: Any, config: Any) -> Tensor:
    """(n_items, D) float32: row i is the vector of the item with internal id i, row 0, the pad item's, is zero."""
    distinct, group = plain_catalogue(dataset, config).distinct_texts
    vectors = encode_texts(distinct, text_settings(config), bool(config["show_progress"]))
    features = torch.zeros(len(group) + 1, vectors.shape[1])
    features[1:] = torch.from_numpy(vectors[group])
    return features


def plain_catalogue(dataset: Any, config: Any) -> Catalogue:
    """Every item's plain text: ``texts[i]`` belongs to internal id ``i + 1``; nothing known is the empty text."""
    fields = config["text_attributes"]
    if not isinstance(fields, list) or not fields:
        raise ConfigError(f"text_attributes={fields!r} must be a list of columns of the .item file")
    items = item_tokens(dataset)[1:]
    rows = read_attributes(item_file(config), items, fields, setting="text_attributes")
    return Catalogue(tuple(items), tuple(" ".join(" ".join(row.values()).split()) for row in rows))


def text_settings(config: Any) -> TextSettings:
    """The settings ``text_*`` of a run; an empty ``text_cache`` is ``<output_dir>/text_features``."""
    return TextSettings(
        encoder=str(config["text_encoder"]),
        pooling=str(config["text_pooling"]),
        max_length=int(config["text_max_length"]),
        cache=Path(config["text_cache"] or Path(config["output_dir"]) / "text_features").expanduser(),
        device=str(config["device"]),
    )


def encode_texts(texts: Sequence[str], settings: TextSettings, show_progress: bool = True) -> np.ndarray:
    """(len(texts), D) float32, memory-mapped and read-only; a text's place is its row.

    Encoded once: the file in ``settings.cache`` is named by the encoder's files, the pooling, the maximal length and
    the texts. The device is no part of it, although it moves the last float digits.
    """
    folder = encoder_folder(settings.encoder)
    what = [folder_hash(folder), settings.pooling, settings.max_length, list(texts)]
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    vectors: np.ndarray
    vectors = cached_array(settings.cache / f"{name}.npy", lambda: encode(texts, folder, settings, show_progress))
    return vectors
