import pytest

from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ("", []),
        ("http://one:8000", ["http://one:8000"]),
        ("http://one:8000/v1/, https://two", ["http://one:8000", "https://two"]),
        (["http://one:8000", "http://one:8000/"], ["http://one:8000"]),
    ],
)
def test_addresses_are_a_list_or_stand_between_commas(given, urls):
    assert ServerSettings(given).urls == urls


@pytest.mark.parametrize("given", ["localhost:8000", "file:///etc/passwd", "http://", "http://one:port", "http://[1"])
def test_what_is_no_address_is_named(given):
    with pytest.raises(ConfigError, match=r"engine_url=.* must be an address like http://localhost:8000"):
        ServerSettings(given)


def test_no_address_is_told():
    with pytest.raises(ConfigError, match=r"generation_engine=openai needs an address: set engine_url"):
        ServerSettings().needed()


@pytest.mark.parametrize("given", ["http://me:secret@one:8000", "http://secret@one:8000/v1", "me:secret@one:8000"])
def test_a_key_in_the_address_is_refused_unread(given):
    with pytest.raises(ConfigError, match=r"engine_url=\*\*\*@one:8000 .*the key belongs into OPENAI_API_KEY") as told:
        ServerSettings(["http://two", given])
    assert "secret" not in str(told.value)
