"""Time of the low-precision codecs, and of a whole AdamW step with low-precision state, per 16 elements.

Kernels are written here in the manner of descend/engines/source.py, from the intrinsics of descend/engines/codecs.py,
and run next to torch's fused float32 AdamW in the same rounds, on arrays of the size of GPT-2 small (124,439,808
elements: memory is the limit) and on 2,048 elements that stay in the first-level cache (arithmetic is).

    python benchmarks/codec_time.py --threads 1,2 --seconds 8

Threads are Python's: native code releases the interpreter lock, and two long calls are all there is to start.
"""

import argparse
import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import interleave, machine, machine_line, markdown_table

from descend.engines import build, codecs, intrinsics, rounded
from descend.storage import blocks, parameters, rounding
from descend.storage.formats import Format, decode, encode, format_of

GPT2 = 124_439_808
SMALL = 2048
AHEAD = 1024  # elements: int8 state leaves more time between lines of p and g than the engine's 512 suits

UPDATE = [
    "_p = keep * _p",
    "_m = _m + w1 * (_g - _m)",
    "_v = beta2 * _v + w2 * _g * _g",
    "_p = _p - step_size * _m / (sqrt(_v) + eps)",
]
ROW = {"keep": 1 - 1e-5, "step_size": 1e-3, "w1": 0.1, "beta2": 0.999, "w2": 0.001, "eps": 1e-8}

# What is measured: how the parameter is kept (gradients are float32 or, beside bfloat16 parameters, bfloat16), and the
# two moments. In "split" and "kahan" parameters a second array of 16 bits an element goes with the bfloat16 one.
STATES: dict[str, tuple[str, str, str]] = {
    "float32": ("float32", "float32", "float32"),
    "bfloat16": ("float32", "bfloat16", "bfloat16"),
    "bfloat16, v stochastic": ("float32", "bfloat16", "bfloat16_stochastic"),
    "float16": ("float32", "float16", "float16_positive"),
    "int8": ("float32", "int8", "int8log"),
    "int8, v to nearest": ("float32", "int8", "int8log_nearest"),
    "bfloat16 p, split, int8": ("split", "int8", "int8log"),
    "bfloat16 p, kahan, int8": ("kahan", "int8", "int8log"),
    "bfloat16 p, stochastic, int8": ("stochastic", "int8", "int8log"),
}
# What lies apart in memory; a gradient may be its own parameter.
MEMORY = ("p", "g", "rest", "m", "v", "new_m", "new_v", "old_m", "old_v")
COLUMNS = ("p", "g", "m", "v", "words_m", "words_v", "row", "rest")
KEYS = len(ROW)  # words of the row that hold the keys of the random bits


def _apart(name: str) -> codecs.Apart:
    same = {"p": ("p", "g"), "g": ("p", "g")}.get(name, (name,))
    return name, tuple(other for other in MEMORY if other not in same)


def _format(kind: str, signed: bool) -> Format:
    return format_of("int8" if kind.startswith("int8") else kind.split("_", maxsplit=1)[0], signed)


def _update(param: str, v: str, coded: list[str]) -> list[str]:
    """The loop over the elements of a block: load, AdamW, store to memory or, with the reductions, to scratch."""
    pair = param in ("split", "kahan")
    body = ["_p = load_p(at_p, at_rest, i)" if pair else "_p = load_p(at_p, i)", "_g = load_g(at_g, i)"]
    for x in ("m", "v"):
        body += [
            f"_{x} = decode_{x}(at_{x}, i, first_{x}_, second_{x}_)" if x in coded else f"_{x} = load_{x}(at_{x}, i)"
        ]
    body += UPDATE
    if param == "stochastic":
        body += ["store_p(at_p, i, _p, start_bits)"]
    else:
        body += ["store_p(at_p, at_rest, i, _p)" if pair else "store_p(at_p, i, _p)"]
    for x in ("m", "v"):
        if x in coded:
            body += [f"store_new_{x}(new_{x}, i, _{x})", f"top_{x}_ = top_{x}(top_{x}_, _{x})"]
            body += [f"low_{x}_ = low_{x}(low_{x}_, _{x})"]
        elif x == "v" and v == "bfloat16_stochastic":
            body += ["store_v(at_v, i, _v, start_bits)"]
        else:
            body += [f"store_{x}(at_{x}, i, _{x})"]
    return ["for i in range(128):"] + [f"    {line}" for line in body]


def _encode(coded: list[str]) -> list[str]:
    call = "encode_{0}(codes_{0}, i, load_old_{0}(old_{0}, i), factor_{0}, offset_{0}, key)"
    return ["for i in range(128):"] + [f"    {call.format(x)}" for x in coded]


def adamw_source(param: str, m: str, v: str) -> str:
    """An AdamW kernel over whole blocks; block codecs encode block k while block k + 1 is being updated."""
    coded = [x for x, kind in (("m", m), ("v", v)) if kind in codecs.KINDS]
    wide = 4 if param == "float32" else 2
    size = {"p": wide, "g": wide, "m": _format(m, True).codes.itemsize, "v": _format(v, False).codes.itemsize}
    if param in ("split", "kahan"):
        size["rest"] = 2

    def prefetch(*names: str) -> list[str]:
        """In two parts, since a processor waits for at most 10 to 16 lines at a time."""
        found = [f"if block + {AHEAD} < stop:"]
        for x in names:
            found += [f"    for line in range(0, {128 * size[x]}, 64):"]
            found += [f"        prefetch(base_{x} + {size[x]} * (block + {AHEAD}) + line)"]
        return found

    start = ["wide()"] if coded else []
    start += [f"base_{name} = get(job, {i})" for i, name in enumerate(COLUMNS)]
    start += [f"{name} = scalar(base_row, {i})" for i, name in enumerate(ROW)]
    start += [f"key_1, key_2 = whole(base_row, {KEYS}), whole(base_row, {KEYS + 1})", "key = nothing()"]
    for x in coded:
        start += [f"scratch_{x} = scratch()", f"codes_{x}, old_{x} = base_{x}, scratch_{x}"]
        start += [f"factor_{x}, offset_{x} = zero(), nothing()"]
    block = [
        "b = block >> 7",
        "start_bits = block_start(b, key_1, key_2)",
        *prefetch(*[x for x in ("p", "rest", "m") if x in size]),
    ]
    block += [f"at_{x} = base_{x} + {size[x]} * block" for x in size]
    for x in coded:
        block += [f"first_{x}_, second_{x}_ = first_{x}(base_words_{x}, b), second_{x}(base_words_{x}, b)"]
        block += [f"top_{x}_, low_{x}_ = nothing(), everything()", f"new_{x} = scratch_{x} + 512 * (b & 1)"]
    block += _update(param, v, coded) + prefetch("g", "v")
    if coded:
        block += ["if block > start:"] + [f"    {line}" for line in _encode(coded)]
    for x in coded:
        block += [f"if special_{x}(top_{x}_):", "    for i in range(128):"]
        block += [f"        store_new_{x}(new_{x}, i, replace_{x}(load_new_{x}(new_{x}, i), top_{x}_))"]
        block += [
            f"close_{x}(base_words_{x}, b, top_{x}_, low_{x}_)",
            f"factor_{x} = factor_of_{x}(top_{x}_, low_{x}_)",
        ]
        block += [f"offset_{x} = offset_of_{x}(top_{x}_, low_{x}_)", f"codes_{x}, old_{x} = at_{x}, new_{x}"]
    if coded:
        block += ["key = dither(start_bits)"]
    lines = [*start, "for block in range(start, stop, 128):", *[f"    {line}" for line in block]]
    if coded:
        lines += ["if stop > start:"] + [f"    {line}" for line in _encode(coded)]
    return "\n".join(["def kernel(job, start, stop):", *[f"    {line}" for line in lines]]) + "\n"


def _names(param: str, m: str, v: str) -> dict[str, Any]:
    names: dict[str, Any] = {
        "scalar": intrinsics.make_load("float64", "float32"),
        "zero": codecs._make(codecs._f32, [], lambda b: codecs._f(0.0)),
        **{name: getattr(intrinsics, name) for name in ("get", "scratch", "prefetch")},
        **{name: getattr(codecs, name) for name in ("nothing", "everything", "wide")},
        **{name: getattr(rounded, name)() for name in ("whole", "block_start", "dither")},
        **intrinsics.VOCABULARY,
    }
    for x, kind in (("m", m), ("v", v)):
        if kind in codecs.KINDS:
            codec = codecs.make_codec(kind, "float32", _apart(x))
            names |= {f"{k}_of_{x}" if k in ("factor", "offset") else f"{k}_{x}": f for k, f in codec.items()}
    wide = "float32" if param == "float32" else "bfloat16"
    for x, kind in {"p": wide, "g": wide, "m": m, "v": v}.items():
        if kind not in codecs.KINDS:
            dtype = kind.split("_", maxsplit=1)[0]
            make = rounded.make_store if dtype == kind else rounded.make_store_dithered
            names[f"load_{x}"] = rounded.make_load(dtype, "float32", _apart(x))
            names[f"store_{x}"] = make(dtype, "float32", _apart(x))
    for x in ("new_m", "new_v", "old_m", "old_v"):
        names[f"load_{x}"] = rounded.make_load("float32", "float32", _apart(x))
        names[f"store_{x}"] = rounded.make_store("float32", "float32", _apart(x))
    if param in ("split", "kahan"):
        names["load_p"] = rounded.make_load_pair(param, "bfloat16", _apart("p"), _apart("rest"))
        names["store_p"] = rounded.make_store_pair(param, "bfloat16", _apart("p"), _apart("rest"))
    if param == "stochastic":
        names["store_p"] = rounded.make_store_dithered("bfloat16", "float32", _apart("p"))
    return names


def compiled(source: str, names: dict[str, Any]) -> Callable[[int, int, int], None]:
    """The kernel as a C function of (job, start, stop) that releases the interpreter lock."""
    space = dict(names)
    exec(compile(source, "kernel", "exec"), space)
    module = build.module_of({"entry": (space["kernel"], "void(int64,int64,int64)")})
    (address,) = build._link(bytes(build._machine().emit_object(module)), "entry")
    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)


class Step:
    """Parameters, gradient and state of one kernel, and a call that runs one step."""

    def __init__(self, state: str, p: torch.Tensor, g: torch.Tensor, threads: int) -> None:
        kinds, self.size, self.threads = STATES[state], p.numel(), threads
        self.kernel = compiled(adamw_source(*kinds), _names(*kinds))
        if kinds[0] != "float32":
            p, g = p.to(torch.bfloat16), g.to(torch.bfloat16)
        self.pair = kinds[0] in ("split", "kahan")
        rest = torch.zeros(self.size * self.pair, dtype=torch.int16 if kinds[0] == "split" else torch.bfloat16)
        states = [_format(kinds[1], True).zeros(p.numel()), _format(kinds[2], False).zeros(p.numel())]
        codes = [state[0] for state in states]
        words = [torch.zeros(0) if state[1] is None else state[1] for state in states]
        row = torch.tensor([*ROW.values(), *rounding.keys(0, 1)], dtype=torch.float64)
        self.tensors = [p, g, *codes, *words, row, rest]
        self.job = torch.tensor([t.data_ptr() for t in self.tensors])
        written = [t.nbytes for t in (p, *codes, *words, rest)]
        self.state_bytes = (sum(written) - p.nbytes) / self.size
        self.traffic = (2 * sum(written) + g.nbytes) / self.size

    def __call__(self) -> None:
        """Runs one step."""
        job, n = self.job.data_ptr(), self.threads
        cuts = [self.size * k // n // blocks.BLOCK * blocks.BLOCK for k in range(n)] + [self.size]
        workers = [threading.Thread(target=self.kernel, args=(job, *cuts[k : k + 2])) for k in range(1, n)]
        for worker in workers:
            worker.start()
        self.kernel(job, *cuts[:2])
        for worker in workers:
            worker.join()


def check(state: str) -> None:
    """Refuses to time a kernel that does not do in four steps, bit for bit, what the torch reference does."""
    param, first, second = STATES[state]
    kinds, size, key = (_format(first, True), _format(second, False)), 128 * 40, rounding.keys(0, 1)
    step = Step(state, torch.randn(size), torch.randn(size) * torch.randn(size).exp(), 1)
    kept, rest = step.tensors[0].clone(), step.tensors[7].clone()
    g, (m, v) = step.tensors[1].float(), (kind.zeros(size) for kind in kinds)
    keep, step_size, w1, beta2, w2, eps = torch.tensor(list(ROW.values()), dtype=torch.float32)
    for _ in range(4):
        step()
        p = parameters.load_pair(param, kept, rest) if step.pair else kept.float()
        exp_avg, exp_avg_sq = decode(kinds[0], *m), decode(kinds[1], *v)
        exp_avg = exp_avg + w1 * (g - exp_avg)
        exp_avg_sq = beta2 * exp_avg_sq + w2 * g * g
        root = exp_avg_sq.double().sqrt().float()  # torch's float32 root is not always the nearest
        p = keep * p - step_size * exp_avg / (root + eps)
        m, v = (
            encode(kinds[0], exp_avg),
            encode(kinds[1], exp_avg_sq, key if second in ("int8log", "bfloat16_stochastic") else None),
        )
        if step.pair:
            kept, rest = parameters.store_pair(param, p, torch.bfloat16)
        elif param == "stochastic":
            kept = parameters.stochastic(p, torch.bfloat16, parameters.random16(size, key, 0))
        else:
            kept = p
    expected = [kept, m[0], v[0], *(x for x in (m[1], v[1]) if x is not None), rest]
    found = [t for i, t in enumerate(step.tensors) if i not in (1, 6) and (t.numel() or i == 7)]
    if not all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)):
        raise SystemExit(f"{state}: the kernel and the torch reference differ")


def in_cache(step: Step) -> float:
    """Nanoseconds per 16 elements where all data are in the cache, less what a call costs."""
    job = step.job.data_ptr()

    def fastest(stop: int) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            for _ in range(300):
                step.kernel(job, 0, stop)
            times.append((time.perf_counter() - start) / 300)
        return min(times)

    return (fastest(SMALL) - fastest(0)) / (SMALL / 16) * 1e9


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description="Time of low-precision AdamW kernels per 16 elements.")
    parser.add_argument("--threads", default="1,2", help="comma-separated numbers of threads (default: 1,2)")
    states = "; ".join(STATES)
    parser.add_argument(
        "--states", type=lambda text: text.split(";"), default=list(STATES), help=f"separated by semicolons: {states}"
    )
    parser.add_argument("--elements", type=int, default=GPT2, help="elements, a multiple of 128")
    parser.add_argument("--seconds", type=float, default=8.0, help="time per number of threads (default: 8)")
    arguments = parser.parse_args()
    size = arguments.elements // blocks.BLOCK * blocks.BLOCK
    p, g = torch.randn(size), torch.randn(size).mul_(1e-2)
    theirs = p.clone().requires_grad_()
    theirs.grad = g
    rows = []
    for name in arguments.states:
        check(name)
    small = {name: in_cache(Step(name, p[:SMALL].clone(), g[:SMALL], 1)) for name in arguments.states}
    for threads in map(int, arguments.threads.split(",")):
        torch.set_num_threads(threads)
        ours = {name: Step(name, p, g, threads) for name in arguments.states}
        fused = torch.optim.AdamW([theirs], fused=True, weight_decay=1e-2).step
        timings = interleave({"torch fused": fused, **ours}, rounds=100, max_seconds=arguments.seconds)
        theirs_median = timings["torch fused"].median
        for name, timing in timings.items():
            step = ours.get(name)
            cells = [f"{step.state_bytes:.2f}", f"{step.traffic:.2f}"] if step else ["8.00", "28.00"]
            cells += [f"{timing.median * 1e3:.1f} ms", f"{timing.median * threads / size * 16e9:.1f}"]
            cells += [f"{small[name]:.1f}" if step else "-", f"{theirs_median / timing.median:.2f}x"]
            rows.append([name, str(threads), *cells])
        del ours, fused
    header = ["state", "threads", "state bytes", "traffic", "step", "ns per 16", "in cache", "vs torch fused"]
    print(markdown_table(header, rows) + f"\n\n{machine_line(machine())}")


if __name__ == "__main__":
    main()
