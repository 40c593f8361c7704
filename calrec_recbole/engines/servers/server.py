"""One server at an address."""

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from calrec_recbole.errors import ConfigError
from calrec_recbole.stored_files import one_line

__all__ = ["KEY", "Server", "TooManyError", "UnreachableError"]

KEY = "OPENAI_API_KEY"  # of the environment: it stands in no settings
TIMEOUT = 1800  # seconds without an answer: a request may wait its turn behind many
FIRST_TIMEOUT = 20  # of the first question
BUSY = {408, 425, 429}
TOO_MANY = {400, 422}


class UnreachableError(Exception):
    """No whole answer came; the same request may be sent again, here or elsewhere."""


class TooManyError(Exception):
    """The server does not draw as many samples in one request."""


class Server:
    """Speaks the completions protocol; ``name`` is its model's."""

    def __init__(self, url: str, model: str = "") -> None:
        self.url = url
        self.name = self._chosen(model)

    def _chosen(self, model: str) -> str:
        """``model``, or the only one that is there. Raises ``ConfigError``."""
        try:
            answer = self._ask("/v1/models", None, FIRST_TIMEOUT)
            known = [str(one["id"]) for one in answer["data"]]
        except UnreachableError as problem:
            raise ConfigError(f"engine_url={self.url} does not answer ({problem}): start the server first") from None
        except (KeyError, TypeError):
            raise ConfigError(f"engine_url={self.url} has no list of models: is it an OpenAI server?") from None
        if model in known or (len(known) == 1 and not model):
            return model or known[0]
        choices = ", ".join(known) or "none"
        raise ConfigError(f"engine_model={model!r} must be one of those at engine_url={self.url}: {choices}")

    def complete(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The choices. Raises ``UnreachableError``, ``TooManyError``, or ``ConfigError`` where it refuses."""
        answer = self._ask("/v1/completions", body, TIMEOUT)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"engine_url={self.url} answers no choices: is it an OpenAI completions server?")
        return choices

    def _ask(self, path: str, body: Mapping[str, Any] | None, timeout: float) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers), timeout=timeout) as answer:
                return json.load(answer)
        except HTTPError as problem:
            self._refused(problem, body)
        except (URLError, HTTPException, OSError, json.JSONDecodeError) as problem:  # also one cut off
            raise UnreachableError(one_line(getattr(problem, "reason", None) or problem)) from problem

    def _refused(self, problem: HTTPError, body: Mapping[str, Any] | None) -> None:
        with problem:
            told = one_line(ValueError(problem.read(2000).decode(errors="replace") or problem.reason))
        if problem.code >= 500 or problem.code in BUSY:
            raise UnreachableError(f"HTTP {problem.code}: {told}")
        if problem.code in TOO_MANY and body and body.get("n", 1) > 1:
            raise TooManyError(told)
        key = f"; set {KEY} in the environment" if problem.code in (401, 403) else ""
        raise ConfigError(f"engine_url={self.url} refuses (HTTP {problem.code}: {told}){key}")
