import torch
import torch.nn.functional as F
from transformers import LongformerModel

from calrec_recbole.baselines.recformer.longformer import cosine_scores
from tests.baselines.recformer.small_networks import HISTORIES, as_longformer, plain


@torch.no_grad()
def test_without_item_positions_and_types_it_is_the_longformer(small_recformer):
    network = plain(small_recformer.network)
    longformer = as_longformer(LongformerModel, network)
    tokens = network.tokens_of(HISTORIES)
    everywhere = torch.zeros_like(tokens.mask)
    everywhere[:, 0] = 1
    theirs = longformer(tokens.ids, attention_mask=tokens.mask, global_attention_mask=everywhere).last_hidden_state
    ours = network.hidden(tokens)
    torch.testing.assert_close(ours[tokens.mask == 1], theirs[tokens.mask == 1])
    torch.testing.assert_close(network.encode(HISTORIES, 64), theirs[:, 0])


@torch.no_grad()
def test_the_input_is_the_norm_of_four_embeddings(small_recformer):
    network = small_recformer.network
    tables = network.longformer.embeddings
    seen = []
    network.longformer.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network.hidden(network.tokens_of([HISTORIES[1]]))
    history = HISTORIES[1]
    for place, (token, kind, position) in enumerate(zip(history.tokens, history.types, history.items, strict=True)):
        total = tables.word_embeddings.weight[token] + tables.position_embeddings.weight[place + 2]  # pad's id is 1
        total = total + tables.token_type_embeddings.weight[kind] + tables.item_position_embeddings.weight[position]
        torch.testing.assert_close(seen[0][0, place], F.layer_norm(total, [16], eps=1e-12))


@torch.no_grad()
def test_a_history_is_encoded_alike_alone_and_among_others(small_recformer):
    network = small_recformer.network
    together = network.encode(HISTORIES, 64)
    for row, history in enumerate(HISTORIES):
        torch.testing.assert_close(together[row : row + 1], network.encode([history], 64))
    assert (together[0] - together[3]).norm() > 0.01


def test_cosines_over_the_temperature():
    users, items = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0], [-6.0, -8.0], [0.0, 2.0]])
    torch.testing.assert_close(cosine_scores(users, items, 0.05), torch.tensor([[24 / 25, -1.0, 4 / 5]]) / 0.05)
