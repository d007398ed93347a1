"""RQ on Redis for bench_queue; README.md has the command line. This version cannot wait for a result, so it is asked for."""
import logging
import pathlib
import sys
import time

import redis
import rq
import rq.version

PARAMETERS = "x" * 200
RESULT = "y" * 100
WARM_UP = 200
AT_ONCE = 500


def nothing(parameters):
    return RESULT


def run(queue, jobs):
    finished = queue.finished_job_registry
    before = finished.count
    for first in range(0, jobs, AT_ONCE):
        sent = queue.enqueue_many(
            [rq.Queue.prepare_data("rq_peer.nothing", (PARAMETERS,)) for _ in range(min(AT_ONCE, jobs - first))])
    while finished.count < before + jobs:
        time.sleep(0.001)
    for job in sent:
        assert job.return_value(refresh=True) == RESULT


def run_one(queue):
    job = queue.enqueue("rq_peer.nothing", PARAMETERS)
    while job.latest_result() is None:
        pass
    assert job.return_value(refresh=True) == RESULT


def measure(queue, jobs, trips):
    print("peer version rq", rq.version.VERSION, flush=True)
    run(queue, WARM_UP)
    print("peer begin", flush=True)
    begin = time.perf_counter()
    run(queue, jobs)
    print("peer end", time.perf_counter() - begin, flush=True)
    for _ in range(trips):
        begin = time.perf_counter()
        run_one(queue)
        print("peer trip", (time.perf_counter() - begin) * 1000)
    print("peer done", flush=True)


def work(queue):
    print("peer ready", flush=True)
    rq.SimpleWorker([queue], connection=queue.connection, log_job_description=False).work(logging_level="ERROR")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))  # workers import the job's function by name
    logging.disable(logging.WARNING)
    the_queue = rq.Queue("bench", connection=redis.Redis(unix_socket_path=sys.argv[2]))
    if sys.argv[1] == "worker":
        work(the_queue)
    else:
        measure(the_queue, int(sys.argv[3]), int(sys.argv[4]))
