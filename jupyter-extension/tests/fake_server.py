"""Plays `gatehouse serve`: reads from a folder how to behave in this life, and writes there what it was given.

Words of a life, all optional:
  silent        no ready line
  close_stdout  closes its standard output without a ready line, and stays
  exit          ends with this code; after the ready line, unless `silent`
  ignore_term   does not end on SIGTERM
  note_term     leaves a file when SIGTERM comes after its ready line
  stderr        lines for the log
  kernel_env    for the ready line
  socket        serves HTTP and a WebSocket there
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    folder = Path(sys.argv[1])
    number = len(list(folder.glob("report-*.json")))
    lives = sorted(folder.glob("life-*.json"), key=lambda path: int(path.stem.partition("-")[2]))
    life = json.loads(lives[min(number, len(lives) - 1)].read_text())
    signal.signal(signal.SIGTERM, signal.SIG_IGN if life.get("ignore_term") else lambda *_: os._exit(0))

    report = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "session": os.getsid(0),
        "stdin_is_empty": sys.stdin.read() == "",
        "arguments": sys.argv[2:],
        "environment": dict(os.environ),
    }
    draft = folder / f"draft-{number}"
    draft.write_text(json.dumps(report))
    draft.rename(folder / f"report-{number}.json")

    for line in life.get("stderr", []):
        print(line, file=sys.stderr, flush=True)
    if life.get("close_stdout"):
        os.close(1)
    elif not life.get("silent"):
        ready = json.dumps({"event": "ready", "url": None, "kernel_env": life.get("kernel_env", {})})
        if socket := life.get("socket"):
            serve(option("--socket") if socket is True else socket, ready)
        if life.get("note_term"):
            signal.signal(signal.SIGTERM, lambda *_: note_and_exit(folder / f"terminated-{number}"))
        print(ready, flush=True)
    if "exit" in life:
        os._exit(life["exit"])
    while True:
        time.sleep(3600)


def note_and_exit(path: Path) -> None:
    path.touch()
    os._exit(0)


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def serve(path: str, ready: str) -> None:
    """Answers every request with its headers, and every WebSocket message with itself."""
    from tornado import httpserver, ioloop, netutil, web, websocket

    class Headers(web.RequestHandler):
        def get(self) -> None:
            self.finish({"pid": os.getpid(), "path": self.request.path, "headers": dict(self.request.headers)})

        post = get

    class Echo(websocket.WebSocketHandler):
        def check_origin(self, origin: str) -> bool:
            return True

        def open(self, *_: Any) -> None:
            self.write_message(json.dumps(dict(self.request.headers)))

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    server = httpserver.HTTPServer(web.Application([("/echo", Echo), ("/.*", Headers)]))
    server.add_socket(netutil.bind_unix_socket(path, 0o600))
    print(ready, flush=True)
    ioloop.IOLoop.current().start()


if __name__ == "__main__":
    main()
