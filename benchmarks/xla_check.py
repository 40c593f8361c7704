"""Claim: training on XLA gives the losses of plain CPU and compiles nothing after the first pass over the buckets.

    benchmarks/xla_check.sh FOLDER      # builds the venv, sets PJRT_DEVICE=CPU, runs this

A small decoder, dropout off, in float32: 50 steps on XLA's CPU device and on torch's, the same users; losses must agree
to 1e-4 nats. Compilations are torch_xla's own count (`CompileTime`), step by step: the steps after which every bucket
has been seen, and 50 more, must add none. Then both sample the same prompts.
"""

import copy
import sys
from typing import Any

import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.engines.xla.static_sampling import StaticSampler
from calrec_recbole.engines.xla.static_training import StaticTraining
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import StepReport, Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number) * (1 + 9 * number)}. Category: {'Tools ' * number}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 5)] for start in range(24)]
SIZES = ScratchSizes(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
STEPS = 50
TOLERANCE = 1e-4  # nats
PARTS = ("total", "nig", "tt", "ut")


def training(device: torch.device, kind: type[Training]) -> Training:
    """24 users in batches of 8; equal seeds, equal weights."""
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 1024, seed=1).to(device)
    settings = TrainingSettings(
        train_steps=2 * STEPS,
        train_batch_size=8,
        micro_batch_tokens=1024,
        learning_rate=1e-3,
        lr_warmup_steps=5,
        precision="float32",
        parallel="ddp",
    )
    items = tokenise_items(TEXTS, tokenizer, 768)
    return kind(Backbone(model, tokenizer), items, SEQUENCES, settings, seed=5, device=device)


def compilations() -> int:
    """How many graphs torch_xla has compiled so far."""
    import torch_xla.debug.metrics as metrics

    found: Any = metrics.metric_data("CompileTime")
    return int(found[0]) if found else 0


def seen_buckets(run: StaticTraining) -> list[set[int]]:
    """Of every step, the widths of its pieces."""
    found = []
    for run.step in range(2 * STEPS):
        fixed = run.batch(run.step)
        shapes = [piece.tokens.shape for piece in (*fixed._sequences(), *fixed._targets())]
        found.append({shape[1] for shape in shapes})
    run.step = 0
    return found


def main() -> int:
    try:
        import torch_xla
    except ImportError:
        print("error: xla_check needs torch-xla: run benchmarks/xla_check.sh FOLDER", file=sys.stderr)
        return 2
    cpu = torch.device("cpu")
    plain, xla = training(cpu, Training), training(torch_xla.device(), StaticTraining)
    widths = seen_buckets(training(cpu, StaticTraining))
    first_pass = next(step for step in range(2 * STEPS) if set().union(*widths[: step + 1]) == set().union(*widths))
    counts: list[int] = []
    losses: dict[str, list[StepReport]] = {"plain": [], "xla": []}
    plain.run(STEPS, losses["plain"].append)
    xla.run(STEPS, lambda report: (losses["xla"].append(report), counts.append(compilations())))
    worst = max(
        abs(getattr(a, part) - getattr(b, part))
        for a, b in zip(losses["plain"], losses["xla"], strict=True)
        for part in PARTS
    )
    xla.run(2 * STEPS, lambda _: counts.append(compilations()))
    after = counts[-1] - counts[first_pass]
    print(
        f"buckets {sorted(set().union(*widths))}, all seen after step {first_pass}; compiled then {counts[first_pass]}"
    )
    print(f"compiled in the {2 * STEPS - 1 - first_pass} steps after: {after}")
    print(f"largest difference of a loss over {STEPS} steps: {worst:.2e} nats")
    generated = same_samples(xla)
    print(f"samples of XLA and of the copy on the CPU: {'equal' if generated else 'DIFFERENT'}")
    print(f"ratio difference/tolerance {worst / TOLERANCE:.3f}")
    return 0 if worst <= TOLERANCE and after == 0 and generated else 1


def same_samples(run: Training) -> bool:
    """The weights that were trained on XLA draw on it what their copy on the CPU draws in the same way."""
    before = compilations()
    prompts = [run.items.prompt(sequence[:-1]).tolist() for sequence in SEQUENCES[:6]]
    options = {"n": 8, "temperature": 0.5, "max_new_tokens": 16, "seeds": list(range(len(prompts)))}
    drawn = StaticSampler(run.backbone)(prompts, **options)
    print(f"sampled {len(prompts)} prompts with {compilations() - before} compilations")
    mirror = Backbone(copy.deepcopy(run.backbone.model).to("cpu"), run.backbone.tokenizer)
    again = StaticSampler(mirror)(prompts, **options)
    return all(
        {one.token_ids for one in ours} == {one.token_ids for one in theirs}
        for ours, theirs in zip(drawn, again, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
