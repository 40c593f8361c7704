"""One vector an item from its text, by a frozen encoder, cached on disk. Items of equal text share one, bit for bit.

The text is plain, as UniSRec's official code makes it: ``text_attributes``, each ending in a full stop, joined by a
space, without labels or word limits. It is another text than CALRec's template (labels, limits, price): items may tie
under one and differ under the other.
"""

import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.baselines.text.array_cache import cached_array
from calrec_recbole.baselines.text.encoder import TextSettings, encode
from calrec_recbole.baselines.text.encoder_folder import encoder_folder, folder_hash
from calrec_recbole.catalogue import Catalogue
from calrec_recbole.plugin.data.data_settings import DataSettings
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.setting_groups import settings_of

__all__ = ["encode_texts", "item_features", "plain_catalogue", "plain_text", "text_settings"]

TOO_LONG = 2000  # characters, official code


def item_features(prepared: Prepared, settings: TextSettings) -> Tensor:
    """(n_items, D) float32: row i is the vector of the item with internal id i, row 0, the pad item's, is zero."""
    distinct, group = plain_catalogue(prepared, settings).distinct_texts
    vectors = encode_texts(distinct, settings)
    features = torch.zeros(len(group) + 1, vectors.shape[1])
    features[1:] = torch.from_numpy(vectors[group])
    return features


def plain_catalogue(prepared: Prepared, settings: TextSettings) -> Catalogue:
    """Every item's plain text: ``texts[i]`` belongs to internal id ``i + 1``; nothing known is the empty text."""
    rows = prepared.attributes(settings.attributes, setting="text_attributes")
    return Catalogue(tuple(prepared.items[1:]), tuple(plain_text(row.values()) for row in rows))


def plain_text(descriptions: Iterable[str]) -> str:
    """The descriptions of one item as UniSRec reads them: entities unescaped, no double quotes, white space as one
    space, one full stop at the end of each; one of ``TOO_LONG`` characters or more is left out, as a missing one is.

    >>> plain_text(["Nuts &amp; Bolts, 3/4&quot;", "", "Acme Inc."])
    'Nuts & Bolts, 3/4. Acme Inc.'
    """
    cleaned = (" ".join(html.unescape(one).replace('"', "").split()).rstrip(".") for one in descriptions)
    return " ".join(f"{one}." for one in cleaned if one and len(one) + 1 < TOO_LONG)


def text_settings(config: Any) -> TextSettings:
    """The settings ``text_*`` of a run; an empty ``text_cache`` is ``<output_dir>/text_features``."""
    data, run = settings_of(DataSettings, config), settings_of(RunSettings, config)
    return TextSettings(
        encoder=data.text_encoder,
        pooling=data.text_pooling,
        max_length=data.text_max_length,
        cache=Path(data.text_cache or Path(run.output_dir) / "text_features").expanduser(),
        device=str(config["device"]),
        attributes=data.text_attributes,
        show_progress=run.show_progress,
    )


def encode_texts(texts: Sequence[str], settings: TextSettings) -> np.ndarray:
    """(len(texts), D) float32, memory-mapped and read-only; a text's place is its row.

    Encoded once: the file in ``settings.cache`` is named by the encoder's files, the pooling, the maximal length and
    the texts. The device is no part of it, although it moves the last float digits.
    """
    folder = encoder_folder(settings.encoder)
    what = [folder_hash(folder), settings.pooling, settings.max_length, list(texts)]
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    vectors: np.ndarray = cached_array(settings.cache / f"{name}.npy", lambda: encode(texts, folder, settings))
    return vectors
