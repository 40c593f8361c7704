"""Passes over rows as CUDA graphs: recorded once for each size, then launched whole.

A pass is hundreds of small kernels, and a GPU waits for their launches; a recorded one is a single launch. Its inputs
lie where they were when it was recorded, and as many as then: what is read is copied there, and filled up.
"""

import copy
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from calrec_recbole.attention.varlen import Segments
from calrec_recbole.generation.shared_prefix.key_values import KeyValues
from calrec_recbole.generation.shared_prefix.lean_decoder import LeanDecoder
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder
from calrec_recbole.generation.shared_prefix.pass_layout import Packed, Spans

__all__ = ["GraphedDecoder", "bucket", "recorded_on_cuda"]

_log = logging.getLogger(__name__)

Recorder = Callable[[Callable[[], Tensor], Any], tuple[Callable[[], None], Tensor]]


class GraphedDecoder:
    """``decoder`` with its passes over packed rows recorded by ``record``; all else is left to it."""

    def __init__(self, decoder: LeanDecoder, record: Recorder):
        self.decoder, self.record = decoder, record
        self._states: KeyValues | None = None
        self._recorded: dict[tuple[int, int], _Recording] = {}
        self._pool: Any = None
        self._works = True

    @property
    def config(self) -> Any:
        return self.decoder.config

    @property
    def device(self) -> torch.device:
        return self.decoder.device

    @property
    def dtype(self) -> torch.dtype:
        return self.decoder.dtype

    def passing(self) -> AbstractContextManager[None]:
        return self.decoder.passing()

    def logits(self, hidden: Tensor) -> Tensor:
        return self.decoder.logits(hidden)

    def __call__(self, tokens: Tensor, states: KeyValues, keep: Tensor | None = None) -> Tensor:
        if states is not self._states:  # another batch lies elsewhere
            self._states, self._recorded, self._pool = states, {}, None
        whole = self.decoder.window is None or self.decoder.window >= states.longest + states.max_steps
        if not (self._works and whole and states.packed and isinstance(states.read, Spans)):
            return self.decoder(tokens, states, keep)  # a window that ends inside prompts needs masks of its own
        size = bucket(len(tokens)), bucket(len(states.layout.used))
        if size not in self._recorded and not self._make(size, states):
            return self.decoder(tokens, states, keep)
        return self._recorded[size](tokens, states)

    def _make(self, size: tuple[int, int], states: KeyValues) -> bool:
        try:
            if self._pool is None and self.device.type == "cuda":
                self._pool = torch.cuda.graph_pool_handle()
            self._recorded[size] = _Recording.of(self.decoder, size, states, self.record, self._pool)
        except RuntimeError as problem:
            reason = str(problem).strip().split("\n")[0]
            _log.warning("a pass cannot be recorded as a CUDA graph (%s): sampling goes on without", reason)
            self._works = False
        return self._works


class _Recording(NamedTuple):
    """A recorded pass and where its inputs and its output lie."""

    tokens: Tensor
    positions: Tensor
    layout: Packed
    nowhere: int  # the place of keys and values that nobody reads
    launch: Callable[[], None]
    hidden: Tensor

    @classmethod
    def of(
        cls, decoder: Decoder, size: tuple[int, int], states: KeyValues, record: Recorder, pool: Any
    ) -> "_Recording":
        """A pass over ``size``: tokens and rows, of any length that ``states`` have room for."""
        tokens, rows = size
        device, layout = decoder.device, states.layout
        numbers, starts = (torch.zeros(count, dtype=torch.int64, device=device) for count in (tokens, tokens))
        ints = [torch.zeros(rows + 1, dtype=torch.int32, device=device) for _ in range(2)]
        nowhere = states.max_rows * states.max_steps
        own = Packed(
            torch.full_like(numbers, nowhere),
            Segments(ints[0], min(tokens, states.max_steps)),
            Segments(ints[1], states.max_steps),
            torch.zeros(rows, dtype=torch.int32, device=device),
            Segments(torch.zeros_like(layout.of_users.starts), tokens),
            layout.prompts,
            layout.used_prompts,
        )
        still = copy.copy(states)  # the same keys and values; what is read lies here
        still.layout, still.places, still.positions = own, own.places, starts
        launch, hidden = record(lambda: decoder(numbers, still), pool)
        return cls(numbers, starts, own, nowhere, launch, hidden)

    def __call__(self, tokens: Tensor, states: KeyValues) -> Tensor:
        layout, end = states.layout, len(tokens)
        _fill(self.tokens, tokens, 0)
        _fill(self.positions, states.positions, 0)
        _fill(self.layout.places, layout.places, self.nowhere)
        _fill(self.layout.of_rows.starts, layout.of_rows.starts, end)  # rows beyond read nothing
        _fill(self.layout.suffixes.starts, layout.suffixes.starts, 0)
        _fill(self.layout.used, layout.used, 0)
        _fill(self.layout.of_users.starts, layout.of_users.starts, end)
        self.launch()
        return self.hidden[:end]


def _fill(place: Tensor, values: Tensor, rest: int) -> None:
    place.copy_(torch.nn.functional.pad(values, (0, len(place) - len(values)), value=rest))


def bucket(count: int) -> int:
    """The next power of two, or one and a half of one: as few sizes as waste at most a third.

    >>> [bucket(count) for count in (1, 2, 3, 4, 5, 6, 7, 12, 13, 100)]
    [1, 2, 3, 4, 6, 6, 8, 12, 16, 128]
    """
    power = 1 << (count - 1).bit_length()
    return 3 * power // 4 if power >= 4 and count <= 3 * power // 4 else power


def recorded_on_cuda(run: Callable[[], Tensor], pool: Any) -> tuple[Callable[[], None], Tensor]:
    """``run`` as a CUDA graph -> what launches it, and its output, the same tensor each time."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries make their work space at the first call, which a graph may not
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        output = run()
    return graph.replay, output
