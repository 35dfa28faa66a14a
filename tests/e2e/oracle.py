"""An independent witness: Dask's own client, told over stdin what to find out about a cluster, answering on stdout.

    python oracle.py '{"address": …, "proxy": …, "user": …, "password": …, "cluster": …}'

One JSON request a line, one JSON answer a line. It shares no code with Gatehouse, so what it says is Dask's word.
"""

import json
import os
import sys
import time

import mixed_work
from dask.utils import key_split
from dask_gateway import BasicAuth, Gateway
from distributed.diagnostics.progress_stream import color_of

# What Dask paints a rectangle with: the key's colour for work, fixed ones for the rest.
ACTION_COLORS = {"transfer": "red", "disk-read": "orange", "disk-write": "orange", "deserialize": "gray"}


def connect(address, proxy, user, password, cluster):
    gateway = Gateway(address, proxy_address=proxy, auth=BasicAuth(user, password=password))
    return gateway.connect(cluster)


def inject(dask_scheduler, first, count, total, lanes, made_up):
    """Runs on the scheduler: appends records to its task-stream plugin, as finished tasks would have.

    They are `count` of `total` from number `first` on, over the last minute, on `lanes` threads of the
    cluster's workers, or of `made_up` workers that never were.
    """
    import time

    from distributed.diagnostics.task_stream import TaskStreamPlugin

    plugin = dask_scheduler.plugins.get(TaskStreamPlugin.name)
    if plugin is None:
        plugin = TaskStreamPlugin(dask_scheduler)
        dask_scheduler.add_plugin(plugin)
    if first == 0:
        plugin.injected_from = time.time() - 61.0
    workers = [f"tls://10.0.{i // 250}.{i % 250}:4000" for i in range(made_up)] or list(dask_scheduler.workers)
    step = 60.0 / max(1, total // lanes)
    names = ["inc", "sum", "read-parquet", "getitem", "rechunk-merge", "mean_chunk", "transpose", "random_sample"]
    for i in range(first, first + count):
        start = plugin.injected_from + i // lanes * step
        record = {
            "stimulus_id": "task-finished",
            "worker": workers[i % len(workers)],
            "metadata": {},
            "nbytes": 28,
            "type": b"",
            "typename": "int",
            "thread": 1000 + i % lanes,
            "startstops": [{"action": "compute", "start": start, "stop": start + step * 0.85}],
            "status": "OK",
            "key": f"{names[i // lanes % len(names)]}-{i:032x}",
        }
        plugin.buffer.append(record)
        plugin.index += 1
    return plugin.index


def facts(dask_scheduler):
    """Runs on the scheduler: what it knows of each worker, by address."""
    found = {}
    for worker in dask_scheduler.workers.values():
        memory, metrics = worker.memory, worker.metrics
        found[worker.address] = {
            "name": str(worker.name),
            "status": worker.status.name,
            "threads": worker.nthreads,
            "limit": worker.memory_limit,
            "process": memory.process,
            "managed": memory.managed,
            "spilled": memory.spilled,
            "bounded": int(memory.managed >= memory.process),
            "cpu": metrics["cpu"],
            "fds": metrics["num_fds"],
            "processing": len(worker.processing),
            "occupancy": worker.occupancy,
            "in_memory": len(worker.has_what),
        }
    return found


def groups(dask_scheduler):
    """Runs on the scheduler: for each task group its tasks that are not forgotten, and the names of those that it needs."""
    alive = {
        group.name: sum(n for state, n in group.states.items() if state != "forgotten")
        for group in dask_scheduler.task_groups.values()
    }
    return {
        group.name: [
            alive[group.name],
            sorted(needed.name for needed in group.dependencies if needed is not group and alive.get(needed.name)),
        ]
        for group in dask_scheduler.task_groups.values()
        if alive[group.name]
    }


class Oracle:
    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.get_client()
        self.held = []

    def scheduler(self, op, **arguments):
        return self.client.sync(getattr(self.client.scheduler, op), **arguments)

    def records(self):
        """Every record that the scheduler's task stream holds, in its order."""
        found = []
        for record in self.scheduler("get_task_stream"):
            compute = "black" if record["status"] == "error" else color_of(key_split(record["key"]))
            bars = [
                {
                    "action": bar["action"],
                    "start_us": bar["start"] * 1e6,
                    "stop_us": bar["stop"] * 1e6,
                    "color": compute if bar["action"] == "compute" else ACTION_COLORS[bar["action"]],
                }
                for bar in record["startstops"]
            ]
            found.append(
                {
                    "key": str(record["key"]),
                    "prefix": key_split(record["key"]),
                    "worker": record["worker"],
                    # A thread's identity may not fit a JavaScript number.
                    "thread": str(record["thread"]),
                    "status": record["status"],
                    "bars": bars,
                }
            )
        return found

    def index(self):
        """How many records there have been."""
        return self.scheduler("get_task_stream_index")

    def progress(self):
        """Tasks by prefix and state, with the prefix's colour."""
        states = self.scheduler("get_task_prefix_states")
        return {name: {**counts, "color": color_of(name)} for name, counts in states.items()}

    def hold(self, count=20):
        """Fills the states that Progress shows: some tasks in memory, some released, one that erred; holds them."""
        from distributed import wait

        def slowinc(x):
            import time

            time.sleep(0.02)
            return x + 1

        def total(xs):
            return sum(xs)

        def boom(x):
            raise ValueError(f"no {x}")

        first = self.client.map(slowinc, range(count), pure=False)
        summed = self.client.submit(total, first, pure=False)
        erred = self.client.submit(boom, 1, pure=False)
        wait([summed, erred])
        kept = first[: count // 2]
        self.held = [*kept, summed, erred]
        del first
        time.sleep(0.5)
        return len(self.held)

    def release(self):
        self.held = []
        return True

    def mix(self):
        """Runs work of every kind, and holds its results."""
        self.client.upload_file(mixed_work.__file__)
        self.held = mixed_work.mix(self.client)
        return len(self.held)

    def keep_busy(self):
        """Gives the workers more to do than they have threads, until `let_go`."""
        self.client.upload_file(mixed_work.__file__)
        self.busy = mixed_work.keep_busy(self.client)
        return len(self.busy)

    def let_go(self):
        mixed_work.let_go(self.client)
        return len(self.client.gather(self.busy))

    def naps(self, count):
        """Submits tasks that end one after the other at a steady pace, until `hurry`."""
        self.client.upload_file(mixed_work.__file__)
        self.napping = mixed_work.paced(self.client, count)
        return len(self.napping)

    def hurry(self):
        """Has the rest of them end at once, and waits for it."""
        mixed_work.hurry(self.client)
        return len(self.client.gather(self.napping))

    def facts(self):
        """What the scheduler knows of each worker, by address."""
        return self.client.run_on_scheduler(facts)

    def groups(self):
        """Tasks and needed groups, by group."""
        return self.client.run_on_scheduler(groups)

    def logs(self, worker=None):
        """Levels and texts of a worker's log, or the scheduler's."""
        if worker is None:
            entries = self.client.get_scheduler_logs()
        else:
            entries = self.client.get_worker_logs(workers=[worker])[worker]
        return [list(entry) for entry in entries]

    def profile(self):
        """Samples of all workers since their start, by function."""
        found = {}

        def walk(node):
            for child in node["children"].values():
                name = child["description"]["name"]
                found[name] = found.get(name, 0) + child["count"]
                walk(child)

        profile = self.client.profile()
        walk(profile)
        return {"samples": profile["count"], "functions": found}

    def variable(self, name):
        """The environment variable on each worker."""
        return self.client.run(os.getenv, name)

    def workers(self):
        """Threads and memory limit of each worker."""
        info = self.scheduler("identity")["workers"]
        return {address: {"nthreads": w["nthreads"], "memory_limit": w["memory_limit"]} for address, w in info.items()}

    def paced(self, count, gap):
        """Runs `count` small tasks, one after the other, `gap` seconds apart with some irregularity."""
        import random

        pause = random.Random(7)
        for _ in range(count):
            self.client.submit(pow, 2, 10, pure=False).result()
            time.sleep(gap * (0.5 + pause.random()))
        return count

    def load(self, seconds, rate):
        """Keeps the cluster at `rate` small tasks a second; returns how many were finished, and in how many seconds."""
        from collections import deque

        from distributed import wait

        def spin(_):
            import time

            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass

        begin = time.time()
        batches, finished = deque(), 0
        turn = 0
        while time.time() - begin < seconds:
            batches.append(self.client.map(spin, range(rate // 10), pure=False))
            if len(batches) > 5:
                finished += len(wait(batches.popleft()).done)
            turn += 1
            time.sleep(max(0, begin + turn / 10 - time.time()))
        while batches:
            finished += len(wait(batches.popleft()).done)
        return {"tasks": finished, "seconds": time.time() - begin}

    def inject(self, first, count, total, lanes, made_up=0):
        """Puts records into the scheduler's task stream; returns how many there have been."""
        return self.client.run_on_scheduler(inject, first=first, count=count, total=total, lanes=lanes, made_up=made_up)


def main():
    cluster = connect(**json.loads(sys.argv[1]))
    oracle = Oracle(cluster)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(oracle, request.pop("op"))(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    oracle.client.close()
    cluster.close(shutdown=False)


if __name__ == "__main__":
    main()
