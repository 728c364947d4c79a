"""What a new process pays: importing descend after torch, and the first step with an empty and a warm kernel cache.

Every sample is a process of its own. The first step is timed from just before step() to its return, so it holds what is
put off until then: importing the compiler, writing, compiling or loading the kernel.

    python benchmarks/start_up.py --optimizer Adam --repeats 5
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import format_seconds, machine, machine_line, markdown_table, save_json

# Runs in a new process. After `import torch`, all that torch.optim itself loads is there: what is timed is ours alone.
CHILD = """
import json, sys, time
start = time.perf_counter()
import torch
torch_done = time.perf_counter()
import descend
descend_done = time.perf_counter()
torch.set_num_threads({threads})
params = [torch.ones(32, 32, requires_grad=True), torch.ones(32, requires_grad=True)]
for p in params:
    p.grad = torch.full_like(p, 0.5)
optimizer = descend.{optimizer}(params, lr=1e-3)
before = time.perf_counter()
optimizer.step()
first = time.perf_counter() - before
before = time.perf_counter()
optimizer.step()
second = time.perf_counter() - before
print(json.dumps(dict(
    import_torch=torch_done - start, import_descend=descend_done - torch_done,
    first_step=first, second_step=second, numba_loaded="numba" in sys.modules,
)))
"""


def sample(optimizer: str, threads: int, cache: Path) -> dict[str, Any]:
    """One new process with its kernel cache in `cache`."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(optimizer=optimizer, threads=threads)],
        env={**os.environ, "DESCEND_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Takes all samples, prints the medians, and writes the file asked for."""
    parser = argparse.ArgumentParser(description="Import time and time of the first step, each in new processes.")
    parser.add_argument("--optimizer", default="Adam", help="class of descend (default: Adam)")
    parser.add_argument("--threads", type=int, default=2, help="torch.set_num_threads (default: 2)")
    parser.add_argument("--repeats", type=int, default=5, help="processes of each kind (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples and the machine to FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)  # in this process only for the description of the machine

    samples: dict[str, list[dict[str, Any]]] = {"empty cache": [], "warm cache": []}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as cache:
            for found in samples.values():  # the second process finds what the first one left
                found.append(sample(arguments.optimizer, arguments.threads, Path(cache)))

    rows = []
    for kind, found in samples.items():
        for what in ("import_torch", "import_descend", "first_step", "second_step"):
            seconds = [one[what] for one in found]
            spread = f"{format_seconds(min(seconds))} to {format_seconds(max(seconds))}"
            rows.append([kind, what.replace("_", " "), format_seconds(statistics.median(seconds)), spread])
        loaded = sum(one["numba_loaded"] for one in found)
        rows.append([kind, "processes that loaded numba", f"{loaded} of {len(found)}", ""])
    info = machine()
    what = f"{arguments.optimizer}, {arguments.repeats} processes each"
    print(markdown_table(["cache", what, "median", "range"], rows))
    print(f"\n{machine_line(info)}")
    save_json(arguments.json, info, samples)


if __name__ == "__main__":
    main()
