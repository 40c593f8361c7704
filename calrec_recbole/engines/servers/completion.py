"""One request of the completions protocol, and what its choices say: tokens with their log-probabilities.

A server may tell the ids of the drawn tokens (vLLM's ``token_ids``), a list of tokens with ids (llama.cpp), tokens
spelled ``token_id:7`` (older vLLMs), or their texts alone. llama.cpp tells nothing of tokens that hold a part of a
character. What was told is used where it is complete; otherwise the text stands, and its tokens are the tokenizer's.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Drawn", "Tokens", "drawn_of", "request_body"]

TOKEN_ID = "token_id:"
BROKEN = "\N{REPLACEMENT CHARACTER}"  # what a text ends with that was cut within a character
# all that servers call a filter or a penalty, switched off; names that a server does not know it ignores
UNFILTERED = {
    **{"top_p": 1.0, "top_k": -1, "min_p": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
    **{"repetition_penalty": 1.0, "repeat_penalty": 1.0, "samplers": ["temperature"], "post_sampling_probs": False},
}
TELLS = {"logprobs": 1, "return_token_ids": True, "return_tokens_as_token_ids": True, "stream": False}


class Drawn(NamedTuple):
    """A drawn text: its tokens without the end, and whether the end came within the tokens allowed."""

    token_ids: tuple[int, ...]
    ended: bool
    logprobs: tuple[float, ...] | None  # of each token and of the end that came; None where not all were told


def request_body(
    model: str, prompt: Sequence[int], n: int, temperature: float, steps: int, seed: int, end: int
) -> dict[str, Any]:
    """``n`` draws of at most ``steps`` tokens after ``prompt``, from the whole distribution at ``temperature``."""
    asked = {"model": model, "prompt": list(prompt), "n": n, "temperature": temperature, "max_tokens": steps}
    return {**asked, "seed": seed, "stop_token_ids": [end], **UNFILTERED, **TELLS}


class Tokens(Protocol):
    """A tokenizer, as far as answers need one."""

    def read(self, text: str) -> Sequence[int]:
        """The tokens of ``text``, no special ones added."""

    def write(self, token_ids: Sequence[int]) -> str:
        """The text of ``token_ids``, without outer spaces."""


def drawn_of(choice: Mapping[str, Any], end: int, steps: int, tokens: Tokens) -> Drawn:
    """What a choice of the answer says. Raises KeyError or TypeError where it has another form."""
    text, ended = str(choice["text"]), choice["finish_reason"] == "stop"
    ids, logprobs = _told(choice)
    if ids is None:  # texts of tokens alone
        ids = [*tokens.read(text), end] if ended else list(tokens.read(text))
    elif _lists(choice) and tokens.write([token for token in ids if token != end]) != text.strip():
        logprobs = []
    ends_itself = ids[-1:] == [end]
    if len(logprobs) == len(ids) and ends_itself == ended and (ended or len(ids) == steps):
        return Drawn(tuple(ids[:-1] if ended else ids), ended, tuple(logprobs))
    return Drawn(tuple(tokens.read(text.rstrip(BROKEN)))[:steps], ended, None)


def _told(choice: Mapping[str, Any]) -> tuple[list[int] | None, list[float]]:
    """The ids of the drawn tokens, None where none are told, and the log-probabilities."""
    told = choice.get("logprobs") or {}
    if _lists(choice):
        return [one["id"] for one in told["content"]], [float(one["logprob"]) for one in told["content"]]
    logprobs = [float(one) for one in told.get("token_logprobs") or []]
    if choice.get("token_ids") is not None:
        return list(choice["token_ids"]), logprobs
    names = told.get("tokens") or []
    if names and all(str(name).startswith(TOKEN_ID) for name in names):
        return [int(name.removeprefix(TOKEN_ID)) for name in names], logprobs
    return None, logprobs


def _lists(choice: Mapping[str, Any]) -> bool:
    """Whether the tokens come as llama.cpp lists them, which leaves some out."""
    return (choice.get("logprobs") or {}).get("content") is not None
