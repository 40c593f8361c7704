"""CALRec as a RecBole model: settings -> backbone, examples and recommender; the arithmetic is the core's."""

import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor

from calrec_recbole.backbone import (
    Backbone,
    add_dropout,
    load_backbone,
    read_backbone,
    save_backbone,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.catalogue import Catalogue, SampleShares
from calrec_recbole.engines.samplers import sampler_of
from calrec_recbole.examples import ItemTokens, lost_share, tokenise_items
from calrec_recbole.fusion import RankCounts, Retriever
from calrec_recbole.inference import AUTO, CONSTRAINED, LONGEST, NATIVE, InferenceSettings
from calrec_recbole.plugin.calrec.core_settings import (
    GROUPS,
    CALRecSettings,
    check_generation,
    check_positions,
    prompt_of,
)
from calrec_recbole.plugin.calrec.joint_data import read_categories
from calrec_recbole.plugin.calrec.retriever import HIERARCHICAL, RERANK, check_engines, retriever_of
from calrec_recbole.plugin.calrec.stages import check_stage, samples_before, starting_weights
from calrec_recbole.plugin.reranking.reranker import Reranker, check_rerank
from calrec_recbole.plugin.train_stages import JOINT
from calrec_recbole.recommender import Recommender
from calrec_recbole.reranking.mixing import Parts
from calrec_recbole.retrieval import UNRETRIEVED
from calrec_recbole.runs.saved_samples import SavedSamples
from calrec_recbole.runs.sigterm import sigterm_waits
from calrec_recbole.runs.user_samples import Samples, UserSamples, sample_key
from calrec_recbole.training import Mixture, objective
from calrec_recbole.two_tower import collate_sequences, collate_targets

__all__ = ["CALRec", "padded"]

SAVED_EVERY = 30.0  # seconds, where samples come before their batch is done


class CALRec(SequentialRecommender):
    """A language model that writes the next item's text; scores are Algorithm 1's, float64."""

    input_type = InputType.POINTWISE
    setting_groups = tuple(GROUPS.values())

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.settings, self.prepared = CALRecSettings.from_config(config), dataset.prepared
        settings, prepared = self.settings, self.prepared
        check_stage(settings, prepared)
        check_rerank(settings)
        self.seed = settings.run.seed
        self.unretrieved = UNRETRIEVED if settings.retrieval.retrieval == HIERARCHICAL else None
        # before the backbone: a missing Java is found at once
        retriever = retriever_of(settings.retrieval, settings.rerank, prepared.catalogue)
        self.prompt = prompt_of(settings.backbone.prompt_template)
        # of finished weights all that is drawn is kept; of weights that change, what the trainer asks to keep
        steps = settings.training.train_steps
        self.saved = None if steps else SavedSamples()
        self.samples_before = samples_before(settings.stage.pre_model_path, steps)
        self.split, self.user_ids = "", prepared.users
        self.tell: Callable[[int], object] | None = None  # hears of each few users whose samples are drawn
        self.categories = read_categories(prepared, settings.stage) if settings.stage.train_stage == JOINT else []
        self._assemble(self._backbone(prepared.catalogue), prepared.catalogue, retriever, settings.inference)
        self._warn_of_cuts()
        self._warn_of_lost_texts()
        ranks_again = settings.retrieval.retrieval == RERANK
        self.reranker = Reranker.of(settings, prepared) if ranks_again else None

    @classmethod
    def check_settings(cls, config: Any, processes: int) -> None:
        """Raises ``ConfigError`` before the data are read; ``processes`` is how many share the run."""
        settings = CALRecSettings.from_config(config)
        check_engines(settings.retrieval, settings.rerank)
        check_generation(settings, processes)

    def _backbone(self, catalogue: Catalogue) -> Backbone:
        source, path = self.settings.backbone.backbone, self.settings.stage.pre_model_path
        samples = self.settings.inference.generation_engine == NATIVE  # another engine need not know what ours does
        if path:
            backbone = read_backbone(starting_weights(path), samples=samples)
        elif source != "scratch":
            backbone = load_backbone(source, samples=samples)
        else:
            backbone = self._new_backbone(catalogue)
        if source == "scratch":
            add_dropout(backbone.model, self.settings.scratch.dropout)
        return backbone

    def _new_backbone(self, catalogue: Catalogue) -> Backbone:
        sizes, inference = self.settings.scratch, self.settings.inference
        if self.settings.training.warmup_steps == 0:
            self.logger.warning("backbone=scratch with warmup_steps=0: expect few samples that are catalogue items")
        texts = [text for category in self.categories for text in category.catalogue.texts] or catalogue.texts
        tokenizer = train_tokenizer(texts, sizes.vocab_size, merge_across_words=sizes.merge_across_words)
        catalogues = [category.catalogue for category in self.categories] or [catalogue]
        longest = max(map(len, self.tokenised(catalogues, tokenizer).items))
        asked = 0 if inference.max_new_tokens == AUTO else inference.steps
        positions = self.max_input_length + max(LONGEST, longest, asked)  # the target or a sampled text comes on top
        model = scratch_model(sizes, len(tokenizer), tokenizer.eos_token_id, positions, self.seed)
        return Backbone(model, tokenizer)

    @property
    def max_input_length(self) -> int:
        """Tokens of a prompt."""
        return self.settings.backbone.max_input_length

    def _assemble(
        self, backbone: Backbone, catalogue: Catalogue, retriever: Retriever, settings: InferenceSettings
    ) -> None:
        self.backbone_model = backbone.model
        items = self.tokenised([catalogue], backbone.tokenizer)
        draw = sampler_of(settings.generation_engine, backbone, self.settings.servers)
        self.recommender = Recommender(backbone, catalogue, items, retriever, settings, draw)
        check_positions(backbone, self.max_input_length, max(self.recommender.settings.steps, *map(len, items.items)))
        self.count_samples_anew()

    def _warn_of_cuts(self) -> None:
        settings = self.recommender.settings
        share = settings.cut_share(self.recommender.items.items)
        if share and settings.decoding != CONSTRAINED:
            self.logger.warning(
                f"max_new_tokens={settings.steps} cuts {share:.1%} of the items, which so cannot be generated: set auto"
            )

    def _warn_of_lost_texts(self) -> None:
        share = lost_share(self.recommender.items, self.recommender.backbone.tokenizer)
        if share:
            self.logger.warning(
                f"the tokenizer of backbone={self.settings.backbone.backbone} loses characters of {share:.1%} of the "
                "item texts: what it loses can be neither learnt nor written; take a backbone that knows their scripts"
            )

    def tokenised(self, catalogues: Sequence[Catalogue], tokenizer: Any) -> ItemTokens:
        """The items of all ``catalogues``, one after another, as ``prompt_template`` writes them."""
        texts = [text for one in catalogues for text in (one.titles if self.prompt.titles else one.texts)]
        return tokenise_items(texts, tokenizer, self.max_input_length, self.prompt)

    def joint_training(self, power: float) -> tuple[ItemTokens, list[list[int]], Mixture]:
        """The items of all categories, their users' sequences as places among them, and how users are drawn."""
        catalogues = [category.catalogue for category in self.categories]
        items = self.tokenised(catalogues, self.recommender.backbone.tokenizer)
        firsts = np.cumsum([0, *(len(category.catalogue) for category in self.categories)])
        sequences = [
            (sequence + first).tolist()
            for category, first in zip(self.categories, firsts, strict=False)
            for sequence in category.sequences
        ]
        return items, sequences, Mixture([len(category.sequences) for category in self.categories], power)

    @contextmanager
    def serving(self, recommender: Recommender) -> Iterator[None]:
        """Within the block scores are those of ``recommender``, over its catalogue; its users' samples are not kept."""
        own, self.recommender, saved, self.saved = self.recommender, recommender, self.saved, None
        try:
            yield
        finally:
            self.recommender, self.saved = own, saved

    def save_weights(self, folder: Path) -> None:
        """Writes the backbone as a standard transformers folder."""
        save_backbone(self.recommender.backbone, folder)

    def load_weights(self, folder: Path) -> None:
        """Takes over the backbone that ``save_weights`` wrote, its tokenizer included."""
        device, old = self.backbone_model.device, self.recommender
        backbone = read_backbone(folder)
        backbone.model.to(device)
        self._assemble(backbone, old.catalogue, old.retriever, old.settings)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Eq. 4 on rows of history and target, as RecBole hands them over -> scalar, nats."""
        examples = [
            self.recommender.items.example(history, target - 1)
            for history, target in zip(self.histories(interaction), interaction[self.ITEM_ID].tolist(), strict=True)
        ]
        device = self.backbone_model.device
        sequences = collate_sequences(examples, device)
        targets = collate_targets(examples, self.recommender.items.start, device)
        return objective(self.recommender.backbone, sequences, targets, self.settings.training).total

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float64, pad item -inf. A user's samples depend on the seed and the user alone."""
        if self.reranker is None:
            scores = self._fused(interaction)
        else:
            scores = self.reranker.mixed(self.rerank_parts(interaction))
        return padded(scores)

    def rerank_parts(self, interaction: Any) -> Parts:
        """What the ranking by ``retrieval: rerank`` is mixed from."""
        assert self.reranker is not None
        fused = partial(self._fused, interaction)
        return self.reranker.parts(self.recommender, interaction, self.histories(interaction), fused)

    def _fused(self, interaction: Any) -> NDArray[np.float64]:
        """(B, n_items) Algorithm 1's scores."""
        return self.recommender.fused(self.sampled(interaction))

    @property
    def stands(self) -> bool:
        """Whether ``rank_counts`` can be asked in the place of ``full_sort_predict``."""
        return self.reranker is None and self.recommender.stands

    def rank_counts(self, interaction: Any, items: Tensor) -> RankCounts:
        """Where ``items`` (B, M) stand among all by the scores of ``full_sort_predict``, whose matrix is never made."""
        return self.recommender.rank_counts(self.sampled(interaction), items.cpu().numpy() - 1)

    def sampled(self, interaction: Any) -> list[Samples]:
        """The texts of each row's user, and their log-probabilities; they are counted, and kept in ``saved``."""
        seeds = [_user_seed(self.seed, user) for user in interaction[self.USER_ID].tolist()]
        prompts = [self.recommender.items.prompt(history) for history in self.histories(interaction)]
        found = self._predictions(prompts, seeds, interaction[self.USER_ID].tolist())
        self.sample_shares.add([text for text, _ in one.samples] for one in found)
        self.sample_shares.add_searches(one.exact for one in found if one.exact is not None)
        return [one.samples for one in found]

    def _predictions(
        self, prompts: Sequence[np.ndarray], seeds: Sequence[int], users: Sequence[int]
    ) -> list[UserSamples]:
        """The samples of each prompt: drawn, unless they are kept, by this run or the one that it starts from."""
        settings, kept = self.recommender.settings, self.saved.by_key if self.saved else {}
        before = ChainMap(kept, self.samples_before)
        keys = [sample_key(prompt, seed, settings) for prompt, seed in zip(prompts, seeds, strict=True)]
        new = [row for row, key in enumerate(keys) if key not in before]
        found = {row: before[key] for row, key in enumerate(keys) if key in before}
        drawn = self._drawn([prompts[row] for row in new], [seeds[row] for row in new]) if new else iter(())
        last = time.perf_counter()
        try:
            for some in drawn:
                found |= {new[place]: UserSamples("", "", keys[new[place]], *one) for place, one in some.items()}
                if time.perf_counter() - last > SAVED_EVERY:
                    last = self._keep(found, users, last)
        finally:  # users who are done are not lost with the others
            self._keep(found, users, last)
        return [found[row] for row in range(len(keys))]

    def _drawn(
        self, prompts: Sequence[np.ndarray], seeds: Sequence[int]
    ) -> Iterator[dict[int, tuple[Samples, bool | None]]]:
        """By place, some prompts after others, or all at once."""
        recommender = self.recommender
        if recommender.settings.decoding == CONSTRAINED:
            best = recommender.best(prompts, self.tell)
            yield {place: (recommender.pairs(one), bool(one.exact)) for place, one in enumerate(best)}
            return
        for some in recommender.predictions_as_drawn(prompts, seeds, self.tell):
            yield {place: (samples, None) for place, samples in some.items()}

    def _keep(self, found: Mapping[int, UserSamples], users: Sequence[int], since: float) -> float:
        """``found`` by row, what of it is new took the time ``since`` then -> the present time."""
        saved, now = self.saved, time.perf_counter()
        if saved is None:
            return now
        named = [replace(one, split=self.split, user=self.user_ids[users[row]]) for row, one in sorted(found.items())]
        with sigterm_waits():  # until what is drawn is on disk
            saved.add([one for one in named if (one.split, one.user) not in saved.users], now - since)
        return now

    def count_samples_anew(self) -> SampleShares:
        """The counts of what ``full_sort_predict`` generates from now on."""
        catalogue = self.recommender.catalogue
        self.sample_shares = SampleShares(catalogue.texts, catalogue.template)
        return self.sample_shares

    def predict(self, interaction: Any) -> Tensor:
        """(B,) the scores of each row's own item."""
        scores = self.full_sort_predict(interaction)
        return scores.gather(1, interaction[self.ITEM_ID].cpu()[:, None])[:, 0]

    def histories(self, interaction: Any) -> list[list[int]]:
        """Places in the catalogue, oldest first; RecBole's ids start at 1 after the pad item."""
        sequences, lengths = interaction[self.ITEM_SEQ].tolist(), interaction[self.ITEM_SEQ_LEN].tolist()
        return [[item - 1 for item in items[:length]] for items, length in zip(sequences, lengths, strict=True)]


def padded(scores: NDArray[np.float64]) -> Tensor:
    """(B, n_items) scores as RecBole has them, the pad item before the others with -inf."""
    return torch.nn.functional.pad(torch.from_numpy(scores), (1, 0), value=-torch.inf)


def _user_seed(seed: int, user: int) -> int:
    return int(np.random.SeedSequence([seed, user]).generate_state(1, np.uint64)[0] >> np.uint64(1))
