"""What a batch of prompts takes of the memory, and so which prompts go through the model together."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from calrec_recbole.attention.varlen_check import packs
from calrec_recbole.errors import ConfigError
from calrec_recbole.generation.categorical import BLOCK, CACHED
from calrec_recbole.generation.shared_prefix.key_values import COPIED
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder, ModelDecoder

__all__ = ["Budget", "free_memory", "in_halves", "room_of"]

CPU_ROOM = 1 << 30  # bytes of one batch by default: more is no faster there
FREE_SHARE = 0.8  # ... and on CUDA of what is free
PROMPTS, LOGITS = 0.15, 0.05  # shares of the room for reading prompts, and for the numbers that draws make of logits
SPAN = 4  # tokens that a pass reads of a row on average at most, where rows read several
SLACK = 1.05  # what was measured was .6 to 1.02 of what the parts below sum to
INDEX = 64  # bytes of positions, places and the like, a token

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Budget:
    """Bytes of sampling with ``n`` rows a prompt, ``steps`` tokens a row, ``places`` of them in one pass at most.

    ``room`` is the limit. Keys, values, activations, logits and what draws make of them count; weights do not. With
    ``whole`` a pass reads all the steps of all rows, and logits are made in pieces.
    """

    decoder: Decoder
    room: int
    n: int
    steps: int
    places: int = 1
    whole: bool = False
    graphs: bool = (
        False  # each recorded pass keeps its activations: of sizes that halve they are four times the largest
    )

    def of(self, users: int, longest: int) -> int:
        """What ``users`` prompts of at most ``longest`` tokens take."""
        rows, sizes = users * self.n, self._sizes
        kept = users * longest * sizes.keys_and_values + (rows + 1) * self.steps * (sizes.keys_and_values + 24)
        tokens = max(longest, min(self.prompt_tokens, users * longest))
        reading = tokens * sizes.activations + users * sizes.logits
        positions = self.positions(users)
        passing = positions * (sizes.activations + self._attending(longest)) * (4 if self.graphs else 1)
        drawing = min(self.piece, positions * sizes.vocabulary) * (sizes.logits // sizes.vocabulary)
        drawing += 8 * min(self._at_once, positions * sizes.vocabulary)
        drawing += rows * self.places * (16 * sizes.vocabulary // BLOCK + 40 * BLOCK)
        copying = min(COPIED, rows * self.steps * sizes.keys_and_values)
        return int(SLACK * (kept + max(reading, passing, drawing, copying)))

    @property
    def prompt_tokens(self) -> int:
        """How many tokens of prompts are read at once."""
        activations: int = self._sizes.activations
        return max(1, int(PROMPTS * self.room) // activations)

    @property
    def logits_at_once(self) -> int | None:
        """From how many logits draws are made at once; None: as suits a CPU's cache."""
        return None if self.decoder.device.type == "cpu" else max(1, int(LOGITS * self.room) // 8)

    def positions(self, users: int) -> int:
        """How many tokens a pass over rows reads at most."""
        return users * self.n * (self.steps if self.whole else min(self.places, SPAN))

    @property
    def piece(self) -> int:
        """How many logits there are at once."""
        if not self.whole:
            return 1 << 62
        item, vocabulary = self.decoder.dtype.itemsize, int(self._sizes.vocabulary)
        return max(vocabulary, int(LOGITS * self.room) // (item + 8))

    def rows_of(self, length: int, wanted: int) -> int:
        """How many of ``wanted`` rows of a prompt of ``length`` tokens the room holds, at least one."""
        held = range(1, wanted + 1)
        return max(1, bisect_right(held, self.room, key=lambda n: replace(self, n=n).of(1, length)))

    def batches(self, lengths: list[int]) -> Iterator[list[int]]:
        """Indices of prompts of ``lengths``, shortest first, as many at a time as the room holds, at least one."""
        batch: list[int] = []
        for index in sorted(range(len(lengths)), key=lengths.__getitem__):
            if batch and self.of(len(batch) + 1, lengths[index]) > self.room:
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    @property
    def _at_once(self) -> int:
        return self.logits_at_once or max(CACHED, self._sizes.vocabulary)

    def _attending(self, longest: int) -> int:
        """Bytes of scores and masks, a token, where no kernel does without them."""
        sizes, keys = self._sizes, longest + self.steps
        scores = 0 if sizes.fused or self.decoder.device.type == "cpu" else 12 * sizes.heads * keys
        masked = self.places > 1 or sizes.windowed
        return scores + (0 if sizes.fused or not masked else 2 * sizes.group * keys * self.decoder.dtype.itemsize)

    @cached_property
    def _sizes(self) -> "_Sizes":
        return _Sizes(self.decoder)


class _Sizes:
    """Of a decoder, in bytes a token but where it says otherwise."""

    def __init__(self, decoder: Decoder):
        config, item = decoder.config, decoder.dtype.itemsize
        hidden, self.heads, self.vocabulary = config.hidden_size, config.num_attention_heads, config.vocab_size
        width = getattr(config, "head_dim", None) or hidden // self.heads
        key_heads = getattr(config, "num_key_value_heads", None) or self.heads
        inner = getattr(config, "intermediate_size", None) or 4 * hidden
        self.group = self.heads // key_heads  # query heads that share a key head
        self.fused = packs(torch.empty(0, width, dtype=decoder.dtype, device=decoder.device))
        self.windowed = getattr(config, "sliding_window", None) is not None
        self.keys_and_values = 2 * key_heads * width * config.num_hidden_layers * item
        attending = 2 * hidden + (6 * self.heads + 2 * key_heads) * width
        most = max(attending, 3 * hidden + 3 * inner) + 2 * width + hidden * isinstance(decoder, ModelDecoder)
        self.activations = most * item + INDEX
        self.logits = self.vocabulary * item


def room_of(device: torch.device) -> int:
    """What one batch may take by default."""
    return CPU_ROOM if device.type != "cuda" else max(CPU_ROOM, int(FREE_SHARE * free_memory(device)))


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a CUDA ``device``, those that torch keeps for whoever asks next among them."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + kept


def in_halves(batches: Iterable[list[int]], run: Callable[[list[int]], None]) -> None:
    """Runs each batch; one that the memory does not hold in halves, and then no larger ones. Raises ConfigError where
    it does not hold a single prompt."""
    most: int | None = None
    waiting = list(batches)[::-1]
    while waiting:
        batch = waiting.pop()
        if most is not None and len(batch) > most:
            waiting += [batch[most:], batch[:most]]
            continue
        try:
            run(batch)
        except torch.OutOfMemoryError as problem:
            if len(batch) == 1:
                reason = str(problem).split(". ")[0]
                raise ConfigError(
                    f"one prompt does not fit in memory ({reason}): lower n_gen or max_new_tokens"
                ) from None
            if most is None:
                _log.warning("out of memory with %d prompts at once: sampling goes on with half of them", len(batch))
            most = len(batch) // 2
            waiting.append(batch)
        if most is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
