import pytest

from calrec_recbole.engines.servers.server import Server, TooManyError, UnreachableError
from calrec_recbole.errors import ConfigError

BODY = {"model": "tiny", "prompt": [1], "n": 2, "temperature": 1.0, "max_tokens": 3, "seed": 1, "stop_token_ids": [0]}


def test_the_only_model_is_taken_and_among_several_one_is_named(serve):
    stand_in = serve()
    assert Server(stand_in.url).name == "tiny"
    stand_in.names = ["base", "adapter"]
    assert Server(stand_in.url, "adapter").name == "adapter"
    for given in ("", "other"):
        with pytest.raises(ConfigError, match=f"engine_model='{given}' must be one of .*: base, adapter"):
            Server(stand_in.url, given)


def test_nobody_there_is_told_at_once(serve):
    stand_in = serve()
    stand_in.end()
    with pytest.raises(ConfigError, match=r"does not answer \(.*refused.*\): start the server first"):
        Server(stand_in.url)


@pytest.mark.parametrize(
    ("failure", "kind", "told"),
    [
        (503, UnreachableError, "HTTP 503"),
        (429, UnreachableError, "HTTP 429"),
        ("cut", UnreachableError, "IncompleteRead"),
        (400, TooManyError, "told to"),
        (401, ConfigError, "refuses .*HTTP 401.*told to.*; set OPENAI_API_KEY in the environment"),
        (404, ConfigError, r"refuses .HTTP 404"),
    ],
)
def test_failures_are_of_three_kinds(serve, failure, kind, told):
    stand_in = serve(fail=[failure], away=0)
    with pytest.raises(kind, match=told):
        Server(stand_in.url).complete(BODY)
    if failure == "cut":
        stand_in.back.wait(10)


def test_one_sample_is_not_too_many(serve):
    with pytest.raises(ConfigError, match=r"HTTP 400"):
        Server(serve(fail=[400]).url).complete({**BODY, "n": 1})


def test_the_key_of_the_environment_is_sent(serve, monkeypatch):
    stand_in = serve()
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert len(Server(stand_in.url).complete(BODY)) == 2
    assert stand_in.headers[-1]["Authorization"] == "Bearer secret"
