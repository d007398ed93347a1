"""Celery on Redis for bench_queue; README.md has the command line. Broker and results in one Redis, tasks without work."""
import sys
import time
import warnings

import celery
from celery.signals import worker_ready

PARAMETERS = "x" * 200
RESULT = "y" * 100
WARM_UP = 200

warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
part, address = sys.argv[1:3]
app = celery.Celery("peer", broker="redis+socket://" + address, backend="redis+socket://" + address)
app.conf.worker_prefetch_multiplier = 128
app.conf.worker_redirect_stdouts = False


@app.task(name="nothing")
def nothing(parameters):
    return RESULT


@worker_ready.connect
def announce(**_):
    print("peer ready", flush=True)


def work():
    app.worker_main([
        "worker", "--pool", "solo", "--concurrency", "1", "--without-gossip", "--without-mingle", "--without-heartbeat",
        "--loglevel", "ERROR"
    ])


def run(jobs):
    results = [nothing.delay(PARAMETERS) for _ in range(jobs)]
    for result in results:
        assert result.get(timeout=600) == RESULT


def measure(jobs, trips):
    print("peer version celery", celery.__version__, flush=True)
    run(WARM_UP)
    print("peer begin", flush=True)
    begin = time.perf_counter()
    run(jobs)
    print("peer end", time.perf_counter() - begin, flush=True)
    for _ in range(trips):
        begin = time.perf_counter()
        run(1)
        print("peer trip", (time.perf_counter() - begin) * 1000)
    print("peer done", flush=True)


if part == "worker":
    work()
else:
    measure(int(sys.argv[3]), int(sys.argv[4]))
