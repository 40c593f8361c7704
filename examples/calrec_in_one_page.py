"""CALRec (Li et al., RecSys 2024) from a catalogue to ranks, on one page: no RecBole, no Java, no download.

    python examples/calrec_in_one_page.py

Sixteen shop items and 200 users who mostly buy a painter's tools in order. Each part of the paper is one call of the
library; a real run (``run_recbole --model=CALRec``) makes the same calls with a pretrained backbone and real data.
"""

import numpy as np
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.evaluation import ndcg, tie_ranks
from calrec_recbole.examples import Example, ItemTokens, tokenise_items
from calrec_recbole.fusion import quasi_round_robin, unique_predictions
from calrec_recbole.generation import sample
from calrec_recbole.losses import calrec_loss, info_nce, next_item_generation, token_nll
from calrec_recbole.prompts import item_text, user_prompt
from calrec_recbole.retrieval import OkapiBM25
from calrec_recbole.two_tower import collate_sequences, collate_targets, encode_sequences, encode_targets

COLOURS, TOOLS = ("Red", "Blue", "Green", "White"), ("Masking Tape", "Rosin Paper", "Brush", "Paint")
ALPHA, BETA, TAU_C = 0.125, -0.025, 0.5  # the weights of Eq. 4 and the temperature of Eqs. 2-3, as in section 4
SAMPLES, TEMPERATURE, EPSILON = 32, 0.5, 1 / 5000  # section 4
USERS, STEPS, BATCH = 200, 250, 16


def catalogue() -> list[str]:
    """The text of each item, by the template of section 3.2."""
    return [
        item_text({"title": f"{colour} {tool}", "category": "Painting Supplies", "brand": "Acme", "price": f"${n}.99"})
        for colour in COLOURS
        for n, tool in enumerate(TOOLS, 3)
    ]


def histories(rng: np.random.Generator) -> list[list[int]]:
    """Each user's four items, oldest first: one colour's tools in order, with one purchase in five at random."""
    first = rng.integers(len(COLOURS), size=USERS) * len(TOOLS)
    in_order = first[:, None] + (rng.integers(len(TOOLS), size=(USERS, 1)) + np.arange(4)) % len(TOOLS)
    noise = rng.random((USERS, 4)) < 0.2
    return np.where(noise, rng.integers(len(COLOURS) * len(TOOLS), size=(USERS, 4)), in_order).tolist()


def loss_of(backbone: Backbone, items: ItemTokens, examples: list[Example]) -> torch.Tensor:
    """Eq. 4 of a batch, in nats: two passes through one model (Fig. 1), three losses."""
    sequences = encode_sequences(backbone.trunk, collate_sequences(examples))
    target_alone = encode_targets(backbone.trunk, collate_targets(examples, items.start))
    nll = token_nll(backbone.logits(sequences.hidden), sequences.labels)
    generation = next_item_generation(nll, sequences.rows, len(examples))  # Eq. 1
    target_to_target = info_nce(sequences.target_in_context, target_alone, TAU_C)  # Eq. 2
    user_to_target = info_nce(sequences.user, target_alone, TAU_C)  # Eq. 3
    return calrec_loss(generation, target_to_target, user_to_target, ALPHA, BETA)


def train(backbone: Backbone, items: ItemTokens, users: list[list[int]], rng: np.random.Generator) -> list[float]:
    """A few steps of AdamW -> the loss of each step. The newest item of each user is held out."""
    optimiser = torch.optim.AdamW(backbone.model.parameters(), lr=3e-3)
    losses = []
    for _ in range(STEPS):
        batch = [users[place] for place in rng.choice(len(users), BATCH, replace=False)]
        loss = loss_of(backbone, items, [items.example(history[:-2], history[-2]) for history in batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def scores_of(backbone: Backbone, items: ItemTokens, texts: list[str], users: list[list[int]]) -> torch.Tensor:
    """(n_users, n_items) by section 3.5: temperature samples, BM25 of each text over all items, Algorithm 1."""
    retriever = OkapiBM25(texts)
    prompts = [items.prompt(history[:-1]).tolist() for history in users]
    drawn = sample(backbone.model, prompts, SAMPLES, TEMPERATURE, generator=torch.Generator().manual_seed(0))
    fused = []
    for samples in drawn:
        written = [backbone.tokenizer.decode(one.token_ids, skip_special_tokens=True).strip() for one in samples]
        best, logprobs = unique_predictions(written, [one.logprob for one in samples])
        fused.append(quasi_round_robin(retriever.scores(best), logprobs, EPSILON))
    return torch.from_numpy(np.stack(fused))


def main() -> dict[str, float]:
    rng = np.random.default_rng(0)
    texts, users = catalogue(), histories(rng)
    print(user_prompt([texts[item] for item in users[0][:2]]), "\n")

    tokenizer = train_tokenizer(texts, 400, merge_across_words=True)
    items = tokenise_items(texts, tokenizer)
    sizes = ScratchSizes(len(tokenizer), 64, 2, 2, 128)
    backbone = Backbone(scratch_model(sizes, len(tokenizer), items.end, 1024, seed=0), tokenizer)

    losses = train(backbone, items, users, rng)
    print(f"Eq. 4: {losses[0]:.1f} nats at the first step, {losses[-1]:.1f} at step {STEPS}")

    tested = users[:50]
    targets = torch.tensor([history[-1] for history in tested])
    optimistic, pessimistic = tie_ranks(scores_of(backbone, items, texts, tested), targets)
    best, worst = (float(ndcg(ranks, 10).mean()) for ranks in (optimistic, pessimistic))
    print(f"NDCG@10 of {len(tested)} users: {best:.3f} where targets win all ties, {worst:.3f} where they lose them")
    return {"ndcg_opt@10": best, "ndcg_pes@10": worst, "first_loss": losses[0], "last_loss": losses[-1]}


if __name__ == "__main__":
    main()
