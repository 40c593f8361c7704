"""The samples of ``sampling`` drawn by servers at an address: vLLM, SGLang, llama.cpp's, whatever speaks the protocol.

The draws follow the same distribution as ``sample``'s but are not the same draws. Log-probabilities are the server's at
temperature 1, which are compared with the backbone's on the first prompt; where a server does not tell those of a whole
text, the backbone reads it.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.servers.completion import Drawn, drawn_of, request_body
from calrec_recbole.engines.servers.server import Server, TooManyError
from calrec_recbole.engines.servers.server_check import check_server
from calrec_recbole.engines.servers.server_pool import ServerPool
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.examples import decode, encode
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.generation.requirements import check_prompts, check_settings, end_ids
from calrec_recbole.generation.sampling import Sample, counted

__all__ = ["OpenAISampler", "reach"]

CHECKED = 8  # samples


class _Job(NamedTuple):
    prompt: tuple[int, ...]
    n: int
    temperature: float
    steps: int
    seed: int


def reach(settings: ServerSettings) -> list[Server]:
    """The servers of ``engine_url``; ``ConfigError`` where one does not answer, or lacks ``engine_model``."""
    return [Server(url, settings.engine_model) for url in settings.needed()]


class _Tokens(NamedTuple):
    tokenizer: Any

    def read(self, text: str) -> list[int]:
        ids: list[int] = encode(self.tokenizer, text)
        return ids

    def write(self, token_ids: Sequence[int]) -> str:
        return decode(self.tokenizer, [token_ids])[0]


class OpenAISampler:
    """Draws samples of ``backbone``, whose weights the servers hold; see ``recommender.DrawsEach``."""

    def __init__(self, backbone: Backbone, settings: ServerSettings) -> None:
        self.backbone, self.settings = backbone, settings
        ends = end_ids(backbone.model)
        if len(ends) > 1:
            raise BackboneError(f"generation_engine=openai knows one end id, not {ends}: set generation_engine: native")
        (self.end,) = ends
        self._most: dict[str, int] = {}  # samples that a server draws in one request, where it has a limit
        self._checked: set[str] = set()

    @cached_property
    def pool(self) -> ServerPool:
        """All servers; they are asked for their models once."""
        return ServerPool(reach(self.settings), self.settings.engine_requests, self.settings.engine_patience)

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> list[list[Sample]]:
        """``n`` draws of each prompt (token ids) -> per prompt the distinct ones, sorted; see `each`."""
        drawn = dict(self.each(prompts, n, temperature, max_new_tokens, seeds=seeds))
        return [drawn[place] for place in range(len(drawn))]

    def each(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> Iterator[tuple[int, list[Sample]]]:
        """The place of each prompt with its samples, as they come.

        Raises ``ConfigError`` (a setting, a server that refuses, is gone for good or serves something else) or
        ``DataError`` (a prompt).
        """
        check_settings(n, temperature, max_new_tokens)
        check_prompts(self.backbone.model, [torch.as_tensor(one, dtype=torch.int64) for one in prompts], max_new_tokens)
        jobs = [
            _Job(tuple(prompt), n, temperature, max_new_tokens, seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        if not jobs:
            return
        self._check_servers(jobs[0])
        for place, drawn in self.pool.answers(jobs, self._draws):
            yield place, self._samples(jobs[place], drawn)

    def _check_servers(self, job: _Job) -> None:
        """Compares each server's answer to one prompt with the backbone, once."""
        for server in self.pool.servers:
            if server.url not in self._checked:
                alone = ServerPool([server], 1, self.settings.engine_patience)
                ((_, drawn),) = alone.answers([job._replace(n=min(job.n, CHECKED))], self._draws)
                check_server(server.url, self.backbone.model, job.prompt, drawn, job.temperature, self.end)
                self._checked.add(server.url)

    def _draws(self, server: Server, job: _Job) -> list[Drawn]:
        """All draws of a prompt by one server, in as few requests as it takes them."""
        read = partial(drawn_of, end=self.end, steps=job.steps, tokens=_Tokens(self.backbone.tokenizer))
        drawn: list[Drawn] = []
        while len(drawn) < job.n:
            seed = _spread(job.seed, len(drawn))
            wanted = min(job.n - len(drawn), self._most.get(server.url, job.n))
            asked = job.prompt, wanted, job.temperature, job.steps, seed, self.end
            try:
                choices = server.complete(request_body(server.name, *asked))
                drawn += [read(choice) for choice in choices[:wanted]]
            except TooManyError:
                self._most[server.url] = wanted // 2
            except (KeyError, TypeError, ValueError) as problem:
                if isinstance(problem, ConfigError):
                    raise
                raise ConfigError(f"engine_url={server.url} answers in another form ({problem!r})") from problem
        return drawn

    def _samples(self, job: _Job, drawn: Sequence[Drawn]) -> list[Sample]:
        untold = sorted({one.token_ids for one in drawn if one.logprobs is None})
        (nats,) = text_logprobs(self.backbone.model, [job.prompt], [untold], steps=job.steps)
        read_here = dict(zip(untold, nats.tolist(), strict=True))
        return counted(
            (one.token_ids, read_here[one.token_ids] if one.logprobs is None else sum(one.logprobs)) for one in drawn
        )


def _spread(seed: int, before: int) -> int:
    """31 bits that no neighbour shares: servers seed the i-th draw of a request with seed + i."""
    return int(np.random.SeedSequence([seed, before]).generate_state(1, np.uint32)[0] >> np.uint32(1))
