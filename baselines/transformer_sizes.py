"""The sizes of RecBole's transformers, as the models that subclass them set them."""

from dataclasses import dataclass

from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["TransformerSizes"]


@dataclass(frozen=True)
class TransformerSizes:
    """Defaults are those of UniSRec's comparison."""

    n_layers: int = ranged(2, "[1, 1000]")
    n_heads: int = ranged(2, "[1, 1000]")
    hidden_size: int = ranged(300, "[1, 1e5]")
    inner_size: int = ranged(256, "[1, 1e6]")
    hidden_dropout_prob: float = ranged(0.5, "[0, 1)")
    attn_dropout_prob: float = ranged(0.5, "[0, 1)")
    hidden_act: str = "gelu"
    layer_norm_eps: float = ranged(1.0e-12, "[0, 1]")
    initializer_range: float = ranged(0.02, "[0, 1e3]")
    loss_type: str = "CE"

    def __post_init__(self) -> None:
        check_ranges(self)
