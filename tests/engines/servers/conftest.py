"""A server of the completions protocol on a small model, which can be told to fail in the ways that servers do."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from calrec_recbole.backbone import Backbone

LETTERS = "_abcdefghijk"  # of the 12 tokens; 0 is the end


class Letters:
    """A tokenizer of one letter a token."""

    def __call__(self, text, add_special_tokens, split_special_tokens):
        assert split_special_tokens > add_special_tokens
        return {"input_ids": [LETTERS.index(letter) for letter in text]}

    def batch_decode(self, token_ids, **_):
        return ["".join(LETTERS[token] for token in ids) for ids in token_ids]


class StandIn:
    """``form``: vllm, llama.cpp, spelled (tokens as token_id:7) or texts; ``limit``: most samples in a request.

    ``tempered`` tells log-probabilities after temperature. ``fail`` takes one entry a request: an HTTP status, or
    "cut" (half an answer, then nobody is there for a while).
    """

    def __init__(self, model, form="vllm", limit=1000, tempered=False, fail=(), away=0.3):
        self.model, self.form, self.limit, self.tempered, self.away = model, form, limit, tempered, away
        self.fail, self.asked, self.answered, self.lock = list(fail), [], 0, threading.Lock()
        self.back = threading.Event()
        self.names, self.headers, self.port, self.open = ["tiny"], [], 0, None
        self.begin()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def begin(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.reply(200, {"data": [{"id": name} for name in stand_in.names]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stand_in.lock:
                    stand_in.asked.append(body)
                    stand_in.headers.append(dict(self.headers))
                    failure = stand_in.fail.pop(0) if stand_in.fail else None
                if isinstance(failure, int):
                    return self.reply(failure, {"error": "told to"})
                if body["n"] > stand_in.limit:
                    return self.reply(400, {"error": f"n must be at most {stand_in.limit}"})
                answer = {"choices": [stand_in.choice(body, number) for number in range(body["n"])]}
                if failure == "cut":
                    self.reply(200, answer, part=0.5)
                    return threading.Thread(target=stand_in.go_away).start()
                stand_in.answered += 1
                return self.reply(200, answer)

            def reply(self, status, value, part=1.0):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: int(part * len(data))])

        ThreadingHTTPServer.allow_reuse_address = True
        self.open = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.open.daemon_threads = True
        self.port = self.open.server_port
        threading.Thread(target=self.open.serve_forever, args=(0.01,), daemon=True).start()

    def end(self):
        server, self.open = self.open, None
        if server:
            server.shutdown()
            server.server_close()

    def go_away(self):
        self.end()
        time.sleep(self.away)
        self.begin()
        self.back.set()

    @torch.inference_mode()
    def choice(self, body, number):
        generator, tokens, nats = torch.Generator().manual_seed(body["seed"] + number), [], []
        (end,) = body["stop_token_ids"]
        while len(tokens) < body["max_tokens"] and end not in tokens:
            logits = self.model(torch.tensor([[*body["prompt"], *tokens]])).logits[0, -1]
            drawn_from = (logits / body["temperature"]).softmax(-1)
            tokens.append(int(torch.multinomial(drawn_from, 1, generator=generator)))
            told = logits / body["temperature"] if self.tempered else logits
            nats.append(float(told.log_softmax(-1)[tokens[-1]]))
        finish = "stop" if tokens[-1] == end else "length"
        known = max(tokens) < len(LETTERS)
        text = "".join(LETTERS[token] for token in tokens if token != end) if known else "?"
        return {"index": number, "text": text, "finish_reason": finish, **self.told(tokens, nats, end)}

    def told(self, tokens, nats, end):
        if self.form == "vllm":
            return {"token_ids": tokens, "logprobs": {"tokens": ["?"] * len(tokens), "token_logprobs": nats}}
        if self.form == "spelled":
            names = [f"token_id:{token}" for token in tokens]
            return {"logprobs": {"tokens": names, "token_logprobs": nats}}
        if self.form == "texts":
            return {"logprobs": {"tokens": [LETTERS[token] for token in tokens], "token_logprobs": nats}}
        if self.form == "nothing":
            return {"logprobs": None}
        content = [
            {"id": token, "logprob": value, "token": "" if token == end else LETTERS[token]}
            for token, value in zip(tokens, nats, strict=True)
        ]
        return {"logprobs": {"content": content}}


@pytest.fixture
def serve(llama):
    """``serve(**faults)`` starts a server on the small llama, or on another ``model``."""
    begun = []

    def begin(model=llama, **faults):
        begun.append(StandIn(model, **faults))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@pytest.fixture
def backbone(llama):
    return Backbone(llama, Letters())
