"""Work of every kind, for scenarios that look at all panes: many prefixes, transfers, errors with what follows from them,
and more data than two small workers have memory for."""

import time
import uuid

from distributed import Event, wait

PREFIXES = ["read-parquet", "getitem", "rechunk-merge", "mean_chunk", "transpose", "random_sample", "sum-aggregate"]
GATE = "mixed-work"
HURRY = "hurry"


def small(i):
    time.sleep(0.01)
    return i


def block(mebibytes):
    return bytes(mebibytes << 20)


def join(left, right):
    return len(left) + len(right)


def boom(i):
    if i % 3:
        raise ValueError(f"no {i}")
    raise KeyError(i)


def after(x):
    return x


def occupy(i):
    """Runs until the gate opens, and keeps half a core busy."""
    gate = Event(GATE)
    while not gate.is_set():
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass
        time.sleep(0.1)
    return i


def nap(i):
    """Takes a moment; none any more once all are to hurry."""
    if not Event(HURRY).is_set():
        time.sleep(0.1)
    return i


def key(name, i):
    return f"{name}-{uuid.UUID(int=i + (uuid.uuid4().int & ~0xFFFF)).hex}"


def mix(client):
    """Runs everything but `occupy` to its end on the first two workers; returns the futures that keep its results."""
    first, second = sorted(client.ncores())[:2]
    held = [client.submit(small, i, key=key(name, i)) for name in PREFIXES for i in range(20)]
    blocks = {
        worker: [client.submit(block, 32, key=key("block", i), workers=[worker]) for i in range(14)]
        for worker in (first, second)
    }
    wait(sum(blocks.values(), []))
    held += [
        client.submit(join, left, right, key=key("join", i), workers=[second])
        for i, (left, right) in enumerate(zip(blocks[first][:4], blocks[second][:4]))
    ]
    erred = [client.submit(boom, i, key=key("boom", i), retries=0) for i in range(9)]
    held += [client.submit(after, future, key=key("after", i)) for i, future in enumerate(erred)]
    held += erred
    wait(held)
    return held + sum(blocks.values(), [])


def keep_busy(client, each=9):
    """Gives each worker tasks that last until `let_go`: more than it has threads."""
    Event(GATE, client=client).clear()
    return [
        client.submit(occupy, i, key=key("occupy", i), workers=[worker])
        for worker in client.ncores()
        for i in range(each)
    ]


def paced(client, count):
    """Submits tasks that take minutes together until `hurry`."""
    Event(HURRY, client=client).clear()
    return [client.submit(nap, i, key=key("nap", i)) for i in range(count)]


def hurry(client):
    Event(HURRY, client=client).set()


def let_go(client):
    Event(GATE, client=client).set()
