"""One trial: trains a logistic regression on two half moons and reports its accuracy on moons that it has not seen.

Parameters come in, and metrics go out, by the file protocol of NNI, so a trial that uses NNI's own SDK runs as well:
$NNI_SYS_DIR/parameter.cfg holds the parameters; every report is one frame at the end of $NNI_SYS_DIR/.nni/metrics.
"""
import json
import math
import os
import pathlib
import random

FOLDER = pathlib.Path(os.environ["NNI_SYS_DIR"])


def report(trial, kind, sequence, value):
    body = json.dumps({"parameter_id": trial["parameter_id"], "trial_job_id": os.environ["NNI_TRIAL_JOB_ID"],
                       "type": kind, "sequence": sequence, "value": json.dumps(value)}) + "\n"
    with open(FOLDER / ".nni" / "metrics", "ab") as metrics:
        metrics.write(b"ME%06d" % len(body.encode()) + body.encode())


def moons(count, seed):
    chance = random.Random(seed)
    samples = []
    for i in range(count):
        angle, label = math.pi * chance.random(), i % 2
        x, y = (math.cos(angle), math.sin(angle)) if label else (1 - math.cos(angle), 0.5 - math.sin(angle))
        samples.append((x + chance.gauss(0, 0.1), y + chance.gauss(0, 0.1), label))
    return samples


def features(x, y, kind):
    found = [1.0, x, y]
    if kind != "linear":
        found += [x * x, x * y, y * y]
    if kind == "cubic":
        found += [x**3, x * x * y, x * y * y, y**3]
    return found


def probability(weights, inputs):
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, sum(w * f for w, f in zip(weights, inputs))))))


def main():
    trial = json.loads((FOLDER / "parameter.cfg").read_text())
    chosen = trial["parameters"]
    rate, momentum = chosen["learning_rate"], chosen["momentum"]
    training = [(features(x, y, chosen["features"]), label) for x, y, label in moons(200, seed=1)]
    unseen = [(features(x, y, chosen["features"]), label) for x, y, label in moons(200, seed=2)]

    weights = [0.0] * len(training[0][0])
    speed = [0.0] * len(weights)
    for epoch in range(chosen["epochs"]):
        for inputs, label in training:
            error = probability(weights, inputs) - label
            speed = [momentum * s - rate * error * f for s, f in zip(speed, inputs)]
            weights = [w + s for w, s in zip(weights, speed)]
        right = sum((probability(weights, inputs) > 0.5) == bool(label) for inputs, label in unseen)
        report(trial, "PERIODICAL", epoch, right / len(unseen))
    report(trial, "FINAL", 0, right / len(unseen))


if __name__ == "__main__":
    main()
