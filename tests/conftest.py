"""Data that several rooms test on."""

import gzip
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.runner import run
from calrec_recbole.plugin.training.epoch_resume import EpochwiseResume
from calrec_recbole.prompts import item_text

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")


def pytest_configure() -> None:
    """A shell ignores Ctrl-C for what it starts in the background, and so would every process that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Tests import RecBole's models themselves, past ``registry.load``, and one of them turns this on for all."""
    torch.autograd.set_detect_anomaly(False)


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

TINY_ITEMS = [  # h repeats b's text: a tie; g has no row and no text at all
    ("a", "Red Glue", "Office Adhesives", "Acme", "$1.00"),
    ("b", "Blue Tape", "Office Adhesives", "Acme", "$2.00"),
    ("c", "Red Pen", "Office Pens", "Bolt", "$3.00"),
    ("d", 'Green "Pen"', "Office Pens", "Bolt", ""),
    ("e", "Steel Ruler", "Tools", "", "$5.00"),
    ("f", "Blue Pen", "Office Pens", "Acme", "$2.00"),
    ("h", "Blue Tape", "Office Adhesives", "Acme", "$2.00"),
]
TINY_HISTORIES = ["abcdef", "bcaedg", "cbhafd", "gabch", "hgfedc", "acegb", "fedcba", "dahbg"]

DECODER_SIZES = {
    "vocab_size": 12,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,  # peaked enough that samples repeat
    "eos_token_id": 0,
    "bos_token_id": None,
    "pad_token_id": None,
}
DECODER_WINDOW = {"head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
DECODERS: dict[str, Callable[[dict], PreTrainedModel]] = {
    "llama": lambda sizes: LlamaForCausalLM(LlamaConfig(**sizes)),
    "gemma3": lambda sizes: Gemma3ForCausalLM(Gemma3TextConfig(**sizes, **DECODER_WINDOW, query_pre_attn_scalar=8)),
    "qwen2": lambda sizes: Qwen2ForCausalLM(Qwen2Config(**sizes)),
    "qwen3": lambda sizes: Qwen3ForCausalLM(Qwen3Config(**sizes, **DECODER_WINDOW, use_sliding_window=True)),
}


@pytest.fixture(scope="session")
def may_refuse() -> Any:
    """``with may_refuse(file): ...``: a block may end in one ``CalrecError``, of one line that holds ``file``."""

    @contextmanager
    def block(*named: object) -> Iterator[None]:
        refused = ""
        try:
            yield
        except CalrecError as problem:
            refused = str(problem) or "nothing is told"
        assert "\n" not in refused
        assert not refused or all(str(name) in refused for name in named), refused

    return block


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of raw data beside the repository; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the raw data is not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """A ``data_path`` with the prepared data set Tiny: 8 users, items a-h, rows in chronological order."""
    folder = tmp_path / "dataset" / "Tiny"
    folder.mkdir(parents=True)
    quoted = [
        [f'"{field.replace(chr(34), chr(34) * 2)}"' if '"' in field else field for field in row] for row in TINY_ITEMS
    ]
    header = "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token"
    (folder / "Tiny.item").write_text("\n".join([header, *map("\t".join, quoted)]) + "\n", encoding="utf-8")
    events = sorted(
        (1_500_000_000 + 40 * place + number, f"u{number}", item)
        for number, history in enumerate(TINY_HISTORIES)
        for place, item in enumerate(history)
    )
    rows = [f"{user}\t{item}\t{time}" for time, user, item in events]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "Tiny.inter").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder.parent


@pytest.fixture
def tiny_settings(tiny_dataset: Path, tmp_path: Path) -> dict[str, Any]:
    """Overrides with which any model runs on Tiny within a second, quietly, inside ``tmp_path``."""
    return {
        "dataset": "Tiny",
        "data_path": str(tiny_dataset),
        "output_dir": str(tmp_path / "runs"),
        "epochs": 1,
        "MAX_ITEM_LIST_LENGTH": 5,
        "show_progress": False,
        "gpu_id": "",
    }


class Killed(BaseException):
    """Passes through every ``except Exception``, as a kill would."""


@pytest.fixture
def killed_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that dies at the end of an epoch of a phase, before it is validated."""

    def start(model: str, overrides: dict[str, Any], epoch: int, phase: str = "train") -> None:
        original = EpochwiseResume._train_epoch

        def dying(self: Any, train_data: Any, epoch_idx: int, *arguments: Any, **options: Any) -> Any:
            result = original(self, train_data, epoch_idx, *arguments, **options)
            if (epoch_idx, self.phase) == (epoch, phase):
                raise Killed
            return result

        with monkeypatch.context() as patch:
            patch.setattr(EpochwiseResume, "_train_epoch", dying)
            with pytest.raises(Killed):
                run(model, overrides=overrides, show=False)

    return start


@pytest.fixture
def interrupted_run_goes_on(killed_run: Any, tmp_path: Path) -> Any:
    """Killed and started again, a model ends with the metrics and weights of a run that was never killed."""

    def check(model: str, overrides: dict[str, Any], epoch: int, phase: str = "train") -> None:
        whole = run(model, overrides={**overrides, "output_dir": str(tmp_path / "whole")}, show=False)
        killed_run(model, overrides, epoch, phase)
        resumed = run(model, overrides=overrides, show=False)
        assert f"resumed at the start of epoch {epoch} ({phase})" in (resumed.folder / "log.txt").read_text()
        assert (resumed.test, resumed.valid) == (whole.test, whole.valid)
        weights = [one.folder / "checkpoint" / "model.safetensors" for one in (whole, resumed)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
        assert not (resumed.folder / "checkpoint" / "last").exists()

    return check


@pytest.fixture
def write_dataset(tiny_dataset: Path) -> Any:
    """Writes one more prepared data set beside Tiny: users' histories of item letters, texts given by the name."""

    def write(name: str, histories: dict[str, str]) -> str:
        folder = tiny_dataset / name
        folder.mkdir()
        letters = sorted(set("".join(histories.values())))
        items = [f"{letter}\t{name} {letter}\t{name} things\tBrand\t" for letter in letters]
        header = "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token"
        (folder / f"{name}.item").write_text("\n".join([header, *items]) + "\n", encoding="utf-8")
        events = sorted(
            (1_400_000_000 + 40 * place + number, user, item)
            for number, (user, history) in enumerate(histories.items())
            for place, item in enumerate(history)
        )
        rows = [f"{user}\t{item}\t{time}" for time, user, item in events]
        header = "user_id:token\titem_id:token\ttimestamp:float"
        (folder / f"{name}.inter").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return name

    return write


CALREC = {  # small enough for a second: six steps, validations at steps 2, 3 and 6
    **{"scratch_vocab_size": 300, "scratch_hidden_size": 16, "scratch_intermediate_size": 32},
    **{"scratch_num_hidden_layers": 1, "scratch_num_attention_heads": 2, "train_batch_size": 4},
    **{"train_steps": 6, "warmup_steps": 2, "eval_interval": 3, "valid_users": 3},
    **{"n_gen": 4, "max_new_tokens": 6, "retrieval": "okapi"},
}


@pytest.fixture
def calrec_settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """Overrides for CALRec on Tiny."""
    return {key: value for key, value in tiny_settings.items() if key != "epochs"} | CALREC


@pytest.fixture(scope="session")
def scientific_texts(shared_data):
    """The texts of the real Scientific catalogue, one an item of the metadata file."""
    with gzip.open(shared_data / "amazon2018" / "meta_Industrial_and_Scientific.json.gz", "rt") as lines:
        items = [json.loads(line) for line in lines]
    return [item_text({**item, "category": " ".join(item.get("category") or [])}) for item in items]


@pytest.fixture
def build() -> Callable[..., PreTrainedModel]:
    def build(name: str = "llama", **sizes: object) -> PreTrainedModel:
        torch.manual_seed(0)
        return DECODERS[name](DECODER_SIZES | sizes)

    return build


@pytest.fixture(params=sorted(DECODERS))
def decoder(request: pytest.FixtureRequest, build: Callable[..., PreTrainedModel]) -> PreTrainedModel:
    return build(request.param)


@pytest.fixture
def llama(build: Callable[..., PreTrainedModel]) -> PreTrainedModel:
    return build("llama")


@pytest.fixture
def plain_logprob() -> Callable[[PreTrainedModel, Sequence[int], Sequence[int]], float]:
    """Nats of a continuation by one pass over the whole sequence, without any cache."""

    @torch.inference_mode()
    def plain_logprob(model: PreTrainedModel, prompt: Sequence[int], continuation: Sequence[int]) -> float:
        logits = model.eval()(torch.tensor([[*prompt, *continuation]])).logits[0].double()
        before = range(len(prompt) - 1, len(prompt) + len(continuation) - 1)
        logprobs = logits.log_softmax(-1)
        return sum(float(logprobs[place, token]) for place, token in zip(before, continuation, strict=True))

    return plain_logprob


@pytest.fixture
def passes() -> Callable[[PreTrainedModel], list[int]]:
    """Watches a model: the returned list grows by the number of tokens of each forward pass."""

    def watch(model: PreTrainedModel) -> list[int]:
        rows: list[int] = []
        model.get_input_embeddings().register_forward_pre_hook(lambda _, read: rows.append(read[0].numel()))
        return rows

    return watch
