"""How native code comes to be and is kept: the assembly beside runtime.py, the kernel cache, what it falls back to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import descend
from descend.engines import build, cpu, native, runtime, source
from descend.rules import ADAM, SGD

STEP = """
import sys, torch, descend
p = torch.nn.Parameter(torch.ones(100))
p.grad = torch.full_like(p, 0.5)
optimizer = descend.Adam([p], lr=0.1, engine="cpu")
optimizer.step()
print(round(p[0].item(), 6), "numba" in sys.modules)
"""


def step_in_a_new_process(cache: Path) -> str:
    environment = {**os.environ, "DESCEND_CACHE_DIR": str(cache)}
    run = subprocess.run([sys.executable, "-c", STEP], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def instructions(assembly: str) -> str:
    """Assembly without names that Numba numbers anew in every process."""
    return re.sub(r"B\d+v\d+|B\d+c\w+|_ZN\w+|%[.\w]+", "_", assembly)


def test_the_assembly_that_runs_is_what_runtime_py_says() -> None:
    kept = Path(runtime.__file__).with_suffix(".ll").read_text()
    assert instructions(kept) == instructions(runtime.assembly())


def test_offsets_are_found_and_named() -> None:
    found = native.native()
    assert found.reason == ""
    assert found.impl_at >= object.__basicsize__ and found.keys_at > 0 and found.undefined > 0
    assert set(found.symbols) == {*native._FUNCTIONS, *native._POOL}


def test_a_torch_without_the_functions_is_served_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    native.native.cache_clear()
    cpu.usable.cache_clear()
    monkeypatch.setitem(native._FUNCTIONS, "descend_get_rank", ("torch_cpu", "aoti_torch_no_such_function"))
    try:
        assert "aoti_torch_no_such_function" in native.native().reason
        p = torch.nn.Parameter(torch.ones(3))
        p.grad = torch.ones(3)
        with pytest.raises(RuntimeError, match="aoti_torch_no_such_function"):
            descend.SGD([p], engine="cpu").step()
        assert torch.equal(p, torch.ones(3))
    finally:
        monkeypatch.undo()
        native.native.cache_clear()
        cpu.usable.cache_clear()
    assert native.native().reason == ""


def test_the_second_process_loads_without_numba(tmp_path: Path) -> None:
    assert step_in_a_new_process(tmp_path) == "0.9 True"
    kept = sorted(path.suffix for path in tmp_path.iterdir())
    assert kept == [".o", ".py"]
    assert step_in_a_new_process(tmp_path) == "0.9 False"


@pytest.mark.parametrize("damage", [b"", b"no digest", b"0" * 64 + b"\nwrong"])
def test_a_damaged_cache_is_compiled_anew(tmp_path: Path, damage: bytes) -> None:
    step_in_a_new_process(tmp_path)
    (kept,) = tmp_path.glob("*.o")
    whole = kept.read_bytes()
    kept.write_bytes(damage if damage != b"no digest" else whole[:-1])
    assert step_in_a_new_process(tmp_path) == "0.9 True"
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    blocked = tmp_path / "a file, not a directory"
    blocked.write_text("")
    assert step_in_a_new_process(blocked / "cache") == "0.9 True"


def test_a_kernel_reads_like_its_rule() -> None:
    f = "float32"
    text = source.kernel_source(source.Variant(SGD, (f, f, f), (False, False, False, True), f, False, False, False))
    lines = [line.strip() for line in text.splitlines()]
    body = lines[lines.index("for i in range(block, block + count):") + 1 :]
    assert body[:6] == [
        "_p = load_float32(at_p, i)",
        "_g = load_float32(at_g, i)",
        "_momentum_buffer = load_float32(at_momentum_buffer, i)",
        "_momentum_buffer = _momentum * _momentum_buffer + _fresh * _g",
        "_g = _momentum_buffer",
        "new_p = _p - _lr * _g",
    ]
    compile(text, "kernel", "exec")


def test_a_second_step_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    optimizer = descend.AdamW([p], engine="cpu")
    optimizer.step()

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(build, "kernel", refuse)
    monkeypatch.setattr("descend.optimizers.stepping.Plan", refuse)
    for lr in (0.1, 0.2, 0.2):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
    assert optimizer.state[p]["step"] == 4
    assert ADAM.name == optimizer.rule.name


def test_explain_knows_that_a_kernel_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba may be missing while llvmlite is there; what is cached would run, and nothing is cached here."""

    def missing(*_: object) -> None:
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(build, "kernel", missing)
    source.kernel.cache_clear()
    p = torch.nn.Parameter(torch.ones(3, dtype=torch.float16))
    engines = descend.RMSprop([p], centered=True, momentum=0.5).explain(quiet=True).engines
    assert list(engines) == ["eager"]
    assert "No module named 'numba'" in engines["eager"][0][1]
