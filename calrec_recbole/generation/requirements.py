"""What settings, prompts and model must fulfil before sampling starts."""

from math import isfinite

from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import BackboneError, ConfigError, DataError

LAYERS = ("full_attention", "sliding_attention")


def check_settings(n: int, temperature: float, max_new_tokens: int) -> None:
    """Raises ConfigError."""
    if not (isfinite(temperature) and temperature > 0):
        raise ConfigError(f"temperature is {temperature}; it must be a finite number above 0")
    for name, value in (("n", n), ("max_new_tokens", max_new_tokens)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1")


def check_prompts(model: PreTrainedModel, prompts: list[Tensor], max_new_tokens: int, name: str = "prompts") -> None:
    """Raises DataError: an empty prompt, a token outside the vocabulary, or too many tokens for the model."""
    config = model.config.get_text_config()
    room = getattr(config, "max_position_embeddings", None)
    for index, prompt in enumerate(prompts):
        if not len(prompt):
            raise DataError(f"{name}[{index}] is empty; a prompt holds at least one token")
        low, high = (int(end) for end in prompt.aminmax())
        if low < 0 or high >= config.vocab_size:
            wrong = low if low < 0 else high
            raise DataError(f"{name}[{index}] holds token {wrong}; the model knows 0 to {config.vocab_size - 1}")
        if room is not None and len(prompt) + max_new_tokens > room:
            raise DataError(
                f"{name}[{index}] has {len(prompt)} tokens, which with max_new_tokens {max_new_tokens} exceed the "
                f"model's {room} positions; shorten the prompt"
            )


def check_layers(model: PreTrainedModel) -> None:
    """Raises BackboneError: a kind of layer that looks neither at all tokens nor at the last ones."""
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or []
    for kind in kinds:
        if kind not in LAYERS:
            raise BackboneError(f"the model has layers of {kind}; sampling knows {' and '.join(LAYERS)}")


def end_ids(model: PreTrainedModel) -> list[int]:
    """The end token ids, ascending: of the generation config, else of the model's config. Raises BackboneError."""
    for config in (getattr(model, "generation_config", None), model.config):
        ends = getattr(config, "eos_token_id", None)
        if ends is not None:
            return [ends] if isinstance(ends, int) else sorted(set(ends))
    raise BackboneError("the model's eos_token_id is None; set model.generation_config.eos_token_id")
