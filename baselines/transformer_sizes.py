"""The sizes of RecBole's transformers, as the models that subclass them set them."""

from dataclasses import dataclass

__all__ = ["TransformerSizes"]


@dataclass(frozen=True)
class TransformerSizes:
    """Defaults are those of UniSRec's comparison."""

    n_layers: int = 2
    n_heads: int = 2
    hidden_size: int = 300
    inner_size: int = 256
    hidden_dropout_prob: float = 0.5
    attn_dropout_prob: float = 0.5
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1.0e-12
    initializer_range: float = 0.02
    loss_type: str = "CE"
