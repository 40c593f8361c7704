import doctest

from calrec_recbole.catalogue import SampleShares
from calrec_recbole.catalogue import sample_quality as samples


def test_the_docstring_example():
    assert doctest.testmod(samples).failed == 0


def test_users_add_up_and_repeats_within_a_user_count_once():
    tape = "Title: Tape. Category: Office. Brand: Acme. Price: $1."
    glue = tape.replace("Tape", "Glue")
    shares = SampleShares([tape])
    shares.add([[tape, tape, glue], ["Title: Tape"]])
    shares.add([[tape.replace("$1", "$2"), "noise"]])
    # distinct texts: 2 + 1 + 2; of the template: 2 + 0 + 1; in the catalogue: 1 + 0 + 0; their titles: 1 + 0 + 1
    assert shares.summary() == {
        "users": 3,
        "texts_per_user": 1.67,
        "follow_template": 0.6,
        "in_catalogue": 0.2,
        "title_in_catalogue": 0.4,
    }


def test_nothing_sampled_is_no_division_by_zero():
    shares = SampleShares([])
    assert shares.summary()["in_catalogue"] == 0
    shares.add([[]])
    assert shares.summary()["texts_per_user"] == 0


def test_the_counts_of_several_add_up():
    tape = "Title: Tape. Category: Office. Brand: Acme. Price: $1."
    parts = [SampleShares([tape]), SampleShares([tape])]
    parts[0].add([[tape, "noise"]])
    parts[1].add([[tape.replace("$1", "$2")], []])
    parts[0].searched, parts[0].certified, parts[1].searched = 1, 1, 2
    whole = SampleShares([tape])
    whole.become_sum(part.counts for part in parts)
    assert whole.summary() == {
        "users": 3,
        "texts_per_user": 1.0,
        "follow_template": 0.666667,
        "in_catalogue": 0.333333,
        "title_in_catalogue": 0.666667,
        "exact": 0.333333,
    }
