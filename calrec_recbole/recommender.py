"""History -> next-item texts -> scores of all items -> top items: the whole of section 3.5 for an application."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.backbone import Backbone
from calrec_recbole.catalogue import Catalogue
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.examples import ItemTokens, decode, encode
from calrec_recbole.fusion import (
    FusingRetriever,
    RankCounts,
    Retriever,
    fuse,
    fuse_rank_counts,
    quasi_round_robin,
    unique_predictions,
)
from calrec_recbole.generation import (
    BestTexts,
    CatalogueProposer,
    Sample,
    Trie,
    best_texts,
    decode_dtype,
    sample,
    score_again,
)
from calrec_recbole.inference import AUTO, CONSTRAINED, NATIVE, InferenceSettings

__all__ = ["Draw", "DrawsEach", "InferenceSettings", "Recommendation", "Recommender", "TextFusion"]

CACHED_WEIGHTS = 1 << 26  # bytes


class Draw(Protocol):
    """Draws samples in the place of ``generation.sample``, which says what they are."""

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> list[list[Sample]]:
        """``n`` draws of each prompt (token ids), by one seed a prompt -> per prompt the distinct ones, sorted."""


@runtime_checkable
class DrawsEach(Protocol):
    """A ``Draw`` that hands over the samples of a prompt before the others are drawn."""

    def each(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> Iterator[tuple[int, list[Sample]]]:
        """The place of each prompt with what ``Draw`` returns for it, as they come."""


@dataclass(frozen=True)
class Recommendation:
    """One recommended item, its fused score in [0, 1], and the generated text that gave it this score with the text's
    log-probability (nats, temperature 1)."""

    item_id: str
    text: str
    score: float
    generated: str
    logprob: float


class _Fuses:
    """Algorithm 1 over ``retriever``, by ``settings``; no backbone is asked."""

    retriever: Retriever
    settings: InferenceSettings

    def fused(self, predictions: Sequence[Sequence[tuple[str, float]]]) -> NDArray[np.float64]:
        """What ``predictions`` answered -> (n_prompts, n_items) float64 scores."""
        return fuse(self.retriever, predictions, self.settings.n_pred, self.settings.epsilon, self.settings.pooling)

    @property
    def stands(self) -> bool:
        """Whether ``rank_counts`` can be asked."""
        return isinstance(self.retriever, FusingRetriever) and self.settings.pooling == "max"

    def rank_counts(self, predictions: Sequence[Sequence[tuple[str, float]]], items: NDArray[np.int64]) -> RankCounts:
        """Counts, for each of ``items`` (n_prompts, M; places in the catalogue), who scores higher and the same."""
        assert isinstance(self.retriever, FusingRetriever)
        return fuse_rank_counts(self.retriever, predictions, items, self.settings.n_pred, self.settings.epsilon)


@dataclass(frozen=True)
class TextFusion(_Fuses):
    """What becomes of texts, from wherever they come."""

    retriever: Retriever
    settings: InferenceSettings


@dataclass(frozen=True)
class Recommender(_Fuses):
    """A fine-tuned backbone over a catalogue. Histories are places in the catalogue, oldest first."""

    backbone: Backbone
    catalogue: Catalogue
    items: ItemTokens
    retriever: Retriever
    settings: InferenceSettings = field(default_factory=InferenceSettings)
    draw: Draw | None = None  # None: ``generation.sample``, on the backbone's device

    def __post_init__(self) -> None:
        if self.draw is None and self.settings.generation_engine != NATIVE:
            raise ConfigError(
                f"generation_engine={self.settings.generation_engine}: give draw=engines.samplers.sampler_of(...), or "
                f"set generation_engine: {NATIVE}"
            )
        object.__setattr__(self, "settings", self.settings.for_items(self.items.items))

    def predictions(
        self, prompts: Sequence[NDArray[np.int64]], seeds: Sequence[int], tell: Callable[[int], object] | None = None
    ) -> list[list[tuple[str, float]]]:
        """Token prompts -> per prompt the texts with their log-probabilities, of samples not yet merged where equal.

        ``seeds`` holds one number a prompt: what is drawn for a user does not depend on who else is in the batch.
        ``tell`` is called with the number of prompts each time that some are done.
        """
        if self.settings.decoding == CONSTRAINED:
            return [self.pairs(best) for best in self.best(prompts, tell)]
        return self._decoded(self._sampled([prompt.tolist() for prompt in prompts], seeds, tell))

    def predictions_as_drawn(
        self, prompts: Sequence[NDArray[np.int64]], seeds: Sequence[int], tell: Callable[[int], object] | None = None
    ) -> Iterator[dict[int, list[tuple[str, float]]]]:
        """The places of prompts with their ``predictions``: all at once, or as the engine finishes them."""
        if not isinstance(self.draw, DrawsEach):
            yield dict(enumerate(self.predictions(prompts, seeds, tell)))
            return
        token_ids, settings = [prompt.tolist() for prompt in prompts], self.settings
        wanted = settings.n_gen, settings.temperature, settings.steps
        for place, samples in self.draw.each(token_ids, *wanted, seeds=seeds):
            yield {place: self._decoded([samples])[0]}
            if tell:
                tell(1)

    def _decoded(self, samples: list[list[Sample]]) -> list[list[tuple[str, float]]]:
        decoded = iter(self._texts(one.token_ids for user in samples for one in user))
        return [[(next(decoded), one.logprob) for one in user] for user in samples]

    def _sampled(
        self, prompts: list[list[int]], seeds: Sequence[int], tell: Callable[[int], object] | None
    ) -> list[list[Sample]]:
        model, settings = self.backbone.model, self.settings
        wanted = settings.n_gen, settings.temperature, settings.steps
        if self.draw:
            return self.draw(prompts, *wanted, seeds=seeds)
        dtype = decode_dtype(settings.decode_precision, model)
        graphs, proposer = settings.cuda_graphs, self._proposer
        samples = sample(model, prompts, *wanted, seeds=seeds, proposer=proposer, dtype=dtype, graphs=graphs, tell=tell)
        if dtype == model.dtype:
            return samples
        return score_again(model, prompts, samples, self._taken, settings.steps)

    def _taken(self, samples: list[Sample]) -> list[int]:
        """The places of the samples whose log-probabilities fusion takes: the best of each text, of the best texts."""
        texts = self._texts(one.token_ids for one in samples)
        chosen, _ = unique_predictions(texts, [one.logprob for one in samples], self.settings.n_pred)
        best: dict[str, int] = {}
        for place in sorted(range(len(samples)), key=lambda place: -samples[place].logprob):
            best.setdefault(texts[place], place)
        return [best[text] for text in chosen]

    def best(
        self, prompts: Sequence[NDArray[np.int64]], tell: Callable[[int], object] | None = None
    ) -> list[BestTexts]:
        """The ``n_pred`` most probable texts of the catalogue after each prompt, as numbers for `pairs`."""
        token_ids = [prompt.tolist() for prompt in prompts]
        wanted = self.settings.n_pred, self.settings.beams
        return best_texts(self.backbone.model, token_ids, self._trie[0], *wanted, tell=tell)

    def pairs(self, best: BestTexts) -> list[tuple[str, float]]:
        """The texts of one prompt with their log-probabilities."""
        return [(self._trie[1][text], nats) for text, nats in zip(best.texts, best.logprobs.tolist(), strict=True)]

    @cached_property
    def _proposer(self) -> CatalogueProposer | None:
        """Of the catalogue's token sequences; none where the samples are drawn without."""
        wanted = self._passes_cost if self.settings.speculate == AUTO else self.settings.speculate
        return CatalogueProposer(self._distinct()) if wanted else None

    @property
    def _passes_cost(self) -> bool:
        """Whether a pass costs more than its tokens: its launches on a GPU, on a CPU weights that no cache holds."""
        model = self.backbone.model
        weights: int = sum(one.nbytes for one in model.parameters())
        on: str = model.device.type
        return on == "cuda" or (on == "cpu" and weights > CACHED_WEIGHTS)

    @cached_property
    def _trie(self) -> tuple[Trie, list[str]]:
        """The distinct token sequences of the catalogue, and the text of each."""
        distinct = self._distinct()
        return Trie.of(distinct), self._texts(distinct)

    def _distinct(self) -> list[tuple[int, ...]]:
        return list(dict.fromkeys(tuple(item.tolist()) for item in self.items.items))

    def _texts(self, token_ids: Iterable[Sequence[int]]) -> list[str]:
        """What each means: the catalogue's own text where the tokens are an item's, or read as an item's do.

        For a tokenizer may change texts; of items that it makes equal the first stands for all.
        """
        wanted = [tuple(ids) for ids in token_ids]
        decoded = decode(self.backbone.tokenizer, wanted)
        return [
            self._known[ids] if ids in self._known else self._rewritten.get(text, text)
            for ids, text in zip(wanted, decoded, strict=True)
        ]

    @cached_property
    def _rewritten(self) -> dict[str, str]:
        """What the tokenizer makes of the catalogue's texts that it does not give back -> the text."""
        texts = set(self._known.values())
        rewritten: dict[str, str] = {}
        for read, text in zip(decode(self.backbone.tokenizer, list(self._known)), self._known.values(), strict=True):
            if read not in texts:
                rewritten.setdefault(read, text)
        return rewritten

    @cached_property
    def _known(self) -> dict[tuple[int, ...], str]:
        """The text behind each token sequence of the catalogue."""
        texts = self.items.texts or self.catalogue.texts
        known: dict[tuple[int, ...], str] = {}
        for item, text in zip(self.items.items, texts, strict=True):
            known.setdefault(tuple(item.tolist()), text)
        return known

    def scores(self, histories: Sequence[Sequence[int]], seeds: Sequence[int]) -> NDArray[np.float64]:
        """Scores of all items for each history -> (n_histories, n_items) float64, higher is better, ties are ties."""
        return self.fused(self.predictions([self.items.prompt(history) for history in histories], seeds))

    def recommend(
        self, history: Sequence[str], k: int = 10, seed: int = 0, *, as_texts: bool = False
    ) -> list[Recommendation]:
        """The top ``k`` items after ``history``, oldest first: item ids, or with ``as_texts`` free texts.

        Equal scores go by the catalogue's order. Raises ``DataError`` for an unknown id or an empty history.
        """
        if not history:
            raise DataError("history is empty: give at least one item id or text")
        if as_texts:
            prompt = self.items.prompt_of([self._tokens(text) for text in history])
        else:
            prompt = self.items.prompt([self._place(item) for item in history])
        (predictions,) = self.predictions([prompt], [seed])
        drawn = [text for text, _ in predictions], [logprob for _, logprob in predictions]
        texts, logprobs = unique_predictions(*drawn, self.settings.n_pred)
        scores = self.retriever.scores(texts)
        columns = np.stack(
            [quasi_round_robin(scores[[row]], logprobs[[row]], self.settings.epsilon) for row in range(len(texts))]
        )
        best = quasi_round_robin(scores, logprobs, self.settings.epsilon, self.settings.pooling)
        behind = columns.argmax(axis=0)
        return [
            Recommendation(
                self.catalogue.item_ids[item],
                self.catalogue.texts[item],
                float(best[item]),
                texts[behind[item]],
                float(logprobs[behind[item]]),
            )
            for item in np.argsort(-best, kind="stable")[:k]
        ]

    def _place(self, item: str) -> int:
        try:
            return self.catalogue.item_ids.index(item)
        except ValueError:
            hint = did_you_mean(item, self.catalogue.item_ids)
            raise DataError(
                f"history item {item!r} is not in the catalogue of {len(self.catalogue)} items{hint}"
            ) from None

    def _tokens(self, text: str) -> NDArray[np.int64]:
        return np.array(encode(self.backbone.tokenizer, f" {text}"), dtype=np.int64)
