import gzip
import json

import pytest

from calrec_recbole.prompts import item_text


@pytest.fixture(scope="session")
def scientific_texts(shared_data):
    """The texts of the real Scientific catalogue, one an item of the metadata file."""
    with gzip.open(shared_data / "amazon2018" / "meta_Industrial_and_Scientific.json.gz", "rt") as lines:
        items = [json.loads(line) for line in lines]
    return [item_text({**item, "category": " ".join(item.get("category") or [])}) for item in items]
