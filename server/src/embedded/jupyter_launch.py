"""Runs a headless Jupyter Server that ends when its standard input does, that is, when the process that holds it ends."""

import os
import signal
import sys
import threading

MISSING = 97  # exit status: jupyter_server can't be imported

# jsonschema imports it where it is there, to check addresses with letters beyond ASCII, of which nothing here has any. It
# makes a grammar then: two thirds of the time until Jupyter answers.
sys.modules.setdefault("rfc3987_syntax", None)

try:
    from jupyter_server.serverapp import main
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(MISSING)


def end_with_parent():
    while sys.stdin.buffer.read(1):
        pass
    # Jupyter shuts its kernels down on SIGTERM; what hangs is ended a little later.
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(15)
    os._exit(1)


threading.Thread(target=end_with_parent, daemon=True).start()
main()
