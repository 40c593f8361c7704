"""vLLM in a process of its own: its CPU platform and numba each bring an LLVM, and one process cannot hold both.

Run by ``vllm`` as a module; lines of JSON come on stdin, answers go to stdout: first the settings of ``LLM``, then
requests of prompts with the settings of ``SamplingParams``. It ends with its stdin. All else that is printed goes to
stderr. It imports nothing of this package.
"""

import json
import os
import sys
from typing import IO, Any

__all__ = ["serve"]


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answers each line of ``requests`` by one: what was asked for, or ``{"error": kind, "told": message}``."""
    llm: Any = None
    for line in requests:
        asked = json.loads(line)
        try:
            if llm is None:
                llm = _load(asked)
                answer: Any = {"ready": True}
            else:
                answer = _generate(llm, asked)
        except Exception as problem:
            answer = {"error": type(problem).__name__, "told": str(problem)}
        print(json.dumps(answer), file=answers, flush=True)


def _load(settings: dict[str, Any]) -> Any:
    from vllm import LLM  # here and not above: the tests have none

    return LLM(**settings)


def _generate(llm: Any, asked: dict[str, Any]) -> list[list[tuple[list[int], float]]]:
    """Of each prompt the draws: token ids, the end's among them, and the sum of their log-probabilities."""
    from vllm import SamplingParams

    prompts = [{"prompt_token_ids": prompt} for prompt in asked["prompts"]]
    settings = [SamplingParams(**{**asked["settings"], "seed": seed}) for seed in asked["seeds"]]
    outputs = llm.generate(prompts, sampling_params=settings, use_tqdm=False)
    return [[(list(one.token_ids), _nats(one)) for one in output.outputs] for output in outputs]


def _nats(drawn: Any) -> float:
    pairs = zip(drawn.token_ids, drawn.logprobs, strict=True)
    return sum(float(by_token[token].logprob) for token, by_token in pairs)


if __name__ == "__main__":
    alone = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # vLLM's own lines, and those of its processes
    serve(sys.stdin, alone)
