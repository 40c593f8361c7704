"""The compiled loops of ``retrieval.lucene.fused_bm25``, whose tuples are their arguments, field by field.

Arrays whose length the loops know are passed to small functions, which LLVM turns into vector instructions.
"""

import numpy as np
from numba import njit, prange

__all__ = ["fuse", "score", "stand"]


@njit(cache=True, parallel=True)
def score(  # type: ignore[no-untyped-def]
    n_threads,
    starts, documents, saturations, impacts, idf, common,
    class_of, class_starts, members, class_saturations, class_impacts,
    query_starts, terms, weights,
    room, counts, items, scores, classes, low, high,
):  # fmt: skip
    """Fills the arrays of ``_Scored``, ``counts`` to ``high``. ``common`` (n_terms,) is a term's row, -1 if rare."""
    n_queries = len(query_starts) - 1
    for thread in prange(n_threads):
        slots = np.zeros(len(class_of), documents.dtype)  # 1 + the place of a touched item, 0 of all others
        gains = np.zeros(len(class_of), np.float64)  # of the touched items, by place
        sums = np.empty(len(class_starts) - 1, np.float64)
        for query in range(thread, n_queries, n_threads):
            own_items = items[room[query] : room[query + 1]]
            n_touched = np.uint32(0)
            sums[:] = 0
            for position in range(query_starts[query], query_starts[query + 1]):
                term, weight = terms[position], weights[position]
                row, once, of_term = common[term], weight == idf[term], slice(starts[term], starts[term + 1])
                if row >= 0:
                    _add(sums, class_impacts[row] if once else weight - weight / class_saturations[row])
                else:
                    gain = impacts[of_term] if once else weight - weight / saturations[of_term]
                    n_touched = _touch(documents[of_term], gain, slots, gains, own_items, n_touched)
            touched, own_scores = own_items[:n_touched], scores[room[query] : room[query] + n_touched]
            _round(sums, classes[query])
            _sum_touched(touched, gains, class_of, sums, own_scores)
            lowest, highest = _extremes(own_scores.view(np.int32))
            lowest_class, highest_class = _extremes(classes[query].view(np.int32))
            if lowest_class < lowest:
                lowest = _lowest_untouched(classes[query].view(np.int32), class_starts, members, slots, lowest)
            counts[query] = n_touched
            low[query], high[query] = _float(lowest), _float(max(highest, highest_class))
            for place in range(n_touched):
                slots[touched[place]] = 0


@njit(cache=True)
def _add(sums, impacts):  # type: ignore[no-untyped-def]
    for place in range(len(sums)):
        sums[place] += np.float64(impacts[place])


@njit(cache=True)
def _touch(documents, impacts, slots, gains, items, n_touched):  # type: ignore[no-untyped-def]
    """Adds a word's ``impacts`` to the gains of its ``documents`` -> how many items are touched by now.

    Without branches, which would be mispredicted: of an item that is touched already, ``items[n_touched]`` is written
    in vain.
    """
    for place in range(len(documents)):
        item = documents[place]
        slot = slots[item]
        new = np.uint32(slot == 0)
        items[n_touched] = item
        n_touched += new
        slot += new * n_touched
        slots[item] = slot
        gains[slot - np.uint32(1)] += np.float64(impacts[place])
    return n_touched


@njit(cache=True)
def _round(sums, out):  # type: ignore[no-untyped-def]
    for place in range(len(out)):
        out[place] = np.float32(sums[place])


@njit(cache=True)
def _sum_touched(items, gains, class_of, sums, out):  # type: ignore[no-untyped-def]
    for place in range(len(items)):
        out[place] = np.float32(sums[class_of[items[place]]] + gains[place])
        gains[place] = 0


@njit(cache=True)
def _extremes(bits):  # type: ignore[no-untyped-def]
    """The smallest and the largest; floats that are not negative are in the order of their bits as integers."""
    low, high = np.int32(2**31 - 1), np.int32(0)
    for place in range(len(bits)):
        low, high = min(low, bits[place]), max(high, bits[place])
    return low, high


@njit(cache=True)
def _lowest_untouched(bits, starts, members, slots, lowest):  # type: ignore[no-untyped-def]
    """The smallest of ``lowest`` and the classes of which an item is untouched."""
    for number in range(len(bits)):
        if bits[number] < lowest:
            for place in range(starts[number], starts[number + 1]):
                if slots[members[place]] == 0:
                    lowest = bits[number]
                    break
    return lowest


@njit(cache=True)
def _float(bits):  # type: ignore[no-untyped-def]
    held = np.empty(1, np.int32)
    held[0] = bits
    return np.float64(held.view(np.float32)[0])


@njit(cache=True, parallel=True)
def fuse(  # type: ignore[no-untyped-def]
    n_threads, user_starts, queries, factors, room, counts, items, scores, classes, low, high, class_of, out
):
    """Fills (n_users, n_items) ``out``: max over a user's queries of factor * scaled score."""
    for thread in prange(n_threads):
        best, scaled = np.empty(classes.shape[1]), np.empty(len(class_of))
        for user in range(thread, len(out), n_threads):
            own = slice(user_starts[user], user_starts[user + 1])
            scores_of = room, counts, items, scores, classes, low, high
            _fuse_user(queries[own], factors[own], scores_of, class_of, best, scaled, out[user])


@njit(cache=True, parallel=True)
def stand(  # type: ignore[no-untyped-def]
    n_threads, user_starts, queries, factors, room, counts, items, scores, classes, low, high, class_of,
    asked, own_scores, greater, equal,
):  # fmt: skip
    """Fills the arrays of ``RankCounts`` for the items ``asked`` (n_users, M)."""
    for thread in prange(n_threads):
        best, scaled, row = np.empty(classes.shape[1]), np.empty(len(class_of)), np.empty(len(class_of))
        for user in range(thread, len(asked), n_threads):
            own = slice(user_starts[user], user_starts[user + 1])
            scores_of = room, counts, items, scores, classes, low, high
            _fuse_user(queries[own], factors[own], scores_of, class_of, best, scaled, row)
            for place in range(asked.shape[1]):
                value = row[asked[user, place]]
                own_scores[user, place] = value
                greater[user, place], equal[user, place] = _compared(row, value)


@njit(cache=True)
def _fuse_user(queries, factors, scores_of, class_of, best, scaled, row):  # type: ignore[no-untyped-def]
    room, counts, items, scores, classes, low, high = scores_of
    best[:] = 0
    for place in range(len(queries)):
        query = queries[place]
        width = high[query] - low[query]
        if width > 0:
            _raise(best, classes[query], factors[place], low[query], width)
    for item in range(len(row)):
        row[item] = best[class_of[item]]
    for place in range(len(queries)):
        query = queries[place]
        width = high[query] - low[query]
        own = slice(room[query], room[query] + counts[query])
        if width > 0:
            _scale(scores[own], factors[place], low[query], width, scaled)
            _raise_touched(row, items[own], scaled)


@njit(cache=True)
def _raise(best, scores, factor, low, width):  # type: ignore[no-untyped-def]
    for place in range(len(best)):
        best[place] = max(best[place], factor * ((np.float64(scores[place]) - low) / width))


@njit(cache=True)
def _scale(scores, factor, low, width, out):  # type: ignore[no-untyped-def]
    for place in range(len(scores)):
        out[place] = factor * ((np.float64(scores[place]) - low) / width)


@njit(cache=True)
def _raise_touched(row, items, scaled):  # type: ignore[no-untyped-def]
    for place in range(len(items)):
        item = items[place]
        row[item] = max(row[item], scaled[place])


@njit(cache=True)
def _compared(row, value):  # type: ignore[no-untyped-def]
    greater, equal = 0, 0
    for other in row:
        greater += other > value
        equal += other == value
    return greater, equal
