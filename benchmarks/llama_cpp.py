"""llama.cpp as a peer of `sampling.py`: the very weights of a transformers Llama as a GGUF file, and a server on them.

`pip install xllamacpp gguf`; the wheel on PyPI knows AVX2 and no more, `pip install --no-binary xllamacpp xllamacpp`
builds it for the machine at hand.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import gguf
import torch
import xllamacpp

DTYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}
TOLERANCES = {"f32": 0.02, "f16": 0.05, "bf16": 0.3}  # nats a token; keys and values are float16, as is its default
CHECKED = 20  # tokens of greedy text at least
CELLS = 256  # llama.cpp rounds a context up to these


def write_gguf(model: Any, tokenizer: Any, path: Path, dtype: str) -> None:
    """A transformers Llama -> GGUF: matrices as ``dtype``, norms in float32, q and k in llama.cpp's order."""
    config = model.config
    assert config.model_type == "llama", f"{config.model_type}: only Llamas are written"
    assert not config.attention_bias, "a Llama with biases"
    assert not config.mlp_bias, "a Llama with biases"
    assert config.rope_parameters["rope_type"] == "default", config.rope_parameters
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_file_type(DTYPES[dtype][1])
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    _add_tokenizer(writer, tokenizer, config.vocab_size)
    _add_tensors(writer, model, DTYPES[dtype][0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, size: int) -> None:
    """Special tokens but the end get other names: llama.cpp would take some of them for ends by their names."""
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())
    end, special = tokenizer.eos_token_id, {token["id"] for token in bpe["added_tokens"] if token["special"]}
    names = {place: f"<unused {place}>" for place in range(size)}
    names |= {place: name for name, place in tokenizer.get_vocab().items() if place not in special - {end}}
    kinds = [gguf.TokenType.CONTROL if place in special else gguf.TokenType.NORMAL for place in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([names[place] for place in range(size)])
    writer.add_token_types(kinds)
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in bpe["model"]["merges"]])
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)


def _add_tensors(writer: gguf.GGUFWriter, model: Any, kind: gguf.GGMLQuantizationType) -> None:
    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.detach().float().cpu()
        part = name.split(".")[-2]
        if part in heads:  # halves side by side -> pairs side by side
            values = values.view(heads[part], 2, -1, values.shape[1]).transpose(1, 2).reshape(values.shape)
        own = gguf.GGMLQuantizationType.F32 if values.ndim == 1 else kind
        written = names.get_name(name, try_suffixes=(".weight",))
        assert written is not None, name
        writer.add_tensor(written, gguf.quantize(values.contiguous().numpy(), own), raw_dtype=own)


class LlamaCpp:
    """llama.cpp's server in this process: a slot a sample, each prompt read once and its state given to all slots.

    ``split``: every slot has keys and values of its own (a copy of the prompt's each); otherwise all lie in one buffer
    and a row's attention passes over those of all.
    """

    def __init__(self, file: Path, longest: int, n: int, steps: int, *, threads: int, split: bool) -> None:
        """``longest``: tokens of the longest prompt; ``n`` samples of ``steps`` tokens come after each."""
        settings = xllamacpp.CommonParams()
        settings.model.path = str(file)
        settings.n_parallel, settings.kv_unified = n, not split
        # one buffer holds the next prompt beside the last user's samples
        cells = longest + steps + 1 if split else 2 * longest + n * (steps + 1)
        settings.n_ctx = -(-cells // CELLS) * CELLS * (n if split else 1)
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        settings.n_gpu_layers = 0
        settings.fit_params = False
        settings.cache_ram_mib, settings.cache_idle_slots = 0, False  # no prompt comes twice
        settings.verbosity = 1
        self.server, self.n, self.steps = xllamacpp.Server(settings), n, steps
        self.rows = 0  # tokens generated, the end included

    def samples(self, prompts: Sequence[list[int]], temperature: float, end: int) -> list[Counter[tuple[int, ...]]]:
        """How often each text of a prompt was drawn, without the end token."""
        drawn = []
        for prompt in prompts:
            results = self._post(prompt, temperature=temperature, n_cmpl=self.n, n_predict=self.steps)
            assert sum(result["timings"]["prompt_n"] for result in results[:1]) == len(prompt)
            self.rows += sum(result["tokens_predicted"] for result in results)
            drawn.append(Counter(tuple(token for token in result["tokens"] if token != end) for result in results))
        return drawn

    def greedy(self, prompt: list[int]) -> tuple[list[int], list[float]]:
        """The most probable token at each step, with its log-probability, up to the end token or ``steps``."""
        (result,) = self._post(prompt, temperature=0.0, n_predict=self.steps, n_probs=1)
        found = result["completion_probabilities"]
        return [one["id"] for one in found], [one["logprob"] for one in found]

    def _post(self, prompt: list[int], **settings: Any) -> list[dict[str, Any]]:
        plain = {"samplers": ["temperature"], "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}
        body = {"prompt": prompt, "cache_prompt": False, "return_tokens": True, **plain, **settings}
        request = Request(
            f"{self.server.listening_address}/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request) as answer:
            reply = json.load(answer)
        return reply if isinstance(reply, list) else [reply]


@torch.inference_mode()
def greedy_gap(peer: LlamaCpp, model: Any, prompts: Sequence[list[int]]) -> tuple[int, int, float]:
    """llama.cpp's greedy texts read by ``model`` -> its own greedy tokens among them, all of them, and the largest gap.

    The gap: nats by which the two differ in the log-probability of a token, or the token falls short of the model's
    most probable one. At least ``CHECKED`` tokens where the prompts give as many.
    """
    equal = total = 0
    gap = 0.0
    for prompt in prompts:
        tokens, theirs = peer.greedy(prompt)
        logits = model(torch.tensor([[*prompt, *tokens]], device=model.device)).logits[0, len(prompt) - 1 : -1]
        logprobs = logits.float().log_softmax(-1).cpu()
        chosen = logprobs[range(len(tokens)), tokens]
        equal += int((logprobs.argmax(-1) == torch.tensor(tokens)).sum())
        total += len(tokens)
        short = logprobs.max(-1).values - chosen
        gap = max(gap, float((chosen - torch.tensor(theirs)).abs().max()), float(short.max()))
        if total >= CHECKED:
            break
    return equal, total, gap
