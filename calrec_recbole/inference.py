"""How samples are drawn and fused: the settings of section 3.5, with the paper's values (section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import ConfigError, not_one_of
from calrec_recbole.fusion import POOLINGS
from calrec_recbole.generation import PRECISIONS
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged, younger

__all__ = ["AUTO", "CONSTRAINED", "DECODINGS", "LONGEST", "NATIVE", "InferenceSettings"]

AUTO = "auto"
LONGEST = 256  # tokens of a generated text under max_new_tokens "auto"
DECODINGS = ("sample", "constrained")
CONSTRAINED = DECODINGS[1]
NATIVE = "native"


@dataclass(frozen=True)
class InferenceSettings:
    """Decoding and fusion at inference, with the paper's values (section 4).

    ``decoding`` "constrained" takes the ``n_pred`` most probable texts of the catalogue, by a beam search of ``beams``
    prefixes, in the place of samples. ``speculate`` draws the samples in fewer passes, with the catalogue's texts as
    proposals; "auto" where a pass costs more than its tokens. ``max_new_tokens`` "auto" is what the longest
    item of the catalogue needs, at most `LONGEST`.

    ``decode_precision`` is that of the passes that draw samples: "auto" is bfloat16 on CUDA. Where it is lower than the
    model's, the texts that fusion takes are scored again in the model's own. ``cuda_graphs`` launches passes whole.
    """

    decoding: str = younger("sample", neutral="sample")
    beams: int = younger(32, neutral=32, within="[1, 1e6]")
    n_gen: int = ranged(32, "[1, 1e9]")
    temperature: float = ranged(0.5, "[1e-4, 1e6]")  # less overflows float32
    speculate: bool | str = no_effect(AUTO)
    decode_precision: str = younger(AUTO, neutral=AUTO)
    cuda_graphs: bool = no_effect(False)
    max_new_tokens: int | str = ranged(AUTO, "auto or [1, 1e6]")  # paper 4: 80, "a maximum output decoding length"
    n_pred: int = ranged(10, "[1, 1e6]")
    epsilon: float = ranged(1 / 5000, "[0, 1e6]")
    pooling: str = "max"  # Algorithm 1, line 11
    # or the name of what else draws the samples: other draws, equally distributed
    generation_engine: str = younger(NATIVE, neutral="native")

    def __post_init__(self) -> None:
        check_ranges(
            self,
            not_one_of("decoding", self.decoding, DECODINGS),
            not_one_of("speculate", self.speculate, (AUTO, True, False)),
            not_one_of("decode_precision", self.decode_precision, PRECISIONS),
            not_one_of("pooling", self.pooling, POOLINGS, " (paper: max)"),
        )
        if self.generation_engine != NATIVE and self.decoding == CONSTRAINED:
            raise ConfigError(
                f"decoding=constrained draws no samples: set generation_engine=native, not {self.generation_engine}"
            )
        if self.speculate is True and self.decoding == CONSTRAINED:
            raise ConfigError(f"speculate=True needs decoding=sample: {CONSTRAINED} decoding draws nothing")
        if self.speculate is True and self.generation_engine != NATIVE:
            raise ConfigError(f"speculate=True needs generation_engine=native: {self.generation_engine} does without")

    def for_items(self, items: Sequence[NDArray[np.int64]]) -> "InferenceSettings":
        """These settings with what "auto" means for the tokens of a catalogue's items."""
        if self.max_new_tokens != AUTO:
            return self
        return replace(self, max_new_tokens=min(max(map(len, items)) + 1, LONGEST))

    @property
    def steps(self) -> int:
        """``max_new_tokens``, once it is a number."""
        assert isinstance(self.max_new_tokens, int), "the settings of a recommender are those of its items"
        return self.max_new_tokens

    def cut_share(self, items: Sequence[NDArray[np.int64]]) -> float:
        """The share of ``items`` (their tokens) that do not end within ``max_new_tokens``."""
        return sum(len(item) >= self.steps for item in items) / len(items)
