"""Runs first in a job's kernel: tees what the code writes into a file, and connects to the cluster.

The file is the truth about the job: Jupyter drops output above its limits and keeps none while nobody listens. Each
line is a JSON object with a `kind`; `ready` says that the code runs next, `cell` that one of its cells begins or ended,
`cleared` that what it showed so far is taken away, and `end` that all of it ended and how. PARAMETERS is given by the server: `output` and `limit` of the file, `environment`,
the `folder` to work in, the `cluster` to connect to (or null), `cells` (for each whether it may raise), and the `script`
that they are (its path and arguments, or null). Only the names of the last lines reach the user's namespace.
"""

import base64
import contextlib
import json
import os
import re
import select
import socket
import sys
import threading
import time
import warnings

from IPython import get_ipython

TEXT_LIMIT = 64 * 1024  # characters of text in one line of the file
SHOWN_LIMIT = 4 << 20  # characters of all forms of something that is displayed: proxies pass 10 MiB at once
FORMS = re.compile(r"text/(plain|html|markdown|latex)|image/(png|jpeg|gif|svg\+xml)|application/.*json")
VALUE_LIMIT = 16 * 1024  # characters of an error's message, or of a line of its traceback
TRACEBACK_LIMIT = 500  # lines at each end of a traceback
AWAY_LIMIT = 15  # seconds that a server which was killed may take to be there again
FULL = (
    "[Gatehouse: the job wrote more than {} MiB, and no more of its output is kept. "
    "Write long results into a file, and print less.]\n"
)
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class Recorder:
    """The file. Every method may be called from any thread."""

    def __init__(self, path, limit):
        """Keeps no more than `limit` bytes; the end is written beyond it."""
        self.limit = limit
        self.full = False
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lock = threading.RLock()
        self.kind = None
        self.clears = False
        self.parts = []
        self.size = 0
        self.ended = False
        # A child of fork() has the lock in whatever state it was, and what waits is its parent's to write.
        os.register_at_fork(after_in_child=self.renew)

    def renew(self):
        self.lock = threading.RLock()
        self.parts, self.size, self.clears = [], 0, False

    def text(self, kind, text):
        """Appends text of a stream. What has a newline is written at once, so that a dying kernel loses nothing of it."""
        with self.lock:
            if self.full:
                return
            self.make_room()
            if kind != self.kind:
                self.flush()
                self.kind = kind
            self.parts.append(text)
            self.size += len(text)
            if "\n" in text or self.size >= TEXT_LIMIT:
                self.flush()

    def flush(self):
        with self.lock:
            parts, self.parts, self.size = self.parts, [], 0
            text = "".join(parts)
            for start in range(0, len(text), TEXT_LIMIT):
                self.write(kind=self.kind, text=text[start : start + TEXT_LIMIT])

    def clear(self, wait):
        """Takes away what the cell showed; where it waits, when there is something to show instead."""
        with self.lock:
            self.flush()
            self.clears = True
            if not wait:
                self.make_room()

    def make_room(self):
        if self.clears:
            self.clears = False
            self.write(kind="cleared")

    def line(self, **fields):
        """Writes a line that is not a stream's text."""
        with self.lock:
            self.flush()
            if fields["kind"] == "error" or (fields["kind"] == "shown" and not fields["update"]):
                self.make_room()
            elif fields["kind"] == "cell":
                self.clears = False
            self.write(**fields)

    def write(self, **fields):
        control = fields["kind"] in ("ready", "end")
        if self.ended or (self.full and not control):
            return
        try:
            data = encode(fields)
            # Asked of the file: child processes write into it, too.
            if not control and os.fstat(self.file).st_size + len(data) > self.limit:
                self.full = True
                data = encode({"kind": "stderr", "text": FULL.format(self.limit >> 20)})
            while data:
                data = data[os.write(self.file, data) :]
        except OSError:
            # A full disk must not fail the user's print; without an end in the file the server says what happened.
            pass

    def end(self, error, status=1):
        """Writes the last line; `error` is a sentence, or None where all went well, `status` that of a process."""
        with self.lock:
            self.line(kind="end", ok=error is None, error=error, status=status if error else 0)
            self.ended = True


to_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder for every call


def encode(fields):
    try:
        return to_json(fields).encode() + b"\n"
    except UnicodeEncodeError:
        # Lone surrogates are no text; JSON readers refuse them in any spelling.
        return to_json({key: printable(value) for key, value in fields.items()}).encode() + b"\n"


def printable(value):
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [printable(item) for item in value] if isinstance(value, list) else value


def shorten(text, limit=VALUE_LIMIT):
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"


def text_of(error):
    try:
        return shorten(str(error))
    except Exception:
        return "(its message could not be made)"


class Tee:
    """What ipykernel's stream calls with all that passes it, from threads and child processes too.

    `stream.write` itself is no place for this: IPython replaces and restores it around every cell.
    """

    def __init__(self, kind, recorder, former):
        self.kind, self.recorder, self.former = kind, recorder, former

    def write(self, text):
        self.recorder.text(self.kind, text)
        if self.former is not None:
            self.former.write(text)

    def flush(self):
        """Called by ipykernel's own thread, too, a moment after something was written."""
        self.recorder.flush()
        if self.former is not None:
            self.former.flush()


def drain(stream):
    """Waits until ipykernel's thread took over what child processes wrote to this stream's file descriptor."""
    pipe = getattr(stream, "_fid", None)
    if pipe is None:
        return
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and select.select([pipe], [], [], 0)[0]:
        time.sleep(0.005)
    time.sleep(0.02)


def install(shell, recorder, cells):
    """Hooks the recorder into everything that shows something; `cells` says of each whether it may raise."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    for kind, stream in streams.items():
        stream.echo = Tee(kind, recorder, stream.echo)
    # IPython keeps a copy of all that a cell prints; a job may print for days.
    if hasattr(shell, "_tee"):
        shell._tee = lambda channel: contextlib.nullcontext()

    def show(data, result=False, display_id=None, update=False):
        forms = {kind: form_of(value) for kind, value in data.items() if FORMS.fullmatch(kind)}
        if "text/plain" in forms:
            forms["text/plain"] = shorten(forms["text/plain"], SHOWN_LIMIT // 4)
        while sum(map(len, forms.values())) > SHOWN_LIMIT:
            heaviest = max(forms, key=lambda kind: len(forms[kind]))
            del forms[heaviest]
            if not forms:
                forms["text/plain"] = f"[Gatehouse: {heaviest} of more than {SHOWN_LIMIT >> 20} MiB was left out.]"
        if forms:
            recorder.line(kind="shown", data=forms, result=result, id=display_id, update=update)

    write_format_data = shell.displayhook.write_format_data

    def record_result(format_dict, *args, **kwargs):
        show(format_dict, result=True)
        write_format_data(format_dict, *args, **kwargs)

    shell.displayhook.write_format_data = record_result
    publish = shell.display_pub.publish

    def record_display(data, *args, **kwargs):
        transient = kwargs.get("transient") or {}
        show(data, display_id=transient.get("display_id"), update=bool(kwargs.get("update")))
        publish(data, *args, **kwargs)

    shell.display_pub.publish = record_display
    clear_output = shell.display_pub.clear_output

    def record_clear(wait=False, *args, **kwargs):
        if not is_captured():
            recorder.clear(wait)
        clear_output(wait, *args, **kwargs)

    shell.display_pub.clear_output = record_clear
    show_traceback = shell._showtraceback

    def record_traceback(etype, evalue, stb):
        if not issubclass(etype, SystemExit):
            lines = [shorten(line) for part in stb for line in ANSI.sub("", part).splitlines()]
            if len(lines) > 2 * TRACEBACK_LIMIT:
                lines[TRACEBACK_LIMIT:-TRACEBACK_LIMIT] = ["…"]
            recorder.line(kind="error", name=etype.__name__, value=text_of(evalue), traceback=lines)
        show_traceback(etype, evalue, stb)

    shell._showtraceback = record_traceback
    # IPython's advice for people who typed `exit` into a prompt; a script's sys.exit() is meant.
    warnings.filterwarnings("ignore", message="To exit: use")

    def refuse(*args, **kwargs):
        raise RuntimeError(
            "A job can't ask for input: nobody is there to answer. Put the value into the code, "
            "or read it from a file or an environment variable."
        )

    shell.kernel.raw_input = refuse
    shell.kernel.getpass = refuse
    running = iter(enumerate(cells))
    current = []

    def before_cell(info):
        # Code of the user's that runs other code through IPython is no cell of ours.
        if not current and (following := next(running, None)):
            current.append((*following, info))
            recorder.line(kind="cell", cell=following[0])

    def after_cell(result):
        if not current or result.info is not current[0][2]:
            return  # the end of this prelude's own cell, or one in a cell
        number, may_raise, _ = current.pop()
        for stream in streams.values():
            drain(stream)
        failure = failure_of(result)
        recorder.line(kind="cell", cell=number, ended=True, count=result.execution_count)
        if number + 1 == len(cells) or (failure and not may_raise):
            shell.events.unregister("pre_run_cell", before_cell)
            shell.events.unregister("post_run_cell", after_cell)
            recorder.end(None if may_raise else failure, status_of(result))

    shell.events.register("pre_run_cell", before_cell)
    shell.events.register("post_run_cell", after_cell)


def is_captured():
    """Whether an Output widget takes what is shown: then it clears what it took, and nothing of the cell's."""
    widgets = sys.modules.get("ipywidgets")
    living = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    return widgets is not None and any(
        isinstance(widget, widgets.Output) and widget.msg_id for widget in list(living.values())
    )


def form_of(value):
    if isinstance(value, str):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else json.dumps(value, default=str)


def become(shell, script):
    """Lets the next cell be a file that `python FILE` runs."""
    path, arguments = script
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    shell.user_ns["__file__"] = os.path.abspath(path)
    # Its last line is no question whose answer is shown.
    shell.ast_node_interactivity = "none"
    # Tracebacks and breakpoints name the file.
    shell.compile.get_code_name = lambda raw, transformed, number: os.path.abspath(path)
    shell.compile.format_code_name = lambda name: None  # no "Cell In[1]"


def failure_of(result):
    """Why the code failed, in a sentence; None where it did not."""
    error = result and (result.error_before_exec or result.error_in_exec)
    if not error:
        return None
    if type(error).__name__ == "KilledWorker":
        return killed(error)
    if not isinstance(error, SystemExit):
        return f"The code raised {type(error).__name__}: {shorten(text_of(error), 500)}"
    if error.code is None or error.code == 0:
        return None
    return f"The code ended itself with exit status {shorten(text_of(error.code), 500)}."


def killed(error):
    """What distributed's error means, which it raises when one task has cost several workers their lives."""
    task = shorten(str(getattr(error, "task", "one task")), 200)
    return (
        f"The code raised KilledWorker: workers died again and again while they ran {task}, most often for lack of memory. "
        "Choose a profile with more memory a worker, or make chunks and partitions smaller; the workers' logs may say more."
    )


def status_of(result):
    """What the shell would be told by `python`."""
    error = result and (result.error_before_exec or result.error_in_exec)
    code = error.code if isinstance(error, SystemExit) else 1
    return code & 0xFF if isinstance(code, int) else 1


def connect(name):
    if name is None:
        return {}  # what needs no cluster may need no Dask either; `Gateway()` works in it all the same
    try:
        from dask_gateway import Gateway
    except ImportError as error:
        raise ImportError(
            f"The kernel's Python ({sys.executable}) can't import dask-gateway ({error}). "
            "Install dask-gateway, dask and distributed in it, or choose another kernel."
        ) from error
    gateway = Gateway()
    # Asked first: a cluster to which dask-gateway could not connect blocks its loop when it is let go.
    patiently(gateway.get_versions)
    cluster = gateway.connect(name)
    return {"gateway": gateway, "cluster": cluster, "client": cluster.get_client()}


def patiently(ask):
    """What `ask` returns. It is asked through the server, which may be starting again after it sent the code."""
    from aiohttp import ClientConnectionError

    give_up = time.monotonic() + AWAY_LIMIT
    while True:
        try:
            return ask()
        except ClientConnectionError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.1)


def main(parameters):
    shell = get_ipython()
    recorder = Recorder(parameters["output"], parameters["limit"])
    install(shell, recorder, parameters["cells"])
    os.environ.update(parameters["environment"])
    try:
        if parameters["folder"]:
            os.chdir(parameters["folder"])
        shell.push(connect(parameters["cluster"]))
        if parameters["script"]:
            become(shell, parameters["script"])
    except BaseException as error:
        shell.showtraceback()
        recorder.end(
            text_of(error)
            if isinstance(error, ImportError)
            else f"The job's kernel could not connect to cluster {parameters['cluster']}: "
            f"{type(error).__name__}: {shorten(text_of(error), 500)}"
        )
        raise  # drops the job's code, which waits behind this cell
    recorder.line(kind="ready", host=socket.gethostname(), pid=os.getpid(), language=shell.kernel.language_info)


main(PARAMETERS)
