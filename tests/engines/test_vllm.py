"""vLLM's side of the bargain played by a stand-in: what it is asked, and what its answers become.

The stand-in knows the arguments that are used and no others, draws token by token from the folder it was given, ends
with the end token as the last of ``token_ids``, and reports log-probabilities before temperature.
"""

import os
import sys
import threading
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from calrec_recbole.engines.vllm import Vllm, load_vllm, sample_with_vllm
from calrec_recbole.engines.vllm_process import serve
from calrec_recbole.errors import BackboneError, ConfigError, DataError
from calrec_recbole.generation import Sample

PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1], [6]]
STEPS = 9


@dataclass
class SamplingParams:
    n: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    max_tokens: int
    stop_token_ids: list
    logprobs: int
    detokenize: bool


class LLM:
    made = ()

    def __init__(self, *, model, logprobs_mode, **arguments):
        self.folder, self.logprobs_mode, self.arguments, self.asked = Path(model), logprobs_mode, arguments, []
        self.model = AutoModelForCausalLM.from_pretrained(model).eval()
        type(self).made += (self,)

    def generate(self, prompts, sampling_params, use_tqdm):
        self.asked += zip(prompts, sampling_params, strict=True)
        return [
            SimpleNamespace(outputs=[self.draw(prompt["prompt_token_ids"], wanted, i) for i in range(wanted.n)])
            for prompt, wanted in zip(prompts, sampling_params, strict=True)
        ]

    @torch.inference_mode()
    def draw(self, prompt, wanted, number):
        generator, tokens, logprobs = torch.Generator().manual_seed(wanted.seed + number), [], []
        while len(tokens) < wanted.max_tokens and not set(tokens) & set(wanted.stop_token_ids):
            raw = self.model(torch.tensor([[*prompt, *tokens]])).logits[0, -1].log_softmax(-1)
            tokens.append(int(torch.multinomial((raw / wanted.temperature).softmax(-1), 1, generator=generator)))
            told = {int(raw.argmax()), tokens[-1]}
            logprobs.append({token: SimpleNamespace(logprob=float(raw[token])) for token in told})
        return SimpleNamespace(token_ids=tokens, logprobs=logprobs)


class InThread(Vllm):
    """``vllm_process`` in a thread of this process, where it finds the stand-in."""

    def __init__(self):
        (stdin, requests), (answers, stdout) = (
            [os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True)] for _ in "ab"
        )
        self.process = SimpleNamespace(stdin=requests, stdout=answers)
        self.files = requests, stdout, answers, stdin
        self.thread = threading.Thread(target=serve, args=(stdin, stdout))
        self.thread.start()

    def end(self):
        self.files[0].close()
        self.thread.join()
        for file in self.files:
            file.close()


@pytest.fixture(autouse=True)
def vllm(monkeypatch):
    module = ModuleType("vllm")
    module.__spec__ = ModuleSpec("vllm", None)
    module.LLM, module.SamplingParams = type("LLM", (LLM,), {}), SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module


@pytest.fixture
def load(llama):
    begun = []

    def start():
        begun.append(InThread())
        return begun[-1]

    yield lambda: load_vllm(llama, llama.save_pretrained, start)
    for one in begun:
        one.end()


@pytest.fixture
def llm(load):
    return load()


@pytest.fixture
def made(llm, vllm):
    return vllm.LLM.made[0]


def test_the_engine_is_asked_for_raw_logprobs_a_prefix_cache_and_the_models_own_precision(made):
    assert made.logprobs_mode == "raw_logprobs"
    assert made.arguments["enable_prefix_caching"] is True
    assert made.arguments["dtype"] == "float32"
    assert made.arguments["generation_config"] == "vllm"
    assert not made.folder.exists()  # the weights were only lent


def test_sampling_is_asked_for_without_any_filter(llm, made, llama):
    sample_with_vllm(llm, llama, PROMPTS, 5, 0.7, STEPS, seeds=[1, 2, 1])
    assert [prompt for prompt, _ in made.asked] == [{"prompt_token_ids": prompt} for prompt in PROMPTS]
    for _, wanted in made.asked:
        assert (wanted.n, wanted.temperature, wanted.max_tokens, wanted.stop_token_ids) == (5, 0.7, STEPS, [0])
        assert (wanted.top_p, wanted.top_k, wanted.min_p, wanted.detokenize) == (1.0, -1, 0.0, False)
        assert wanted.logprobs == 1
    first, second, third = (wanted.seed for _, wanted in made.asked)
    assert first == third
    assert abs(first - second) > 1000  # vLLM counts on from a seed: 1 and 2 would share draws
    assert 0 <= max(first, second) < 2**62


def test_samples_are_of_the_type_of_the_native_ones_with_logprobs_at_temperature_1(llm, llama, plain_logprob):
    samples = sample_with_vllm(llm, llama, PROMPTS, 32, 0.9, STEPS, seeds=[1, 2, 3])
    lengths = set()
    for prompt, of_prompt in zip(PROMPTS, samples, strict=True):
        assert sum(entry.count for entry in of_prompt) == 32
        assert len({entry.token_ids for entry in of_prompt}) == len(of_prompt) > 1
        assert of_prompt == sorted(of_prompt, key=lambda entry: (-entry.logprob, entry.token_ids))
        for entry in of_prompt:
            assert isinstance(entry, Sample)
            end = [0] if len(entry.token_ids) < STEPS else []
            assert entry.logprob == pytest.approx(plain_logprob(llama, prompt, [*entry.token_ids, *end]), abs=1e-4)
            lengths.add(len(entry.token_ids))
    assert STEPS in lengths  # cut without an end token
    assert min(lengths) < STEPS - 1


def test_equal_draws_are_counted_and_the_end_token_is_a_term_of_the_sum(llama, llm, made):
    def drawn(tokens, *nats):
        told = [{token: SimpleNamespace(logprob=one)} for token, one in zip(tokens, nats, strict=True)]
        return SimpleNamespace(token_ids=tokens, logprobs=told)

    outputs = [drawn([5, 0], -1.0, -0.5), drawn([5, 7], -1.0, -0.25), drawn([5, 0], -1.0, -0.4375), drawn([0], -3.0)]
    made.generate = lambda *_, **__: [SimpleNamespace(outputs=outputs)]
    (samples,) = sample_with_vllm(llm, llama, [[1]], 4, 0.5, 2, seeds=[1])
    assert samples == [Sample((5, 7), 1, -1.25), Sample((5,), 2, -1.4375), Sample((), 1, -3.0)]


def test_the_same_seed_draws_the_same_whoever_is_beside(llm, llama):
    together = sample_with_vllm(llm, llama, PROMPTS, 8, 0.9, STEPS, seeds=[1, 2, 3])
    alone = [
        sample_with_vllm(llm, llama, [prompt], 8, 0.9, STEPS, seeds=[seed])[0]
        for prompt, seed in zip(PROMPTS, [1, 2, 3], strict=True)
    ]
    assert together == alone


def test_no_prompts_no_samples(llm, llama):
    assert sample_with_vllm(llm, llama, [], seeds=[]) == []


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"temperature": 0.001}, ConfigError, "temperature is 0.001; generation_engine=vllm takes 0.01 or more"),
        ({"n": 0}, ConfigError, "n is 0"),
        ({"max_new_tokens": 300}, DataError, "exceed the model's 256 positions"),
    ],
)
def test_what_vllm_would_do_otherwise_is_refused(llm, made, llama, change, kind, message):
    with pytest.raises(kind, match=message):
        sample_with_vllm(llm, llama, [[1]], seeds=[1], **change)
    assert not made.asked


def test_several_end_ids_are_refused(llama):
    llama.generation_config.eos_token_id = [0, 3]
    with pytest.raises(BackboneError, match=r"one end id, not \[0, 3\]: set generation_engine: native"):
        load_vllm(llama, llama.save_pretrained)


def test_a_missing_package_an_old_vllm_and_what_it_refuses_are_told_in_one_line(load, vllm, monkeypatch):
    def refused(match):
        with pytest.raises(ConfigError, match=match) as caught:
            load()
        assert "\n" not in str(caught.value)

    def fails(**_):
        raise RuntimeError("no room\nfor the cache")

    vllm.LLM = lambda model, dtype, enable_prefix_caching, generation_config: None
    refused(r"needs vllm 0.10 or newer .*logprobs_mode")
    vllm.LLM = fails
    refused(r"refuses \(RuntimeError: no room for the cache\); mend that, or set generation_engine: native")
    monkeypatch.setattr("calrec_recbole.engines.vllm.find_spec", lambda name: None)
    refused(r"needs the package vllm: pip install vllm, or set generation_engine: native")


STAND_IN = """
from types import SimpleNamespace as S
print("lines of vLLM's own")
SamplingParams = lambda **wanted: wanted
class LLM:
    def __init__(self, **settings): self.settings = settings
    def generate(self, prompts, sampling_params, use_tqdm):
        if prompts[0]["prompt_token_ids"] == [9]: raise SystemExit(3)
        one = S(token_ids=[5, 0], logprobs=[{5: S(logprob=-1.0)}, {0: S(logprob=-0.5)}])
        return [S(outputs=[one] * wanted["n"]) for wanted in sampling_params]
"""


def test_it_runs_in_a_process_of_its_own_that_ends_with_it(llama, tmp_path, monkeypatch):
    (tmp_path / "vllm.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    llm = load_vllm(llama, llama.save_pretrained)
    assert sample_with_vllm(llm, llama, [[1], [2]], 3, 0.5, 4, seeds=[1, 2]) == [[Sample((5,), 3, -1.5)]] * 2
    process = llm.process
    with pytest.raises(ConfigError, match=r"its process ended with code 3"):
        sample_with_vllm(llm, llama, [[9]], 3, 0.5, 4, seeds=[1])
    other = load_vllm(llama, llama.save_pretrained)
    process = other.process
    del other
    assert process.poll() == 0
