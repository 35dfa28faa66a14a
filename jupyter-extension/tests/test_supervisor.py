"""The supervisor over a child that misbehaves in every way a process can."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import TIMEOUT, Fake, is_alive, wait_until

from dask_gatehouse.supervisor import State, Supervisor, Timing

QUICK = Timing(ready=TIMEOUT, first_delay=0.05, longest_delay=0.2, healthy=3600, stop=TIMEOUT, kill=1.0)
Start = Callable[..., Supervisor]


@pytest.fixture
def start(fake: Fake) -> Iterator[Start]:
    started: list[Supervisor] = []

    def begin(timing: Timing = QUICK, **options: Any) -> Supervisor:
        options.setdefault("environment", lambda: dict(os.environ))
        options.setdefault("ready", lambda message: None)
        supervisor = Supervisor(fake.command, log=logging.getLogger("test"), timing=timing, **options)
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield begin
    for supervisor in started:
        supervisor.stop()


def test_a_child_that_gets_ready_runs_apart_from_the_terminal(fake: Fake, start: Start) -> None:
    fake.behave({"kernel_env": {"A": "1"}})
    messages: list[dict[str, Any]] = []
    supervisor = start(ready=messages.append)
    assert supervisor.wait_ready(TIMEOUT)
    assert supervisor.status() == (State.RUNNING, None)
    assert messages == [{"event": "ready", "url": None, "kernel_env": {"A": "1"}}]
    (life,) = fake.lives()
    assert life["parent"] == os.getpid()
    assert life["session"] == life["pid"] != os.getsid(0)
    assert life["stdin_is_empty"]


def test_stop_ends_the_child_and_removes_its_socket(fake: Fake, start: Start, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    supervisor = start(socket=str(socket))
    assert supervisor.wait_ready(TIMEOUT)
    socket.touch()
    pid = supervisor.pid
    assert pid is not None and is_alive(pid)
    supervisor.stop()
    assert not is_alive(pid)
    assert supervisor.pid is None
    assert supervisor.status()[0] is State.STOPPED
    assert not socket.exists()
    supervisor.stop()
    assert len(fake.lives()) == 1


def test_a_child_that_ignores_sigterm_is_killed(fake: Fake, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    fake.behave({"ignore_term": True})
    supervisor = start(Timing(stop=0.2))
    assert supervisor.wait_ready(TIMEOUT)
    pid = supervisor.pid
    assert pid is not None
    supervisor.stop()
    wait_until(lambda: not is_alive(pid), "the child is killed")
    assert "was killed" in caplog.text


@pytest.mark.parametrize("code", [0, 3])
def test_whatever_a_child_ends_with_it_is_started_again(fake: Fake, start: Start, code: int) -> None:
    fake.behave({"exit": code}, {"exit": code}, {})
    ready: list[dict[str, Any]] = []
    supervisor = start(ready=ready.append)
    wait_until(lambda: len(ready) == 3, "the third life is ready")
    wait_until(lambda: supervisor.status() == (State.RUNNING, None), "it runs")
    assert supervisor.pid == fake.lives()[2]["pid"]


def test_a_killed_child_leaves_no_socket_in_the_way(fake: Fake, start: Start, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    found: list[bool] = []
    supervisor = start(socket=str(socket), environment=lambda: found.append(socket.exists()) or dict(os.environ))
    assert supervisor.wait_ready(TIMEOUT)
    socket.touch()
    assert supervisor.pid is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: len(fake.lives()) == 2, "a second life")
    assert found == [False, False]


def pauses(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [record.getMessage() for record in caplog.records]
    return [message.split(" started again in ")[1] for message in messages if " started again in " in message]


def test_the_pauses_grow_up_to_a_limit(fake: Fake, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    fake.behave({"exit": 1})
    start(Timing(first_delay=0.01, longest_delay=0.04, healthy=3600))
    wait_until(lambda: len(fake.lives()) > 4, "five lives")
    assert pauses(caplog)[:4] == ["0.01 s.", "0.02 s.", "0.04 s.", "0.04 s."]


def test_after_a_healthy_time_the_pause_is_the_first_one(
    fake: Fake, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    fake.behave({"exit": 1}, {"exit": 1}, {"exit": 1}, {})
    start(Timing(first_delay=0.01, longest_delay=3600, healthy=0.0))
    wait_until(lambda: len(fake.lives()) == 4, "four lives")
    assert pauses(caplog) == ["0.01 s."] * 3


def test_a_failure_is_told_with_the_childs_last_words(fake: Fake, start: Start) -> None:
    fake.behave({"silent": True, "exit": 1, "stderr": ["", "Error: the state folder can't be written."]})
    supervisor = start(Timing(first_delay=3600))
    assert supervisor.wait_ready(TIMEOUT)
    state, message = supervisor.status()
    assert state is State.RESTARTING
    assert message is not None
    assert "ended with exit code 1" in message and "the state folder can't be written" in message


@pytest.mark.parametrize("life", [{"silent": True}, {"close_stdout": True}])
def test_a_child_that_never_gets_ready_is_ended(fake: Fake, start: Start, life: dict[str, Any]) -> None:
    fake.behave(life)
    supervisor = start(Timing(ready=2.0, first_delay=3600))
    assert supervisor.wait_ready(TIMEOUT)
    state, message = supervisor.status()
    assert state is State.RESTARTING
    assert message is not None and "did not get ready" in message
    assert supervisor.pid is None


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    supervisor = Supervisor(
        [str(tmp_path / "nothing")],
        environment=dict,
        ready=lambda message: None,
        log=logging.getLogger("test"),
        timing=Timing(first_delay=3600),
    )
    supervisor.start()
    assert supervisor.wait_ready(TIMEOUT)
    assert "could not be started" in (supervisor.status()[1] or "")
    supervisor.stop()


def test_the_childs_log_keeps_its_levels(fake: Fake, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.behave({"stderr": ["2026-01-01T00:00:00Z  WARN gatehouse: one", "2026-01-01T00:00:00Z DEBUG two", "three"]})
    start()
    wait_until(lambda: "three" in caplog.text, "the lines are in the log")
    levels = {record.getMessage().split()[-1]: record.levelno for record in caplog.records}
    assert (levels["one"], levels["two"], levels["three"]) == (logging.WARNING, logging.DEBUG, logging.INFO)


def test_the_ready_line_is_never_logged(fake: Fake, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.behave({"kernel_env": {"DASK_GATEWAY__AUTH__KWARGS__PASSWORD": "hush"}})
    assert start().wait_ready(TIMEOUT)
    assert "hush" not in caplog.text


def test_stop_while_the_child_is_starting(fake: Fake, start: Start) -> None:
    fake.behave({"silent": True})
    supervisor = start()
    wait_until(fake.lives, "the child began")
    supervisor.stop()
    assert not is_alive(fake.lives()[0]["pid"])


def test_stop_during_a_pause_ends_what_the_last_child_left(fake: Fake, start: Start) -> None:
    fake.behave({}, {"note_term": True})
    ready: list[dict[str, Any]] = []
    supervisor = start(Timing(first_delay=3600, stop=TIMEOUT), ready=ready.append)
    assert supervisor.wait_ready(TIMEOUT)
    assert supervisor.pid is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: supervisor.status()[0] is State.RESTARTING, "the pause")
    supervisor.stop()
    assert supervisor.status()[0] is State.STOPPED
    assert len(fake.lives()) == 2
    assert fake.terminated() == [1], "the second life got ready, and was asked to end"
    assert len(ready) == 1, "nobody is told of a server that only ends"


def test_stop_during_a_pause_is_bounded(fake: Fake, start: Start) -> None:
    fake.behave({"exit": 1}, {"silent": True, "ignore_term": True})
    supervisor = start(Timing(first_delay=3600, ready=2.0, stop=4.0))
    wait_until(lambda: supervisor.status()[0] is State.RESTARTING, "the pause")
    supervisor.stop()
    wait_until(lambda: not any(is_alive(life["pid"]) for life in fake.lives()), "the last child is killed")


def test_stop_during_a_pause_starts_nothing_where_nothing_ever_ran(fake: Fake, start: Start) -> None:
    fake.behave({"silent": True, "exit": 1})
    supervisor = start(Timing(first_delay=3600))
    wait_until(lambda: supervisor.status()[0] is State.RESTARTING, "the pause")
    supervisor.stop()
    assert supervisor.status()[0] is State.STOPPED
    assert len(fake.lives()) == 1
