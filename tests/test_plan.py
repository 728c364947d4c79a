"""Between two steps anything may change: users and libraries reach into parameters, gradients, state and groups.

The cpu engine remembers what it found at the last step, so every way in which that can become untrue is tried here:
each change is made to two optimizers, one on each engine, and to torch's; the training that follows must be the
same bits on both engines and torch's numbers. A change may come before the first step, later, or twice. And what the
engine writes behind torch's back has to be announced: version counters, threads, forks.
"""

import gc
import os
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from cases import (
    CASES,
    Case,
    assert_close,
    assert_same_bits,
    assert_unchanged,
    buffers,
    every_case,
    every_engine,
    parameters,
    ran_on,
    random,
    richest_cases,
    set_gradients,
    snapshot,
    train,
)
from changes import CHANGES, all_params
from torch import nn
from torch.nn import Parameter

SHAPES = [(2, 3, 4, 5), (33,), (8, 9), (33,)]
LARGE = 200_001


@richest_cases
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("at", [(0,), (1,), (3, 4)], ids=str)
def test_a_change_between_steps(case: Case, change: Callable[[Any], None], at: tuple[int, ...]) -> None:
    if 0 in at and case.cls.__name__ == "Adagrad" and "step" in change.__name__:
        pytest.skip("torch's Adagrad has state before its first step, ours has not")
    runs = []
    for make in (
        case.theirs,
        lambda params: case.ours(params, engine="eager"),
        lambda params: case.ours(params, engine="cpu"),
    ):
        optimizer = make(parameters(SHAPES))
        for step in range(7):
            set_gradients(all_params(optimizer), step)
            if step in at:
                change(optimizer)
                missing = [p for p in all_params(optimizer) if p.grad is None]
                set_gradients(missing, step)
            optimizer.step()
        runs.append([*all_params(optimizer), *buffers(optimizer, all_params(optimizer))])
    theirs, eager, cpu = runs
    assert_same_bits(cpu, eager)
    assert_close(cpu, theirs, 2e-6)


@every_case
@every_engine
def test_converting_a_model_between_steps(case: Case, engine: str) -> None:
    """`model.double()` in mid-training: gradients become float64, state stays float32.

    torch's for-loop raises for most optimizers here (its state no longer fits); where it works we agree, and where it
    does not, training goes on in float64 with the state at its own precision.
    """
    torch.manual_seed(0)
    models = [nn.Linear(6, 5) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours, theirs = case.ours(models[0].parameters(), engine=engine), case.theirs(models[1].parameters())
    for optimizer, model in ((ours, models[0]), (theirs, models[1])):
        train(optimizer, list(model.parameters()), 3)
        model.to(torch.float64)
        set_gradients(list(model.parameters()), 3)
    for p in models[1].parameters():  # what torch needs for the same training
        for key in case.buffers:
            theirs.state[p][key] = theirs.state[p][key].double()
    for step in range(3, 6):
        set_gradients(list(models[0].parameters()), step)
        set_gradients(list(models[1].parameters()), step)
        ours.step()
        theirs.step()
    params = list(models[0].parameters())
    assert all(p.dtype == torch.float64 for p in params)
    assert_close(params, list(models[1].parameters()), 1e-6)
    assert all(ours.state[p][key].dtype == torch.float32 for p in params for key in case.buffers)


@every_engine
@pytest.mark.parametrize("what", ["parameter", "state", "short state", "gradient layout"])
def test_tensors_that_do_not_fit_are_refused(engine: str, what: str) -> None:
    """A kernel would read past the end of the shorter one. torch raises too; here nothing has changed by then."""
    params = parameters([10, 20, 30])
    optimizer = CASES[-2].ours(params, engine=engine)
    train(optimizer, params, 2)
    set_gradients(params, 2)
    if what == "parameter":
        params[2].data = torch.zeros(31)
    elif what == "state":
        optimizer.state[params[2]]["exp_avg_sq"] = torch.zeros(31)
    elif what == "short state":
        optimizer.state[params[2]]["exp_avg"] = torch.zeros(29)
    else:
        params[2].data = torch.zeros(5, 6)
    before = snapshot(optimizer)
    with pytest.raises((RuntimeError, ValueError)):
        optimizer.step()
    assert_unchanged(optimizer, before)


@every_case
def test_two_optimizers_share_parameters(case: Case) -> None:
    """Each with state of its own, stepping in turn, as in adversarial training; and a second one made and dropped."""
    runs = []
    for engine in ("cpu", "eager"):
        params = parameters([5, 70])
        first, second = case.ours(params, engine=engine), CASES[-1].ours(params, engine=engine)
        for step in range(6):
            set_gradients(params, step)
            (first, second)[step % 2].step()
            case.ours(params, engine=engine).step()
        runs.append([*params, *buffers(first, params), *buffers(second, params)])
    assert_same_bits(*runs)


def test_parameters_may_be_freed() -> None:
    """An optimizer that forgot its parameters must not touch their memory again."""
    kept = parameters([50])[0]
    optimizer = CASES[-1].ours([*parameters([1000] * 20), kept])
    train(optimizer, all_params(optimizer), 3)
    optimizer.param_groups[0]["params"] = [kept]
    optimizer.state = defaultdict(dict)
    gc.collect()
    noise = [torch.full((1000,), 7.0) for _ in range(60)]
    train(optimizer, [kept], range(3, 6))
    assert all(t.eq(7.0).all() for t in noise)
    assert kept.isfinite().all()


# What the engine owes to the rest of torch


@every_case
def test_version_counters_are_bumped(case: Case) -> None:
    """A native write is invisible to autograd, so it has to be announced, or backward silently uses new values."""
    p = Parameter(random(70))
    optimizer = case.ours([("p0", p)], engine="cpu")
    set_gradients([p], 0)
    optimizer.step()
    versions = [p._version, *(t._version for t in buffers(optimizer, [p]))]
    loss = (p * p).sum()
    set_gradients([p], 1)
    optimizer.step()
    assert ran_on(optimizer) == {"cpu": {"p0"}}
    after = [p._version, *(t._version for t in buffers(optimizer, [p]))]
    bumped = [b > a for a, b in zip(versions, after, strict=True)]
    keys = ["p", *(key for key in sorted(optimizer.state[p]))]
    assert all(b for key, b in zip(keys, bumped, strict=True) if key != "step"), dict(zip(keys, bumped, strict=True))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_does_not_hang() -> None:
    """An OpenMP pool does not survive fork: a child that waits for the parent's threads would wait for ever."""
    torch.set_num_threads(4)
    params = parameters([LARGE, 1000])
    optimizer = CASES[-1].ours([("p0", params[0]), ("p1", params[1])], engine="cpu")
    train(optimizer, params, 2)
    assert ran_on(optimizer) == {"cpu": {"p0", "p1"}}
    twins = parameters([LARGE, 1000])
    reference = CASES[-1].ours(twins, engine="cpu")
    train(reference, twins, 3)
    wanted = [p.detach().numpy() for p in twins]
    set_gradients(params, 2)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 warns about fork beside threads: the point here
        child = os.fork()
    if child == 0:  # no torch operation here but the step: they would hang by themselves
        code = 1
        try:
            optimizer.step()
            code = (
                0 if all(numpy.array_equal(p.detach().numpy(), w) for p, w in zip(params, wanted, strict=True)) else 2
            )
        finally:
            os._exit(code)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child of a fork hangs in optimizer.step()")
    assert os.waitstatus_to_exitcode(status) == 0
    optimizer.step()  # the parent is not disturbed
    assert_same_bits(params, twins)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts the threads of the process through /proc")
def test_torch_set_num_threads_is_obeyed() -> None:
    """No second pool: with one thread a step starts none, with three at most two join, and they are torch's."""
    script = """
import os, torch
torch.set_num_threads(1)
import descend
params = [torch.nn.Parameter(torch.ones(1_000_000)) for _ in range(4)]
for p in params: p.grad = torch.ones_like(p)
optimizer = descend.Adam(params, engine="cpu")
count = lambda: len(os.listdir("/proc/self/task"))
optimizer.step()
before = count()
optimizer.step()
one = count() - before
torch.set_num_threads(3)
for _ in range(3): optimizer.step()
three = count() - before
torch.ones(4_000_000).add_(1)
print(one, three, count() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    one, three, with_torch = map(int, done.stdout.split())
    assert one == 0
    assert three == 2, "a large step runs on the threads that torch was given"
    assert with_torch == 2, "torch's next operator runs on the same threads"
