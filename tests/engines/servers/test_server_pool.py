import threading
import time
from types import SimpleNamespace

import pytest

from calrec_recbole.engines.servers.server import UnreachableError
from calrec_recbole.engines.servers.server_pool import ServerPool
from calrec_recbole.errors import ConfigError

GOOD, BAD = SimpleNamespace(url="http://good"), SimpleNamespace(url="http://bad")


def pool(*servers, requests=4, patience=1.0):
    return ServerPool(servers, requests, patience, first_pause=0.001)


def test_every_job_is_answered_once():
    found = dict(pool(GOOD, BAD).answers(range(50), lambda server, job: job * job))
    assert found == {place: place * place for place in range(50)}


def test_requests_are_in_flight_together_at_each_server():
    together = threading.Barrier(6, timeout=60)  # passes only when six wait at it

    def ask(server, job):
        together.wait()
        return server.url

    found = dict(pool(GOOD, BAD, requests=3).answers(range(6), ask))
    assert sorted(found.values()) == [BAD.url] * 3 + [GOOD.url] * 3


def test_what_one_server_fails_at_is_done_by_another():
    def ask(server, job):
        if server is BAD:
            raise UnreachableError("gone")
        return job

    assert dict(pool(BAD, GOOD).answers(range(20), ask)) == {place: place for place in range(20)}


def test_a_server_that_returns_goes_on():
    left = iter([True] * 7)

    def ask(server, job):
        if next(left, False):
            raise UnreachableError("gone")
        return job

    assert dict(pool(GOOD).answers(range(5), ask)) == {place: place for place in range(5)}


def test_one_that_stays_away_is_told_with_the_fix():
    def ask(server, job):
        raise UnreachableError("refused")

    with pytest.raises(
        ConfigError, match=r"http://bad does not answer \(refused\).*engine_patience=0.0 .*goes on"
    ) as told:
        list(pool(BAD, patience=0.0).answers([1], ask))
    assert "\n" not in str(told.value)


def test_another_error_is_raised_here():
    def ask(server, job):
        raise ConfigError("refused")

    with pytest.raises(ConfigError, match=r"refused"):
        list(pool(GOOD).answers([1, 2], ask))


def test_the_jobs_of_a_server_that_dies_late_go_to_the_one_that_has_nothing_left_to_do():
    """Eight jobs, four at each: the good server has answered its own long before the other resets."""
    last = threading.Barrier(4, timeout=60)

    def ask(server, job):
        if server is BAD:
            last.wait()
            time.sleep(0.5)
            raise UnreachableError("Connection reset by peer")
        time.sleep(0.2)
        return server.url

    slow_to_return = ServerPool([GOOD, BAD], 32, 0.0, first_pause=30.0)
    assert dict(slow_to_return.answers(range(8), ask)) == dict.fromkeys(range(8), GOOD.url)


def test_a_request_that_broke_after_longer_than_the_patience_is_sent_again():
    """The clock starts at the failure: 0.6 s of patience, a request of 0.7 s that breaks, one that is answered."""
    asked = []

    def ask(server, job):
        asked.append(job)
        if len(asked) == 1:
            time.sleep(0.7)
            raise UnreachableError("timed out")
        return job

    assert dict(pool(GOOD, patience=0.01).answers([7], ask)) == {0: 7}
    assert asked == [7, 7]


def test_a_server_that_is_at_work_is_waited_for():
    """One fails for longer than the patience, the other is still at its first request and answers both."""

    def ask(server, job):
        if server is BAD:
            raise UnreachableError("gone")
        time.sleep(0.3)
        return job

    assert dict(pool(BAD, GOOD, requests=1, patience=0.001).answers([1, 2], ask)) == {0: 1, 1: 2}


def test_no_thread_is_left():
    before = threading.active_count()
    assert len(dict(pool(GOOD, BAD).answers(range(20), lambda server, job: job))) == 20
    ended = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < ended:
        time.sleep(0.01)
    assert threading.active_count() <= before
