"""Many copies of a model in one batched run: the same optimizer and seed, hence the same batches, at several rates.

Parameters and buffers of all copies lie in stacks [copies, ...]. One forward pass under vmap and one backward pass give
all losses and gradients; then each trial's own optimizers step its own parameters, which are views of the stacks
meanwhile. Trials stay what they are: measured, stopped and saved as if each had run alone.

One optimizer with a group a copy, instead of an optimizer a copy, saved 2 to 10 % of a step of this package's
optimizers; its state would have had to be taken apart for every measurement and checkpoint.

Against training alone, 100 steps (tests/test_stacked.py): SGD with momentum, AdamW and RMSprop leave the same bits in
an MLP; losses differ by up to 5e-7, since their mean is summed in another order. With convolutions or normalisation
weights differ by up to 5e-7 of the largest one under SGD, and losses by as little under all three; but where a gradient
is nothing but rounding (a bias before a normalisation) AdamW and RMSprop make whole steps of it, in other directions.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ..isolation import RandomState
from ..problem import Problem
from ..trial import Trial
from .stack import Stack, members

TOLERANCE = 1e-4
"""How far losses and gradients may be from the loop's, relatively; float32 in another order is 100 times closer."""

LARGEST = 300_000
"""Parameters of a model on a CPU from which not even 16 copies gain on one thread: benchmarks/stacked_time.py."""

WORTH = 1.1
"""How much faster the batched run must be: less is within the noise of a short measurement."""

BATCHES, COPIES, LOOP_STEPS = 3, 3, 4  # of the check; copies compared; steps of the loop a round of timing


def run(trials: Sequence[Trial], until: int, deadline: float | None = None) -> None:
    """Train all trials as `Trial.run` would train each, in one batched run where that is possible.

    A trial that diverges or fails leaves the run, and the others go on. What vmap cannot do is done by the loop.

    Args:
        trials: of one problem, contender and seed, at different rates.
        until: evaluations of loss and gradient, as counted by `Trial.step`.
        deadline: a value of time.perf_counter() after which no further step begins.
    """
    outside = RandomState.now()
    try:
        with _quiet():
            while len(group := _alike(trials, until)) > 1 and not _late(deadline):
                if not _together(group, until, deadline):
                    break
    finally:
        outside.restore()
    for trial in trials:
        if trial.status == "unfinished" and trial.step < until and not _late(deadline):
            trial.run(until, deadline)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remark that vmap loops over an operation: the clock decides whether that matters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        yield


def _late(deadline: float | None) -> bool:
    return deadline is not None and perf_counter() > deadline


def _alike(trials: Sequence[Trial], until: int) -> list[Trial]:
    """Those that can go on together: at the same step, with the same random numbers ahead."""
    group = [t for t in trials if t.status == "unfinished" and t.step < until and t._way == "plain"]
    return [
        t
        for t in group
        if (t.step, t.updates) == (group[0].step, group[0].updates) and torch.equal(t._random.cpu, group[0]._random.cpu)
    ]


def _together(group: list[Trial], until: int, deadline: float | None) -> bool:
    """Train a group until one of it ends, the time is up or all have arrived; False if the loop must go on."""
    problem, due = group[0].problem, set(group[0].due(until))
    stack: Stack | None = None
    group[0]._random.restore()
    try:
        for trial in group:
            if not trial.evaluations:
                _guarded(trial, problem.start(trial.seed))
        if any(trial.status != "unfinished" for trial in group):
            return True
        stream = problem.stream(group[0].seed)
        stack = Stack(group)
        while group[0].step < until and not _late(deadline):
            batch = stream.batch(group[0].updates)
            if not _update(stack, batch):
                return False
            for trial in group:
                if trial.status == "unfinished" and trial.step in due:
                    _guarded(trial)
            if any(trial.status != "unfinished" for trial in group):
                break
    except Exception:  # of the loader, of stacking: the loop meets it again, and says whose fault it is
        return False
    finally:
        if stack is not None:
            stack.release()
        now = RandomState.now()
        for trial in group:
            if trial.updates:  # one that has not begun keeps the random numbers that it begins with
                trial._random = now
    return True


def _guarded(trial: Trial, value: float | None = None) -> None:
    """Measure held-out data; an exception is the end of this trial alone."""
    try:
        trial.evaluate(value)
    except Exception as error:
        trial.fail(error)


def _update(stack: Stack, batch: Any) -> bool:
    """One update of every copy, with its bookkeeping; False if nothing was changed, as the loop must do it."""
    start = perf_counter()
    try:
        losses = stack.gradients(batch)
    except Exception:
        return False
    first = not stack.trials[0].updates
    moved: list[tuple[Trial, float]] = []
    try:
        for trial, loss in zip(stack.trials, losses, strict=True):
            trial.apply_schedule()
            try:
                for optimizer in trial.optimizers:
                    optimizer.step()
            except Exception as error:
                if first:  # perhaps it wants a closure: Trial finds out, from the start
                    moved.clear()
                    _begin_anew(stack)
                    return False
                trial.fail(error)
                continue
            trial.step += 1
            trial.updates += 1
            moved.append((trial, loss))
    finally:  # after Ctrl-C, too, every update that was made has its loss
        seconds = (perf_counter() - start) / len(stack.trials)
        for trial, loss in moved:
            trial.observe(loss, seconds)
    return True


def _begin_anew(stack: Stack) -> None:
    """Put every trial of a stack back to its start, with a model and an optimizer of its own."""
    stack.release()
    for trial in stack.trials:
        trial.step = trial.updates = 0
        trial._set_up()


# ------------------------------------------------------------------------------------------------- is it worth it?


def worth_it(problem: Problem, trials: Sequence[Trial]) -> tuple[bool, str]:
    """Whether a batched run gives what the loop gives, and faster: tried on throw-away copies, a few dozen steps.

    Losses, gradients, buffers and updates of three copies on three batches are compared with the loop's; then a batched
    step of all copies and steps of one copy take turns on the clock.

    Args:
        problem: that of the trials.
        trials: of one contender and seed; nothing about them is changed.

    Returns:
        The answer, and the reason in words: `2.6x`, or what stands against it, beginning with `no: `.
    """
    if len(trials) < 2:
        return False, "no: a single copy"
    if any(trial.status != "unfinished" for trial in trials):
        return False, "no: a run could not start"
    if any(trial._way != "plain" for trial in trials):
        return False, "no: step(closure)"
    if problem.device.type == "cpu" and problem.parameters > LARGEST:
        return False, f"no: the loop is as fast from {LARGEST:,} parameters on ({problem.parameters:,})"
    outside, no_leak = RandomState.now(), problem._no_leak
    try:
        with _quiet():
            against = _difference(problem, sorted(trials, key=lambda trial: trial.lr)[:COPIES])
            if against:
                return False, f"no: {against}"
            ratio = _speed(problem, trials)
    except Exception as error:
        return False, f"no: {_line(error)}"
    finally:
        outside.restore()
        problem._no_leak = no_leak
    if ratio >= WORTH:
        return True, f"{ratio:.1f}x"
    return False, f"no: the loop is {'faster' if ratio < 1 else 'as fast'} ({ratio:.2g}x)"


def _difference(problem: Problem, trials: Sequence[Trial]) -> str:
    """What differs between the batched run and the loop; empty if nothing does."""
    alone, together = [_twin(trial) for trial in trials], [_twin(trial) for trial in trials]
    stream = problem.stream(trials[0].seed)
    stack = Stack(together)
    random = trials[0]._random
    for number in range(BATCHES):
        batch = stream.batch(trials[0].updates + number)
        expected = []
        for trial in alone:
            random.restore()
            attributes = _attributes(trial.model)
            for optimizer in trial.optimizers:
                optimizer.zero_grad()
            expected.append(problem.backward(trial.model, batch).item())
            changed = [name for name, value in _attributes(trial.model).items() if attributes.get(name) != value]
            if changed:
                return f"the forward pass changes {changed[0]}"
        if any(p.grad is not None and p.grad.layout != torch.strided for p in alone[0].model.parameters()):
            return "sparse gradients"
        after = RandomState.now()
        random.restore()
        try:
            losses = stack.gradients(batch)
        except Exception as error:
            return f"vmap cannot run it ({_line(error)})"
        draws = not torch.equal(random.cpu, after.cpu)
        if not torch.equal(torch.get_rng_state(), after.cpu) or (
            draws and not all(map(_close, map(torch.tensor, losses), map(torch.tensor, expected)))
        ):
            return "dropout draws other random numbers"
        for ours, theirs, loss, value in zip(together, alone, losses, expected, strict=True):
            what = _compared(ours, theirs, loss, value)
            if what:
                return what
        random = after
    return ""


def _compared(ours: Trial, theirs: Trial, loss: float, expected: float) -> str:
    """What differs after a backward pass, or after an update with the same gradients."""
    if not _close(torch.tensor(loss), torch.tensor(expected)):
        return f"the loss is {loss:.6g} in a batched run, {expected:.6g} alone"
    ours_tensors, theirs_tensors = members(ours.model), members(theirs.model)
    pairs = [(name, tensor, theirs_tensors[name]) for name, tensor in ours_tensors.items()]
    missing = [name for name, a, b in pairs if (a.grad is None) != (b.grad is None)]
    if missing:
        return f"{missing[0]} has a gradient in one of both ways only"
    graded = [(a.grad, b.grad) for _, a, b in pairs if a.grad is not None and b.grad is not None]
    # All gradients as one vector: some, as of a bias before a normalisation, are nothing but rounding.
    if not _close(_flat([a for a, _ in graded]), _flat([b for _, b in graded])):
        return "the gradients differ"
    for name, a, b in pairs:
        if not _close(a.detach(), b.detach()):
            return f"the forward pass leaves another {name}"
    before = _flat([b.detach() for _, _, b in pairs])
    with torch.no_grad():
        for _, a, b in pairs:
            a.copy_(b)
            if a.grad is not None and b.grad is not None:
                a.grad.copy_(b.grad)
    for trial in (ours, theirs):
        state = torch.get_rng_state()
        trial.apply_schedule()
        try:
            for optimizer in trial.optimizers:
                optimizer.step()
        except Exception:
            return "step(closure)"
        if not torch.equal(state, torch.get_rng_state()):
            return "the optimizer draws random numbers"
        trial.step += 1
        trial.updates += 1
    left, right = (_flat([t.detach() for t in tensors.values()]) for tensors in (ours_tensors, theirs_tensors))
    if not _close(left - before, right - before, float((right.abs().max() * torch.finfo(torch.float32).eps).item())):
        return "the optimizer makes another update of views"
    return ""


def _speed(problem: Problem, trials: Sequence[Trial]) -> float:
    """How many times faster a batched step of all copies is than as many steps alone."""
    twins, alone = [_twin(trial) for trial in trials], _twin(trials[0])
    stack, stream, batched, loop = Stack(twins), problem.stream(alone.seed), [], []
    for number in range(BATCHES + 1):  # the first round warms up
        batch = stream.batch(trials[0].updates + number)
        start = perf_counter()
        if not _update(stack, batch):
            raise RuntimeError("a batched step failed")
        batched.append(perf_counter() - start)
        start = perf_counter()
        for _ in range(LOOP_STEPS):
            alone.apply_schedule()
            alone._plain(batch)
        loop.append((perf_counter() - start) / LOOP_STEPS)
    return len(trials) * min(loop[1:]) / min(batched[1:])


def _twin(trial: Trial) -> Trial:
    """A trial in the same state that shares nothing with it."""
    twin = Trial(
        trial.problem, trial.contender, trial.lr, trial.seed, total_steps=trial.total_steps, schedule=trial.schedule
    )
    if twin.status != "unfinished":
        raise RuntimeError(twin.message)
    if trial.updates:
        twin.load_state_dict(copy.deepcopy(trial.state_dict()))
    return twin


def _attributes(model: nn.Module) -> dict[str, Any]:
    """Plain numbers and the like that modules carry: copies that share a forward pass cannot each have their own."""
    return {
        f"{name}.{key}".lstrip("."): value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, (bool, int, float, str))
    }


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1).double() for tensor in tensors])


def _close(a: Tensor, b: Tensor, slack: float = 0.0) -> bool:
    """Whether two tensors agree within TOLERANCE of the second's norm; what is not finite must be so in both."""
    a, b = a.double().reshape(-1), b.double().reshape(-1)
    a, b = a.nan_to_num(), b.nan_to_num()
    return bool((a - b).norm() <= TOLERANCE * b.norm() + slack * len(b) ** 0.5)


def _line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    with suppress(ValueError):
        text = text[: text.index(". ")] if len(text) > 100 else text
    return f"{type(error).__name__}: {text}"
