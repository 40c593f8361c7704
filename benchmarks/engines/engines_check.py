"""Engines of samples against the backbone: log-probabilities, and samples a second. See `engines_check.sh`.

    python benchmarks/engines/engines_check.py BACKBONE [--url http://localhost:8000] [--vllm] [--native]

``BACKBONE`` is a folder, a .gguf file or a hub id. ``--vllm`` starts vLLM in a process of its own.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from calrec_recbole.backbone import Backbone, load_backbone, save_backbone
from calrec_recbole.engines.servers.openai_sampler import OpenAISampler
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.engines.vllm import VllmSampler
from calrec_recbole.generation import Sample, sample
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.recommender import Draw

N, TEMPERATURE = 32, 0.5
HISTORIES = [
    "Title: Digital Caliper 6 inch. Brand: Vernon. Title: Steel Ruler 30 cm. Brand: Vernon.",
    "Title: Nitrile Gloves, box of 100. Brand: MediSafe. Title: Safety Goggles. Brand: 3M.",
    "Title: Café Filters. Title: Thé vert.",
    "Title: 日本語の辞書. Title: 漢字練習帳.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone")
    parser.add_argument("--url", default="")
    parser.add_argument("--vllm", action="store_true")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--save", type=Path, help="write BACKBONE as a folder of transformers, and no more")
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    backbone = load_backbone(arguments.backbone)
    if arguments.save:
        return save_backbone(backbone, arguments.save)
    prompts = [backbone.tokenizer(f"{text} Title:")["input_ids"] for text in HISTORIES]
    engines: dict[str, Draw] = {}
    if arguments.native:
        engines["native"] = lambda *asked, seeds: sample(backbone.model, *asked, seeds=seeds)
    if arguments.url:
        engines[arguments.url] = OpenAISampler(backbone, ServerSettings(arguments.url))
    if arguments.vllm:
        engines["vllm"] = VllmSampler(backbone)
    for name, draw in engines.items():
        _compare(name, draw, backbone, prompts, arguments.steps)


def _compare(name: str, draw: Draw, backbone: Backbone, prompts: Sequence[list[int]], steps: int) -> None:
    draw(prompts[:1], 2, TEMPERATURE, steps, seeds=[0])  # starts the engine, and its check
    began = time.perf_counter()
    drawn = draw(prompts, N, TEMPERATURE, steps, seeds=range(1, len(prompts) + 1))
    seconds = time.perf_counter() - began
    gaps = [gap for prompt, own in zip(prompts, drawn, strict=True) for gap in _gaps(backbone, prompt, own, steps)]
    count = sum(one.count for own in drawn for one in own)
    print(
        f"{name}: {count} samples of {len(prompts)} prompts in {seconds:.1f} s, {count / seconds:.2f} a second; "
        f"{len(gaps)} distinct ones, log-probabilities of texts within {max(gaps):.3g} nats of the backbone's, "
        f"{sum(gaps) / len(gaps):.3g} on average",
        flush=True,
    )


def _gaps(backbone: Backbone, prompt: list[int], samples: Sequence[Sample], steps: int) -> list[float]:
    texts = [one.token_ids for one in samples]
    (nats,) = text_logprobs(backbone.model, [prompt], [texts], steps=steps)
    return [abs(one.logprob - value) for one, value in zip(samples, nats.tolist(), strict=True)]


if __name__ == "__main__":
    main()
