"""Claim: a training step of ours takes half the time and half the activation memory of the plain way.

    python benchmarks/training.py --backbone SmolLM2-135M-Instruct.Q4_1.gguf [--data_path dataset] [--repeats 5]
    python benchmarks/training.py --backbone scratch       # the shipped small decoder, and its warm-up step

The plain way: transformers' forward with the logits of all tokens over the batch in its random order, padded to the
longest, and a second forward, of the decoder without its head, over the targets alone. Ours: what `Training` does, with
`packing: true` (rows without pads) and `packing: false` (micro-batches of like length). All compute the gradient of
Eq. 4 of the same users (training histories, truncated as in training) with the same weights, in one process, in turn, a
new batch each repetition, without dropout; the optimiser is the same for all and left out. In float32 the losses must
be equal to 1e-4, above 100 nats to a millionth. Batches differ much in what the longest of their users costs the plain
way, so users/s are those of all batches together. At SmolLM2's size the plain way needs up to 16 GB.

Activation memory is the peak, over a whole step, of what autograd holds for the backward pass: the bytes of distinct
storages, weights excluded (on CUDA: the peak of allocated memory above that before the step). It is counted in the
timed steps, for both ways alike. Without weights at hand, `--backbone smollm2-shape` is a random Llama of
SmolLM2-135M's shape and vocabulary size; its tokenizer is trained on the catalogue, so its prompts are of other
lengths. `--layers` keeps the first layers only, where memory is short: times and memories are linear in the number of
layers, so two such runs give those of the whole model.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from calrec_recbole.backbone import Backbone, ScratchSizes, load_backbone, scratch_model, train_tokenizer
from calrec_recbole.examples import IGNORED, Example, ItemTokens, tokenise_items
from calrec_recbole.losses import info_nce
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.training import Training, TrainingSettings
from calrec_recbole.training.device.mixed_precision import autocast
from calrec_recbole.two_tower import collate_sequences, collate_targets, masked_mean

SMOLLM2 = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}


def plain_loss(model: Any, items: ItemTokens, examples: Sequence[Example], settings: TrainingSettings) -> Tensor:
    """Eq. 4 as transformers alone would have it -> scalar with its graph."""
    sequences = collate_sequences(examples, model.device)
    output = model(sequences.tokens, attention_mask=sequences.mask.long(), output_hidden_states=True, use_cache=False)
    logits, labels = output.logits.float(), sequences.labels
    nll = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    hidden = output.hidden_states[-1]
    in_prompt = torch.arange(hidden.shape[1], device=hidden.device) < sequences.prompt_length[:, None]
    targets = collate_targets(examples, items.start, model.device)
    mask = targets.pooled.clone()
    mask[:, : len(items.start)] = True
    alone = model.base_model(targets.tokens, attention_mask=mask.long(), use_cache=False).last_hidden_state
    target = masked_mean(alone, targets.pooled)
    tt = info_nce(masked_mean(hidden, sequences.mask & ~in_prompt), target, settings.tau_c)
    ut = info_nce(masked_mean(hidden, in_prompt), target, settings.tau_c)
    alpha, beta = settings.alpha, settings.beta
    return (1 - alpha - beta) * nll / len(examples) + alpha * tt + beta * ut


def plain(training: Training) -> float:
    """The gradient of the present step's users in the plain way -> the loss."""
    with autocast(training.precision, training.device):
        loss = plain_loss(training.backbone.model, training.items, training.examples(training.step), training.settings)
    loss.backward()
    return float(loss.detach())


def ours(training: Training) -> float:
    """The same as `Training` computes it."""
    with training.attending():
        return float(training.batch(training.step).accumulate().total)


def packed(training: Training) -> float:
    """Ours in rows without pads."""
    training.packed = True
    return ours(training)


def padded(training: Training) -> float:
    """Ours in padded micro-batches."""
    training.packed = False
    return ours(training)


WAYS = {"plain": plain, "packed": packed, "padded": padded}


class HeldForBackward:
    """Counts what autograd holds: each distinct storage once, from its first tensor saved to its last one released."""

    def __init__(self, model: Any) -> None:
        self.weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        self.holders: dict[int, int] = {}
        self.now = self.peak = 0

    def pack(self, tensor: Tensor) -> "Held":
        return Held(self, tensor)

    def __enter__(self) -> "HeldForBackward":
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.pack, lambda held: held.tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self.hooks.__exit__(*problem)


class Held:
    """A saved tensor, counted while autograd refers to it."""

    def __init__(self, count: HeldForBackward, tensor: Tensor) -> None:
        self.count, self.tensor = count, tensor
        storage = tensor.untyped_storage()
        self.address, self.bytes = storage.data_ptr(), 0 if storage.data_ptr() in count.weights else storage.nbytes()
        count.holders[self.address] = count.holders.get(self.address, 0) + 1
        if count.holders[self.address] == 1:
            count.now += self.bytes
            count.peak = max(count.peak, count.now)

    def __del__(self) -> None:
        self.count.holders[self.address] -= 1
        if self.count.holders[self.address] == 0:
            self.count.now -= self.bytes


class Measured(NamedTuple):
    """One step."""

    wall: float  # seconds
    cpu: float  # seconds of this process
    activations: int  # bytes
    loss: float  # nats


def measured(way: Callable[[Training], float], training: Training) -> Measured:
    """One step of ``way``, its gradients cleared before."""
    model, device = training.backbone.model, training.device
    model.zero_grad(set_to_none=True)
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
    held = HeldForBackward(model)
    wall, cpu = time.perf_counter(), time.process_time()
    with nullcontext() if on_cuda else held:
        loss = way(training)
    if on_cuda:
        torch.cuda.synchronize(device)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Measured(wall, cpu, int(torch.cuda.max_memory_allocated(device)) - before if on_cuda else held.peak, loss)


def compare(training: Training, repeats: int) -> None:
    """Prints all ways' times and memories over ``repeats`` batches, and their ratios."""
    name, users = str(training.precision).removeprefix("torch."), training.settings.train_batch_size
    first_calls(training)
    steps: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for training.step in range(repeats):
        print(f"{name} batch {training.step}: {_shape(training)}")
        for label, way in WAYS.items():
            one = measured(way, training)
            steps[label].append(one)
            difference = abs(one.loss - steps["plain"][-1].loss)
            print(
                f"  {label} {one.wall:.2f} s, {one.cpu:.2f} s CPU, {one.activations / 2**20:.0f} MiB; loss "
                f"{one.loss:.5f}, difference {difference:.1e}",
                flush=True,
            )
            if training.precision == torch.float32 and difference > max(1e-4, 1e-6 * abs(one.loss)):
                raise SystemExit(f"the losses of plain and {label} differ too much")
    for label, own in steps.items():
        seconds = sum(one.wall for one in own)
        print(f"{name} {label}: {seconds / repeats:.2f} s a step, {users * repeats / seconds:.2f} users/s")
    for one, other in (("packed", "plain"), ("padded", "plain"), ("packed", "padded")):
        _ratios(f"{one}/{other} {name}", steps[one], steps[other])


def _ratios(label: str, ours: Sequence[Measured], theirs: Sequence[Measured]) -> None:
    for what, attribute in (("users/s", "wall"), ("users a CPU second", "cpu")):
        spent = [sum(getattr(one, attribute) for one in steps) for steps in (theirs, ours)]
        print(f"ratio {what} {label} {spent[0] / spent[1]:.2f}")
    share = statistics.median(a.activations / b.activations for a, b in zip(ours, theirs, strict=True))
    print(f"ratio activation memory {label} {share:.2f}")


def first_calls(training: Training) -> None:
    """One user through all ways: libraries load their kernels on the first calls."""
    settings = training.settings
    training.settings = replace(settings, train_batch_size=1)
    for way in WAYS.values():
        way(training)
    training.settings = settings


def _shape(training: Training) -> str:
    """Tokens and pads of the present step in all ways."""
    examples = training.examples(training.step)
    lengths = [len(example.tokens) for example in examples]
    targets = [len(training.items.start) + len(example.target) for example in examples]
    parts = []
    for training.packed in (True, False):
        passes = training.batch(training.step).passes
        parts.append(f"{len(passes.groups)} group(s) with {passes.padding:.0%} pads")
    return (
        f"{sum(lengths)} + {sum(targets)} tokens, plain {len(lengths)} x {max(lengths)} + {len(targets)} x "
        f"{max(targets)}; packed {parts[0]}, padded {parts[1]}"
    )


def compare_phases(training: Training, repeats: int) -> None:
    """Prints how long a step of the paper's objective takes beside a warm-up step of the same users."""
    paper = training.settings
    warm = replace(paper, warmup_steps=paper.train_steps)
    pairs = []
    for training.step in range(repeats):
        seconds = []
        for training.settings in (warm, paper):
            seconds.append(measured(ours, training))
        pairs.append(seconds)
    training.settings = paper
    medians = [statistics.median(one.wall for one in each) for each in zip(*pairs, strict=True)]
    print(f"warm-up step {medians[0]:.2f} s, step of the paper's objective {medians[1]:.2f} s")
    print(f"ratio paper's step/warm-up step {statistics.median(b.wall / a.wall for a, b in pairs):.2f}")


def backbone_of(name: str, texts: Sequence[str], config: Any, layers: int | None) -> Backbone:
    """The decoder by its ``--backbone`` name, with its first ``layers`` layers."""
    if name in ("scratch", "smollm2-shape"):
        sizes = settings_of(ScratchSizes, config)
        small = name == "scratch"
        vocabulary = sizes.vocab_size if small else 3000
        tokenizer = train_tokenizer(texts, vocabulary, merge_across_words=small and sizes.merge_across_words)
        end = tokenizer.eos_token_id
        model = scratch_model(sizes, len(tokenizer), end, 1280, 0) if small else _smollm2_shape()
        backbone = Backbone(model, tokenizer)
    else:
        backbone = load_backbone(name)
    if layers:
        backbone.trunk.layers = backbone.trunk.layers[:layers]
        backbone.model.config.num_hidden_layers = layers
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    print(f"backbone {name}: {parameters / 1e6:.1f}M parameters, {len(backbone.trunk.layers)} layers")
    return backbone


def _smollm2_shape() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SMOLLM2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="smollm2-shape", help="scratch, smollm2-shape, or as the CALRec setting")
    parser.add_argument("--dataset", default="Scientific")
    parser.add_argument("--data_path", default="dataset")
    parser.add_argument("--batch", type=int, help="users a step; default 8, of scratch 32")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=5, help="batches")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, help="keep the first layers only")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cuda was never tried)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    scratch = arguments.backbone == "scratch"
    config = Config(
        "CALRec",
        arguments.dataset,
        config_dict={"data_path": arguments.data_path, "gpu_id": ""},
        config_file_list=[] if scratch else ["smollm2-135m"],
    )
    prepared = prepare(config)
    sequences, texts = training_sequences(prepared.events), prepared.catalogue.texts
    backbone = backbone_of(arguments.backbone, texts, config, arguments.layers)
    device = torch.device(arguments.device)
    backbone.model.to(device)
    items = tokenise_items(texts, backbone.tokenizer, int(config["max_input_length"]))
    settings = settings_of(TrainingSettings, config)
    settings = replace(settings, warmup_steps=0, train_batch_size=arguments.batch or (32 if scratch else 8))
    for precision in arguments.precision:
        training = Training(backbone, items, sequences, replace(settings, precision=precision), 0, device)
        compare(training, arguments.repeats)
        if scratch:
            compare_phases(training, arguments.repeats)


if __name__ == "__main__":
    main()
