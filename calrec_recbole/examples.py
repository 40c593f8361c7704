"""Pre-tokenised items -> token sequences of a history and its target.

Every span of the template is tokenised on its own and once: the user prefix with the first item's prefix, the next
item's prefix, what ends the prompt, and each item's text with the space before it. Training and inference join the
same spans, so they see the same tokens.
"""

import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calrec_recbole.errors import ConfigError
from calrec_recbole.prompts import CALREC, Prompt

__all__ = ["IGNORED", "Example", "ItemTokens", "decode", "encode", "lost_share", "tokenise_items"]

IGNORED = -100  # torch's cross_entropy skips it


@dataclass(frozen=True)
class Example:
    """One training sequence.

    ``tokens`` (T,) is the prompt followed by the target; ``labels`` (T,) holds at each place the token to predict
    next, or ``IGNORED``: the target's tokens and the end token, on request those of every item of the history too.
    """

    tokens: np.ndarray
    prompt_length: int
    labels: np.ndarray

    @property
    def target(self) -> np.ndarray:
        return self.tokens[self.prompt_length :]


@dataclass(frozen=True)
class ItemTokens:
    """The tokenised spans of the template; ``items[i]`` is the text of item i with its leading space."""

    items: tuple[np.ndarray, ...]
    first_prefix: np.ndarray
    next_prefix: np.ndarray  # between two items
    closing: np.ndarray  # after the last
    end: int
    start: np.ndarray
    max_length: int = 1024  # paper 4: "a maximum input length of 1,024 tokens"
    texts: tuple[str, ...] = ()  # of the items, as they were given

    def prompt(self, history: Sequence[int]) -> np.ndarray:
        """Items 0..n-1, oldest first -> the prompt's tokens, int64, ending with what asks for the next item."""
        return self.prompt_of([self.items[item] for item in history])

    def prompt_of(self, spans: Sequence[np.ndarray]) -> np.ndarray:
        """The same for tokenised items, each with its leading space; they need not be in the catalogue."""
        parts = [self.first_prefix]
        for span in self._recent(spans):
            parts += [span, self.next_prefix]
        return np.concatenate([*parts[:-1], self.closing])

    def _recent(self, spans: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """The newest items whose prompt fits ``max_length`` tokens: the oldest are dropped whole, one always stays."""
        room = self.max_length - len(self.first_prefix) - len(self.closing) + len(self.next_prefix)
        kept = 0
        for span in reversed(spans):
            room -= len(span) + len(self.next_prefix)
            if room < 0:
                break
            kept += 1
        return spans[len(spans) - max(kept, 1) :]

    def example(self, history: Sequence[int], target: int, *, history_labels: bool = False) -> Example:
        """History and target items -> one training sequence; ``history_labels`` asks for the loss on every item.

        The loss on a history item is the same as on a target: its tokens, then the end token where the sequence
        itself goes on with the next item's prefix.
        """
        spans = [self.items[item] for item in history]
        prompt = self.prompt_of(spans)
        tokens = np.concatenate([prompt, self.items[target]])
        labels = np.full(len(tokens), IGNORED, dtype=np.int64)
        self._label(labels, len(prompt), self.items[target])
        place = len(self.first_prefix)
        for span in self._recent(spans) if history_labels else []:
            self._label(labels, place, span)
            place += len(span) + len(self.next_prefix)
        return Example(tokens, len(prompt), labels)

    def _label(self, labels: np.ndarray, start: int, span: np.ndarray) -> None:
        """Asks for ``span`` and then the end token where ``span`` begins at place ``start``."""
        labels[start - 1 : start - 1 + len(span)] = span
        labels[start - 1 + len(span)] = self.end


def tokenise_items(texts: Sequence[str], tokenizer: Any, max_length: int = 1024, prompt: Prompt = CALREC) -> ItemTokens:
    """Tokenises every item text once. ``tokenizer`` is a transformers tokenizer with an end token.

    ``texts`` are what ``prompt`` asks for: whole item texts, or titles.

    An item whose text alone exceeds what ``max_length`` leaves is cut to fit, with a warning: nothing could be
    generated after it otherwise.
    """

    def tokens(text: str) -> np.ndarray:
        return np.array(encode(tokenizer, text), dtype=np.int64)

    start = np.array([tokenizer.bos_token_id] if _adds_start(tokenizer) else [], dtype=np.int64)
    first = np.concatenate([start, tokens(prompt.opening)])
    following, closing = tokens(prompt.separator), tokens(prompt.closing)
    room = max_length - len(first) - len(closing)
    if room < 1:
        raise ConfigError(
            f"max_input_length={max_length} leaves no room for an item: the template takes {max_length - room}"
        )
    distinct = list(dict.fromkeys(texts))
    encoded = encode(tokenizer, [f" {text}" for text in distinct]) if distinct else []
    too_long = sum(len(ids) > room for ids in encoded)
    if too_long:
        warnings.warn(f"{too_long} item texts are longer than {room} tokens and were cut", stacklevel=2)
    by_text = {text: np.array(ids[:room], dtype=np.int64) for text, ids in zip(distinct, encoded, strict=True)}
    items = tuple(by_text[text] for text in texts)
    return ItemTokens(items, first, following, closing, int(tokenizer.eos_token_id), start, max_length, tuple(texts))


def encode(tokenizer: Any, text: str | list[str]) -> Any:
    """Token ids of a text or of several, without start or end token.

    A text that spells a special token (``</s>`` in a title) is tokenised as the plain characters that it is.
    """
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def decode(tokenizer: Any, token_ids: Sequence[Sequence[int]]) -> list[str]:
    """The text of each sequence, without special tokens and outer spaces."""
    if not token_ids:
        return []
    texts = tokenizer.batch_decode(
        [list(ids) for ids in token_ids], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return [text.strip() for text in texts]


def lost_share(items: ItemTokens, tokenizer: Any) -> float:
    """The share of ``items`` of whose text the tokenizer loses characters: unknown ones, or their accents.

    Letter case, spaces and compatible forms (NFKC) do not count, nor does what ``max_length`` cut off.
    """
    by_text = dict(zip(items.texts, items.items, strict=True))
    room = items.max_length - len(items.first_prefix) - len(items.closing)
    lost = set()
    for text, read in zip(by_text, decode(tokenizer, [ids.tolist() for ids in by_text.values()]), strict=True):
        given, left = _folded(text), _folded(read)
        cut = len(by_text[text]) >= room and given.startswith(left)
        if given != left and not cut:
            lost.add(text)
    return sum(text in lost for text in items.texts) / max(len(items.texts), 1)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _adds_start(tokenizer: Any) -> bool:
    """Whether the tokenizer itself puts its start token before a text (Gemma, Llama do, SmolLM2 does not)."""
    ids = tokenizer("a")["input_ids"]
    return tokenizer.bos_token_id is not None and bool(ids) and ids[0] == tokenizer.bos_token_id
