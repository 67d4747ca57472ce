"""Networks for lipid nanoparticles from several seeds, tested on bodies they never met.

    python benchmarks/lnp_training.py                       # ours, all tasks, three seeds
    python benchmarks/lnp_training.py --tasks lnp-classify --protocol published
    python benchmarks/lnp_training.py --network published --seeds 0 --minutes 12
    python benchmarks/lnp_training.py --weights RUN         # keep RUN/TASK-ours-honest-SEED.h5
    python benchmarks/lnp_training.py --table               # only print what is there

A run is what ``diffscatter train TASK --network NAME --protocol NAME --seed N`` does; each adds
one JSON line to ``results/lnp-training.jsonl`` as it ends. Lines that are there already are not
computed again, unless a network is to be kept that is not there. Test curves (4096) come from
sizes between those of training unless the protocol is the published one. The table has the
median over seeds and the least and largest; ``coverage`` is the share of truths within
intervals of 90 %.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from diffscatter.cli.options import cache_folder
from diffscatter.pipelines.train import TASKS, train
from diffscatter.training import save_weights

RESULTS = Path(__file__).parent / "results" / "lnp-training.jsonl"
KEYS = ("task", "network", "protocol", "seed")


def main(arguments=None):
    options = _options(arguments)
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    records = [json.loads(line) for line in lines]
    known = {tuple(record[key] for key in KEYS) for record in records}
    for task in () if options.table else options.tasks.split(","):
        for seed in map(int, options.seeds.split(",")):
            asked = dict(
                zip(KEYS, (task, options.network, options.protocol, seed), strict=True)
            )
            name = "-".join(map(str, asked.values())) + ".h5"
            kept = None if options.weights is None else options.weights / name
            recorded = tuple(asked.values()) in known
            if recorded and (kept is None or kept.exists()):
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            done = train(
                **asked,
                steps=options.steps,
                minutes=options.minutes,
                cache=cache_folder("lnp"),
            )
            record = asked | {
                "steps": done.training.steps,
                "seconds": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "scores": done.tested.scores,
            }
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                made = {"command": _command(asked, options)} | record
                save_weights(kept, done.training.model, made)
            if recorded:
                continue
            with RESULTS.open("a") as file:
                file.write(json.dumps(record) + "\n")
            records.append(record)
    table(records)


def _command(asked, options):
    """Return the command that makes a network again."""
    names = {"task": "tasks", "seed": "seeds"}
    given = asked | {"steps": options.steps, "minutes": options.minutes, "weights": "RUN"}
    words = [f"--{names.get(k, k)} {value}" for k, value in given.items() if value is not None]
    return " ".join(["python benchmarks/lnp_training.py", *words])


def _options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(t for t in TASKS if t != "lnp-measured"))
    parser.add_argument("--network", default="ours")
    parser.add_argument("--protocol", default="honest")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--weights", type=Path, help="folder for the trained networks")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    return parser.parse_args(arguments)


def table(records):
    """Print each score of each task, network and protocol: median, least and largest."""
    print("| task | network | protocol | seeds | score | median | range |")
    print("|" + " --- |" * 7)
    groups = defaultdict(list)
    for record in records:
        groups[tuple(record[key] for key in KEYS[:3])].append(record)
    for group, runs in sorted(groups.items()):
        found = defaultdict(list)
        for run in runs:
            found["CPU s"].append(run["cpu"])
            for name, scores in run["scores"].items():
                for score, value in _numbers(scores):
                    found[f"{name.replace('_', ' ')}: {score}"].append(value)
        for score, values in found.items():
            cells = [*group, str(len(values)), score, f"{np.median(values):.4g}"]
            print("| " + " | ".join([*cells, f"{min(values):.4g} to {max(values):.4g}"]) + " |")


def _numbers(scores):
    """Yield the numbers of one answer's scores by name, those of classes one by one."""
    for key, value in scores.items():
        if isinstance(value, list):
            if np.ndim(value) == 1:
                yield from ((f"{key} {i + 1}", v) for i, v in enumerate(value))
        else:
            yield key.replace("_", " "), value


if __name__ == "__main__":
    main()
