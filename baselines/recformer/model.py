"""Recformer (Li et al., "Text Is All You Need", KDD 2023): histories and items as text, encoded by one Longformer.

https://arxiv.org/abs/2305.13731
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from safetensors.torch import load_file, save_file
from torch import Tensor

from calrec_recbole.baselines.recformer.backbone import (
    Backbone,
    LongformerSizes,
    from_longformer,
    from_scratch,
    read_backbone,
    save_backbone,
)
from calrec_recbole.baselines.recformer.inputs import FlatItem, FlatSequence, flatten
from calrec_recbole.baselines.recformer.item_texts import attributes_of, distinct_items, texts_of
from calrec_recbole.baselines.recformer.longformer import cosine_scores
from calrec_recbole.baselines.recformer.official_checkpoint import load_official
from calrec_recbole.baselines.recformer.prefix_rows import PretrainingData, pretraining_data
from calrec_recbole.baselines.recformer.recformer_settings import RecformerSettings
from calrec_recbole.errors import BackboneError
from calrec_recbole.plugin.train_stages import PRETRAIN
from calrec_recbole.runs.run_folder import CHECKPOINT
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.stored_files import reading
from calrec_recbole.training.device.mixed_precision import autocast, resolve_precision

__all__ = ["WEIGHTS", "Recformer"]

WEIGHTS = "best"  # the folder inside a checkpoint that holds network, tokenizer and item table
TABLE = "items.safetensors"


class Recformer(SequentialRecommender):
    """Scores are cos(history, item) / ``temperature``; items of equal text share one vector and tie exactly.

    ``table`` (distinct items, D) float32 holds the items' vectors. It is no parameter: the trainer re-encodes it.
    """

    input_type = InputType.POINTWISE
    setting_groups = (RecformerSettings, LongformerSizes)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.settings = settings = settings_of(RecformerSettings, config)
        self.stage, self.source = settings.train_stage, settings.recformer_backbone
        self.temperature, self.tokens_at_once = settings.temperature, settings.micro_batch_tokens
        self.max_tokens, self.attribute_tokens = settings.max_tokens, settings.attribute_tokens
        self.window, self.positions = settings.attention_window, self.max_seq_length + 1
        self.precision = resolve_precision(settings.precision, self.device)
        attributes = attributes_of(dataset.prepared, settings.recformer_attributes)
        self.pretraining: PretrainingData | None = None
        if self.stage == PRETRAIN:
            self.pretraining = pretraining_data(dataset.prepared, settings.pretrain_datasets)
        texts = texts_of([*attributes, *(self.pretraining.attributes if self.pretraining else [])])
        self.network, self.tokenizer = self._backbone(settings_of(LongformerSizes, config), texts)
        self.items = distinct_items(attributes, self.tokenizer, self.attribute_tokens)
        self.register_buffer("place", torch.tensor(self.items.place), persistent=False)
        self.table: Tensor | None = None

    def _backbone(self, sizes: LongformerSizes, texts: Sequence[str]) -> Backbone:
        made_for = (self.window, self.positions, self.max_tokens)
        path = self.settings.pre_model_path
        earlier = Path(path).expanduser() if path else None
        if earlier and not earlier.exists():
            raise BackboneError(f"pre_model_path={earlier} does not exist: give a run folder or a pytorch_model.bin")
        if earlier and earlier.is_dir():
            return read_backbone(_weights_in(earlier), *made_for)
        if _is_ours(Path(self.source)):
            backbone = read_backbone(Path(self.source), *made_for)
        elif self.source != "scratch":
            backbone = from_longformer(self.source, *made_for)
        else:
            backbone = from_scratch(sizes, texts, *made_for)
        if earlier:
            loaded = load_official(earlier, backbone.network)
            self.logger.info(
                f"{earlier}: missed {loaded.missed or 'nothing'}; left over {loaded.left_over or 'nothing'}"
            )
        return backbone

    # Inputs

    def sequence(self, history: Sequence[int]) -> FlatSequence:
        """A history of places in the catalogue, oldest first, as the network reads it."""
        return self.flattened([self.items.items[self.items.place[item]] for item in history])

    def flattened(self, history: Sequence[FlatItem]) -> FlatSequence:
        """A history of tokenised items, oldest first, as the network reads it."""
        return flatten(history, self.tokenizer.bos_token_id, self.positions - 1, self.max_tokens)

    def sequences(self, interaction: Any) -> list[FlatSequence]:
        """One sequence a row; RecBole's item ids begin at 1, after the pad."""
        histories, lengths = interaction[self.ITEM_SEQ].tolist(), interaction[self.ITEM_SEQ_LEN].tolist()
        return [
            self.sequence([item - 1 for item in history[:length]])
            for history, length in zip(histories, lengths, strict=True)
        ]

    # Vectors and scores

    def encode(self, sequences: Sequence[FlatSequence]) -> Tensor:
        """(N, D) float32, the state of each sequence's first token; in float32 but where it learns, as the authors'."""
        with autocast(self.precision if torch.is_grad_enabled() else torch.float32, self.network.device):
            states: Tensor = self.network.encode(sequences, self.tokens_at_once)
        return states

    @torch.no_grad()
    def refresh_table(self) -> Tensor:
        """Encodes every distinct item anew, each as a sequence of one item, without dropout -> the table."""
        training = self.network.training
        self.network.eval()
        self.table = self.encode([self.flattened([item]) for item in self.items.items])
        self.network.train(training)
        return self.table

    def scores(self, sequences: Sequence[FlatSequence]) -> Tensor:
        """(B, n_items) float32 without the pad item. Items of equal text take the very same number."""
        table = self.refresh_table() if self.table is None else self.table
        scores: Tensor = cosine_scores(self.encode(sequences), table, self.temperature)[:, self.place]
        return scores

    def loss(self, sequences: Sequence[FlatSequence], targets: Tensor) -> Tensor:
        """-log softmax over all items at ``targets`` (B,), places in the catalogue -> the mean, nats (Eq. 8)."""
        return F.cross_entropy(self.scores(sequences), targets)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The mean over RecBole's rows of history and target -> scalar, nats. The item table takes no gradient."""
        return self.loss(self.sequences(interaction), interaction[self.ITEM_ID] - 1)

    @torch.no_grad()
    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) float32, pad item -inf."""
        return F.pad(self.scores(self.sequences(interaction)), (1, 0), value=-torch.inf)

    def predict(self, interaction: Any) -> Tensor:
        """(B,) the scores of each row's own item."""
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID][:, None])[:, 0]

    # Weights

    def save_weights(self, folder: Path) -> None:
        """Network, tokenizer and item table, as safetensors and JSON."""
        save_backbone(Backbone(self.network, self.tokenizer), folder)
        table = self.refresh_table() if self.table is None else self.table
        save_file({"items": table.to("cpu", copy=True).contiguous()}, folder / TABLE)

    def load_weights(self, folder: Path) -> None:
        """Takes over the weights and the table that ``save_weights`` wrote."""
        read = read_backbone(folder, self.window, self.positions, self.max_tokens)
        self.network.load_state_dict(read.network.state_dict())
        with reading(f"checkpoint {folder / TABLE} is damaged", "run it again"):
            self.table = load_file(folder / TABLE, device=str(self.network.device))["items"]


def _is_ours(folder: Path) -> bool:
    return (folder / TABLE).is_file()


def _weights_in(folder: Path) -> Path:
    """The weights of a run folder, of its checkpoint folder, or ``folder`` itself."""
    for place in (folder / CHECKPOINT / WEIGHTS, folder / WEIGHTS, folder):
        if _is_ours(place):
            return place
    raise BackboneError(f"pre_model_path={folder} holds no weights of Recformer: give the folder of a finished run")
