"""A training state that is cut short, or belongs to something else, is refused with its path."""

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.errors import DataError
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings, load_state, save_state

TEXTS = ["Title: Red pen.", "Title: Blue pen.", "Title: Ruler."]
FILES = ["progress.json", "state.safetensors"]


def training(hidden=8, layers=1, learner="adamw", train_steps=5):
    tokenizer = train_tokenizer(TEXTS, 260, merge_across_words=False)
    sizes = ScratchSizes(260, hidden, layers, 2, 8, 0.0)
    model = scratch_model(sizes, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    options = TrainingSettings(train_steps=train_steps, train_batch_size=2, learner=learner, precision="float32")
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, [[0, 1], [1, 2]], options, seed=5, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The two files of a state after two steps, by name."""
    run = training()
    run.run(2, lambda report: None)
    folder = tmp_path_factory.mktemp("saved") / "last"
    save_state(run, {"note": 1}, folder)
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def folder(saved, tmp_path):
    last = tmp_path / "last"
    last.mkdir()
    for name, content in saved.items():
        (last / name).write_bytes(content)
    return last


def refused(run, folder):
    """The reason for which ``run`` does not take the state in ``folder``."""
    with pytest.raises(DataError) as caught:
        load_state(run, folder)
    message = str(caught.value)
    assert message.startswith(f"checkpoint {folder} cannot be resumed (")
    assert message.endswith("): remove it to start anew")
    assert "\n" not in message
    return message


def test_the_files_hold_the_step_and_every_parameter(folder):
    run = training()
    assert load_state(run, folder) == {"note": 1}
    assert run.step == 2
    tensors = load_file(folder / "state.safetensors")
    parameters = {f"model.{name}" for name, _ in run.backbone.model.named_parameters()}
    assert {name for name in tensors if name.startswith("model.")} == parameters
    assert len([name for name in tensors if name.endswith(".exp_avg")]) == len(parameters)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), share=st.floats(0, 1, exclude_max=True))
@example(name="progress.json", share=0.0)
@example(name="state.safetensors", share=0.0)
@example(name="state.safetensors", share=1 - 1e-6)  # all but the last byte
def test_a_file_cut_anywhere_is_refused(saved, folder, name, share):
    run = training()
    for each, content in saved.items():
        (folder / each).write_bytes(content[: int(share * len(content))] if each == name else content)
    refused(run, folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    assert name in refused(training(), folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nonsense", "Expecting value"),
        ("[]", "holds no step"),
        ("{}", "holds no step"),
        ('{"step": "2"}', "holds no step"),
        ('{"step": true}', "holds no step"),
        ('{"step": -1}', "step -1 is not among train_steps=5"),
        ('{"step": 6}', "step 6 is not among train_steps=5"),
        (b"\xff\xfe", "codec"),
    ],
)
def test_a_progress_of_nonsense_is_refused(folder, content, reason):
    (folder / "progress.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reason in refused(training(), folder)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"hidden": 16}, "is (260, 8) there and (260, 16) here"),
        ({"layers": 2}, "it belongs to another model: model.model.layers.1."),
        ({"learner": "muon"}, "optimiser 0 has the state of 11 parameters, not of 4"),
        ({"train_steps": 1}, "its schedule is {'train_steps': 5, 'warmup_steps': 0, 'lr_warmup_steps': 100}"),
    ],
)
def test_a_state_of_another_model_is_refused(folder, other, reason):
    assert reason in refused(training(**other), folder)


@pytest.mark.parametrize("part", ["model.model.norm.weight", "optimiser.0.1.exp_avg"])
def test_a_tensor_that_would_broadcast_is_refused(folder, part):
    """torch's copy_ would spread one number over the whole parameter."""
    tensors = load_file(folder / "state.safetensors")
    save_file({**tensors, part: torch.zeros(1)}, folder / "state.safetensors")
    assert "is (1,) there and" in refused(training(), folder)


def test_progress_must_be_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_state(training(), {"score": float("inf")}, tmp_path / "last")
    assert list(tmp_path.iterdir()) == []
