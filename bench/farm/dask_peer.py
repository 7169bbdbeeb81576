#!/usr/bin/env python3
"""The peer of bench/farm/measure: no-op tasks through dask.distributed, two worker processes over TCP.

    dask_peer.py TASKS      one round of so many tasks for each line on stdin (bench/peers/turns.py)"""
import os
import sys

import distributed

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../peers"))
import turns  # noqa: E402


def noop(i):
    return i


def main():
    tasks = int(sys.argv[1])
    client = distributed.Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                                silence_logs=50)

    def round_of_tasks():
        results = client.gather(client.map(noop, range(tasks), pure=False))
        assert sum(results) == tasks * (tasks - 1) // 2

    client.gather(client.map(noop, range(200), pure=False))
    turns.serve(round_of_tasks, **{"dask.distributed": distributed.__version__})
    client.close()


if __name__ == "__main__":
    main()
