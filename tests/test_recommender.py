"""From a history to items, with a decoder that always writes the next item of a fixed order."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from tokenizers.normalizers import NFC

from calrec_recbole import recommender as recommender_module
from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.catalogue import Catalogue
from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.examples import tokenise_items
from calrec_recbole.fusion import quasi_round_robin, unique_predictions
from calrec_recbole.generation import Sample, text_logprobs
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.prompts import Attribute
from calrec_recbole.recommender import Recommender
from calrec_recbole.retrieval import HierarchicalMatch, OkapiBM25
from calrec_recbole.training import Training, TrainingSettings

OTHERS = ("Title: Steel clip.", "Title: White chalk.", "Title: Glue stick.", "Title: Desk lamp.")
TEXTS = ("Title: Red pen.", "Title: Blue ink.", "Title: Green ruler.", "Title: Blue ink.", *OTHERS)
IDS = ("p", "i", "r", "j", "c", "w", "g", "d")


@pytest.fixture(scope="module")
def recommender():
    """Trained on pen -> ink -> ruler -> pen ... until it writes that order and nothing else."""
    import torch

    tokenizer = train_tokenizer(TEXTS, 320, merge_across_words=True)
    sizes = ScratchSizes(320, 32, 2, 2, 64, 0.0)
    backbone = Backbone(scratch_model(sizes, len(tokenizer), tokenizer.eos_token_id, 256, 0), tokenizer)
    items = tokenise_items(TEXTS, tokenizer, 200)
    sequences = [[(start + place) % 3 for place in range(length)] for start in range(3) for length in (2, 3, 4)]
    settings = TrainingSettings(
        train_steps=60, learning_rate=1e-2, train_batch_size=9, warmup_steps=60, lr_warmup_steps=1
    )
    Training(backbone, items, sequences, settings, 0, torch.device("cpu")).run(60, lambda report: None)
    return Recommender(backbone, Catalogue(IDS, TEXTS), items, OkapiBM25(TEXTS), InferenceSettings(n_gen=8))


def test_the_next_item_is_generated_and_found(recommender):
    (predictions,) = recommender.predictions([recommender.items.prompt([0])], [1])
    best = max(predictions, key=lambda prediction: prediction[1])
    assert best[0] == "Title: Blue ink."
    assert best[1] > -0.5


def test_scores_are_algorithm_1_of_the_samples_and_equal_texts_tie(recommender):
    prompt = recommender.items.prompt([0])
    (predictions,) = recommender.predictions([prompt], [1])
    texts, logprobs = unique_predictions([t for t, _ in predictions], [s for _, s in predictions], 10)
    expected = quasi_round_robin(recommender.retriever.scores(texts), logprobs, 1 / 5000)
    scores = recommender.scores([[0]], [1])
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(scores, expected[None])
    assert scores[0, 1] == scores[0, 3]


def test_a_users_scores_do_not_depend_on_the_batch(recommender):
    together = recommender.scores([[0], [0, 1], [2]], [1, 2, 3])
    alone = np.concatenate(
        [recommender.scores([history], [seed]) for history, seed in (([0], 1), ([0, 1], 2), ([2], 3))]
    )
    np.testing.assert_allclose(together, alone, atol=1e-9)


def test_recommendations_hold_the_text_that_found_them(recommender):
    found = recommender.recommend(["p"], k=3, seed=1)
    assert [one.item_id for one in found[:2]] == ["i", "j"]  # equal texts: the catalogue's order
    assert found[0].text == found[0].generated == "Title: Blue ink."
    assert found[0].score == pytest.approx(np.exp(found[0].logprob / 5000))
    assert found[0].score == found[1].score >= found[2].score


def test_constrained_decoding_gives_the_most_probable_items_and_nothing_else(recommender):
    constrained = replace(recommender, settings=InferenceSettings(decoding="constrained", n_pred=4))
    prompt = recommender.items.prompt([0])
    (found,) = constrained.predictions([prompt], [1])
    distinct = list(dict.fromkeys(TEXTS))
    tokens = [recommender.items.items[TEXTS.index(text)].tolist() for text in distinct]
    (nats,) = text_logprobs(recommender.backbone.model, [prompt.tolist()], [tokens])
    best = np.argsort(-nats)[:4]
    assert [text for text, _ in found] == [distinct[place] for place in best]
    assert [value for _, value in found] == pytest.approx(nats[best], abs=1e-4)
    scores = constrained.scores([[0]], [1])[0]
    assert scores[1] == scores[3] == scores.max()  # Blue ink, twice


def test_speculation_writes_the_same_texts_in_fewer_passes(recommender):
    prompts = [recommender.items.prompt([item]) for item in range(3)]
    plain = recommender.predictions(prompts, [1, 2, 3])
    ahead = replace(recommender, settings=InferenceSettings(n_gen=8, speculate=True))
    passes = []
    hook = recommender.backbone.model.get_input_embeddings().register_forward_pre_hook(lambda *_: passes.append(1))
    assert recommender.predictions(prompts, [1, 2, 3]) == plain
    before = len(passes)
    ahead = ahead.predictions(prompts, [1, 2, 3])
    hook.remove()
    assert 0 < 2 * (len(passes) - before) <= before
    for user, expected in zip(ahead, plain, strict=True):
        assert [text for text, _ in user] == [text for text, _ in expected]
        assert [nats for _, nats in user] == pytest.approx([nats for _, nats in expected], abs=1e-4)


def test_speculation_is_of_samples():
    with pytest.raises(ConfigError, match="speculate=True needs decoding=sample"):
        InferenceSettings(decoding="constrained", speculate=True)
    assert InferenceSettings(decoding="constrained").speculate == "auto"


def test_auto_speculates_where_a_pass_has_much_to_read(recommender, monkeypatch):
    assert recommender._proposer is None  # a small decoder, on a CPU
    monkeypatch.setattr(recommender_module, "CACHED_WEIGHTS", 1000)
    assert replace(recommender)._proposer is not None
    assert replace(recommender, settings=InferenceSettings(speculate=False))._proposer is None


def test_auto_writes_as_long_as_the_longest_item_needs(recommender):
    """The longest item and its end token; a catalogue of longer ones is cut at 256."""
    longest = max(map(len, recommender.items.items))
    assert replace(recommender, settings=InferenceSettings()).settings.max_new_tokens == longest + 1
    items = [np.zeros(length, np.int64) for length in (3, 255, 256, 300)]
    settings = InferenceSettings().for_items(items)
    assert (settings.steps, settings.cut_share(items)) == (256, 0.5)
    fixed = InferenceSettings(max_new_tokens=4).for_items(items)
    assert (fixed.steps, fixed.cut_share(items), fixed.cut_share(items[:1])) == (4, 0.75, 0.0)


def test_a_lower_precision_reports_the_log_probabilities_of_the_model(recommender):
    settings = InferenceSettings(n_gen=32, temperature=2.0, n_pred=4, decode_precision="bfloat16")
    rounded = replace(recommender, settings=settings)
    prompts = [recommender.items.prompt([item]) for item in range(3)]
    for prompt, predictions in zip(prompts, rounded.predictions(prompts, [1, 2, 3]), strict=True):
        texts, nats = unique_predictions([t for t, _ in predictions], [s for _, s in predictions], 4)
        known = {text: item.tolist() for text, item in zip(TEXTS, recommender.items.items, strict=True)}
        own = [(value, known[text]) for text, value in zip(texts, nats.tolist(), strict=True) if text in known]
        (exact,) = text_logprobs(recommender.backbone.model, [prompt.tolist()], [[ids for _, ids in own]])
        assert own
        assert [value for value, _ in own] == pytest.approx(exact, abs=1e-4)


def test_texts_are_the_catalogues_whatever_the_tokenizer_makes_of_them(recommender):
    """A tokenizer that composes letters, as Qwen's does: its tokens of both forms decode to one of them."""
    decomposed = "Title: Cafe\u0301 mug."
    tokenizer = copy.deepcopy(recommender.backbone.tokenizer)
    tokenizer.backend_tokenizer.normalizer = NFC()
    items = tokenise_items([*TEXTS, decomposed], tokenizer, 200)
    assert tokenizer.decode(items.items[-1]).strip() != decomposed
    composing = Recommender(
        Backbone(recommender.backbone.model, tokenizer),
        Catalogue((*IDS, "m"), (*TEXTS, decomposed)),
        items,
        recommender.retriever,
        InferenceSettings(decoding="constrained", n_pred=9, beams=9),
    )
    (found,) = composing.predictions([items.prompt([0])], [1])
    assert {text for text, _ in found} == {*TEXTS, decomposed}
    assert composing._texts([items.items[-1].tolist()]) == [decomposed]
    letter_by_letter = [tokenizer.encode(one, add_special_tokens=False)[0] for one in " Title: Ca"]
    otherwise = [*letter_by_letter, *tokenizer.encode("fé mug.", add_special_tokens=False)]
    assert otherwise != items.items[-1].tolist()
    assert composing._texts([otherwise, otherwise[:-1]]) == [decomposed, "Title: Café mug"]
    match = HierarchicalMatch((*TEXTS, decomposed), (Attribute("title", "Title", 25),))
    assert match.matches(composing._texts([otherwise])[0]) == (1, [len(TEXTS)])


def test_an_unknown_decoding_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'constrained'"):
        InferenceSettings(decoding="constraint")


def test_a_generation_engine_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="decoding=constrained draws no samples: set generation_engine=native"):
        InferenceSettings(generation_engine="vllm", decoding="constrained")
    with pytest.raises(ConfigError, match="speculate=True needs generation_engine=native: vllm does without"):
        InferenceSettings(generation_engine="vllm", speculate=True)


def test_an_engine_draws_what_the_recommender_decodes(recommender):
    """``draw`` is asked for token prompts and seeds, and its samples are the ones that fusion takes."""
    asked = []

    def draw(prompts, n, temperature, max_new_tokens, *, seeds):
        asked.append((prompts, n, temperature, max_new_tokens, list(seeds)))
        return [[Sample(tuple(recommender.items.items[1].tolist()), n, -0.5)] for _ in prompts]

    settings = replace(recommender.settings, generation_engine="other")
    with pytest.raises(ConfigError, match="generation_engine=other: give draw="):
        replace(recommender, settings=settings)
    other = replace(recommender, settings=settings, draw=draw)
    prompt = other.items.prompt([0])
    assert other.predictions([prompt], [7]) == [[(TEXTS[1], -0.5)]]
    assert asked == [([prompt.tolist()], settings.n_gen, settings.temperature, settings.steps, [7])]


def test_an_engine_that_hands_over_each_prompt_is_not_waited_for(recommender):
    """The second prompt's samples come first, and are there before the first's are drawn."""
    events = []

    class Backwards:
        def __call__(self, *_, **__):
            raise AssertionError

        def each(self, prompts, n, temperature, max_new_tokens, *, seeds):
            for place in (1, 0):
                events.append(f"draws {place}")
                yield place, [Sample(tuple(recommender.items.items[place].tolist()), n, -0.5)]

    other = replace(recommender, draw=Backwards())
    prompts = [other.items.prompt([0]), other.items.prompt([1])]
    drawn = other.predictions_as_drawn(prompts, [7, 8], lambda users: events.append(f"{users} done"))
    assert next(drawn) == {1: [(TEXTS[1], -0.5)]}
    assert events == ["draws 1"]
    assert list(drawn) == [{0: [(TEXTS[0], -0.5)]}]
    assert events == ["draws 1", "1 done", "draws 0", "1 done"]


def test_recommend_agrees_with_scores(recommender):
    scores = recommender.scores([[0, 1]], [7])[0]
    found = recommender.recommend(["p", "i"], k=8, seed=7)
    assert [one.score for one in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-9)


def test_recommend_pools_as_the_scores_do(recommender):
    pooled = replace(recommender, settings=InferenceSettings(n_gen=8, pooling="mean"))
    scores = pooled.scores([[0, 1]], [7])[0]
    found = pooled.recommend(["p", "i"], k=8, seed=7)
    assert [one.score for one in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-9)


def test_a_history_as_free_text(recommender):
    found = recommender.recommend(["Title: Red pen."], k=1, seed=1, as_texts=True)
    assert found[0].text == "Title: Blue ink."


@pytest.mark.parametrize(
    ("history", "message"), [([], "history is empty"), (["P"], "'P' is not in the catalogue of 8")]
)
def test_unusable_histories_are_named(recommender, history, message):
    with pytest.raises(DataError, match=message):
        recommender.recommend(history)


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"n_gen": 0},
            {"temperature": 0.0},
            {"max_new_tokens": 0},
            {"n_pred": 0},
            {"epsilon": -1},
            {"pooling": "sum"},
        ),
        *({"max_new_tokens": "long"}, {"speculate": "yes"}, {"decode_precision": "float16"}),
    ],
)
def test_settings_out_of_range_are_named(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        InferenceSettings(**change)
