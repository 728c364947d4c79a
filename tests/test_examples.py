"""The examples run as a user would run them, and learn what they should.

linear_regression.py is also run with the import line it had before, `import torch.optim as optim`.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
OURS, TORCHS = "import descend as optim", "import torch.optim as optim"
NUMBER = re.compile(r"-?\d+\.\d{6}")

# The least-squares line through the 15 points, from numpy.polyfit in float64.
SLOPE, INTERCEPT = 0.259990, 0.747665


def run(source: str, directory: Path) -> str:
    script = directory / "script.py"
    script.write_text(source, encoding="utf-8")
    command = [sys.executable, "-W", "error", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_linear_regression_prints_what_torch_prints(tmp_path: Path):
    source = (EXAMPLES / "linear_regression.py").read_text(encoding="utf-8")
    assert source.count(OURS) == 1
    assert source.count("optimizer.step()") == 1, "one training function for all optimizers"
    ours, torchs = run(source, tmp_path), run(source.replace(OURS, TORCHS), tmp_path)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", torchs)
    numbers, expected = ([float(text) for text in NUMBER.findall(output)] for output in (ours, torchs))
    assert len(numbers) == 4 * (5 + 2)
    # One unit of the last digit printed: what remains of rounding where two nearly equal numbers straddle a half.
    assert numbers == pytest.approx(expected, abs=1.01e-6, rel=0)


def test_write_your_own_learns_the_line_on_the_cpu_engine(tmp_path: Path):
    output = run((EXAMPLES / "write_your_own.py").read_text(encoding="utf-8"), tmp_path)
    losses = [float(text) for text in re.findall(r"loss: (.*)", output)]
    (slope, intercept) = map(float, NUMBER.findall(output.split("Learned:")[1])[:2])
    assert len(losses) == 5
    # Lion's steps have one length, lr = 0.002: slope and intercept end within a few dozen of them.
    assert slope == pytest.approx(SLOPE, abs=0.1)
    assert intercept == pytest.approx(INTERCEPT, abs=0.15)
    assert "cpu: 2 tensors" in output
    assert "arXiv:2302.06675" in output


def test_write_your_own_follows_the_paper(tmp_path: Path):
    """The trajectory of the example against Lion's algorithm as printed, in float64 and plain Python."""
    source = (EXAMPLES / "write_your_own.py").read_text(encoding="utf-8")
    lr, beta1, beta2 = 0.002, 0.9, 0.99
    xs, ys = ([float(v) for v in re.search(rf"{name} = \[(.*)\]", source).group(1).split(",")] for name in "xy")
    start = run(
        "import torch\ntorch.manual_seed(0)\nm = torch.nn.Linear(1, 1)\nprint(m.weight.item(), m.bias.item())", tmp_path
    )
    w, b = map(float, start.split())
    momentum, losses = [0.0, 0.0], []
    for _ in range(100):
        errors = [w * x + b - y for x, y in zip(xs, ys, strict=True)]
        losses.append(sum(e * e for e in errors) / len(errors))
        gradient = [2 * sum(e * f for e, f in zip(errors, fs, strict=True)) / len(xs) for fs in (xs, [1.0] * len(xs))]
        update = [beta1 * m + (1 - beta1) * g for m, g in zip(momentum, gradient, strict=True)]
        w, b = (p - lr * ((u > 0) - (u < 0)) for p, u in zip((w, b), update, strict=True))
        momentum = [beta2 * m + (1 - beta2) * g for m, g in zip(momentum, gradient, strict=True)]
    printed = [float(text) for text in re.findall(r"loss: (.*)", run(source, tmp_path))]
    # 100 float32 steps of 0.002 round to about 1e-6 in w, which the loss sees with a slope of at most 25.
    assert printed == pytest.approx(losses[19::20], abs=5e-5)
