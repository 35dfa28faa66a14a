"""Keeps one child process alive: starts it, waits for its ready line, restarts it with backoff, ends it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import IO, Any

Ready = dict[str, Any]


class State(str, Enum):
    """What the child is doing."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Timing:
    """Seconds; tests shorten them."""

    ready: float = 15.0
    first_delay: float = 1.0
    longest_delay: float = 30.0
    healthy: float = 60.0
    stop: float = 45.0
    kill: float = 5.0


class Supervisor:
    """Runs `command` until `stop`.

    All of it happens on one thread of its own, because a child may ask the kernel to be told of the end of the
    *thread* that made it, and because Jupyter's loop must wait for none of it. `ready` is called on another thread
    with each ready line, before `wait_ready` returns; `environment` gives the child's environment at each start.
    """

    def __init__(
        self,
        command: list[str],
        environment: Callable[[], dict[str, str]],
        ready: Callable[[Ready], None],
        log: logging.Logger | logging.LoggerAdapter[Any],
        socket: str | None = None,
        timing: Timing = Timing(),
    ) -> None:
        self._command = command
        self._environment = environment
        self._on_ready = ready
        self._log = log
        self._socket = socket
        self._timing = timing
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        # Whether any child got ready, and whether the last one ended in order: only then it left nothing running.
        self._was_ready = False
        self._ended_well = False
        self._killed = False
        # Set by the first ready line, and by whatever makes it pointless to wait for one.
        self._first_result = threading.Event()
        self._state = State.STARTING
        self._message: str | None = "Gatehouse's server is starting."
        self._last_words: str | None = None
        self._thread = threading.Thread(target=self._run, name="gatehouse-supervisor", daemon=True)

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for the first ready line or the first failure; False if that takes longer."""
        return self._first_result.wait(timeout)

    def status(self) -> tuple[State, str | None]:
        """The state, and a sentence for the user unless all is well."""
        with self._lock:
            return self._state, self._message

    @property
    def pid(self) -> int | None:
        """The child's process number, while there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self) -> None:
        """Ends the child and waits for it: SIGTERM, and after `Timing.stop` seconds SIGKILL. Twice does no harm.

        The local gateway outlives a child that was killed. Where stop comes before the next child, one is started only to
        end in order, and with it what the last one left; that falls into the same time.
        """
        if os.getpid() != self._owner:
            return  # a fork of Jupyter that ends: the child is not its own
        with self._lock:
            process = None if self._stopping.is_set() else self._process
            self._stopping.set()
        if process is not None:
            process.terminate()
        if not self._thread.is_alive():
            return
        self._thread.join(self._timing.stop)
        if not self._thread.is_alive():
            return
        with self._lock:
            self._killed = True
            process = self._process
        if process is not None and process.poll() is None:
            self._log.warning(
                "Gatehouse's server did not end within %.0f s and was killed; clusters that it should have stopped may "
                "still run, and its next start sees to them.",
                self._timing.stop,
            )
            process.kill()
        self._thread.join(self._timing.kill)

    def _run(self) -> None:
        delay = self._timing.first_delay
        while not self._stopping.is_set():
            ready_for, reason = self._run_once()
            if self._stopping.is_set():
                break
            if ready_for >= self._timing.healthy:
                delay = self._timing.first_delay
            message = f"{reason} It is started again in {delay:g} s."
            self._set(State.RESTARTING, message)
            self._first_result.set()
            self._log.warning(message)
            self._stopping.wait(delay)
            delay = min(2 * delay, self._timing.longest_delay)
        if self._was_ready and not self._ended_well:
            self._end_what_is_left()
        self._remove_socket()
        self._set(State.STOPPED, "Gatehouse's server was stopped together with Jupyter.")
        self._first_result.set()

    def _run_once(self) -> tuple[float, str]:
        """One life of the child: for how many seconds it was ready, and how it ended."""
        try:
            process = self._spawn()
        except OSError as error:
            return 0.0, f"Gatehouse's server could not be started ({error})."
        if process is None:
            return 0.0, ""
        ready = threading.Event()
        pipes = self._wait_ready_line(process, ready)
        if not ready.is_set() and not self._stopping.is_set() and not _ends_within(process, 1.0):
            self._end(process)
            self._ended_well = process.returncode == 0
            return 0.0, (
                f"Gatehouse's server did not get ready within {self._timing.ready:.0f} s and was ended; "
                "Jupyter's log says what it was doing."
            )
        began = time.monotonic()
        code = process.wait()
        self._ended_well = code == 0
        ready_for = time.monotonic() - began if ready.is_set() else 0.0
        # Its own children may hold the pipes open after it.
        for thread in pipes:
            thread.join(1.0)
        said = f" Its last words: {self._last_words}" if self._last_words and not ready.is_set() else ""
        return ready_for, f"Gatehouse's server {_describe(code)}.{said}"

    def _end_what_is_left(self) -> None:
        """One more life, only to end."""
        self._log.info("Gatehouse's server had ended; it is started once more to stop what it left.")
        try:
            process = self._spawn(only_to_end=True)
            if process is not None:
                self._wait_ready_line(process, threading.Event())
                process.terminate()
                process.wait()
        # A RuntimeError: the interpreter is too far in its own end to start anything.
        except (OSError, RuntimeError) as error:
            self._log.warning(
                "Gatehouse's server could not be started to stop what it left (%s): a local gateway and its clusters may "
                "still run, and its next start sees to them.",
                error,
            )

    def _wait_ready_line(self, process: subprocess.Popen[str], ready: threading.Event) -> list[threading.Thread]:
        """Waits until `ready` is set, or can't be any more; returns the threads that read what the child says."""
        answered = threading.Event()
        pipes = [
            self._follow(self._read_stdout, process.stdout, ready, answered),
            self._follow(self._read_stderr, process.stderr),
        ]
        answered.wait(self._timing.ready)
        return pipes

    def _spawn(self, only_to_end: bool = False) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._killed or (self._stopping.is_set() and not only_to_end):
                return None
            # Left behind by a child that was killed.
            self._remove_socket()
            self._last_words = None
            self._process = subprocess.Popen(
                self._command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                # A session of its own: Ctrl-C in the terminal reaches Jupyter alone, which then ends us in order.
                start_new_session=True,
            )
            return self._process

    def _read_stdout(self, stream: IO[str], ready: threading.Event, answered: threading.Event) -> None:
        try:
            for line in stream:
                # Never logged: the line holds the gateway's password.
                message = _ready_line(line)
                if message is not None and not ready.is_set():
                    self._was_ready = True
                    if not self._stopping.is_set():
                        self._on_ready(message)
                        self._set(State.RUNNING, None)
                    ready.set()
                    answered.set()
                    self._first_result.set()
        finally:
            answered.set()

    def _read_stderr(self, stream: IO[str]) -> None:
        for line in stream:
            if text := line.rstrip():
                self._last_words = text
                self._log.log(_level(text), "%s", text)

    def _follow(self, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, name="gatehouse-output", daemon=True)
        thread.start()
        return thread

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        if not _ends_within(process, self._timing.kill):
            process.kill()
            process.wait()

    def _set(self, state: State, message: str | None) -> None:
        with self._lock:
            self._state, self._message = state, message

    def _remove_socket(self) -> None:
        if self._socket is not None:
            try:
                os.unlink(self._socket)
            except FileNotFoundError:
                pass


def _ready_line(line: str) -> Ready | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.get("event") == "ready" else None


def _ends_within(process: subprocess.Popen[str], timeout: float) -> bool:
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    return True


def _level(line: str) -> int:
    """The level of a log line of the server; tracing writes it as the second word."""
    for word in line.split(maxsplit=2)[:2]:
        if word in ("ERROR", "WARN", "INFO", "DEBUG", "TRACE"):
            return {"ERROR": logging.ERROR, "WARN": logging.WARNING, "INFO": logging.INFO}.get(word, logging.DEBUG)
    return logging.INFO


def _describe(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"
