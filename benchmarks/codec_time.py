"""Time of the low-precision codecs, and of a whole AdamW step with low-precision state, per 16 elements.

Kernels are written here in the manner of descend/engines/source.py, from the intrinsics of descend/engines/codecs.py,
and run next to torch's fused float32 AdamW in the same rounds, on arrays of the size of GPT-2 small (124,439,808
elements: memory is the limit) and, codec by codec, on 2,048 elements that stay in the first-level cache (arithmetic is).

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

from descend.engines import build, codecs, intrinsics
from descend.storage import blocks
from descend.storage.formats import Format, format_of

GPT2 = 124_439_808
SMALL = 2048
AHEAD = 1024  # elements: int8 state leaves more time between lines of p and g than the engine's 512 suits

UPDATE = """_p = keep * _p
                _m = _m + w1 * (_g - _m)
                _v = beta2 * _v + w2 * _g * _g
                _p = _p - step_size * _m / (sqrt(_v) + eps)"""
ROW = {"keep": 1 - 1e-5, "step_size": 1e-3, "w1": 0.1, "beta2": 0.999, "w2": 0.001, "eps": 1e-8}

# What kind of codec keeps first and second moment.
STATES: dict[str, tuple[str, str]] = {
    "float32": ("float32", "float32"),
    "bfloat16": ("bfloat16", "bfloat16"),
    "float16": ("float16", "float16_positive"),
    "int8": ("int8", "int8log"),
    "int8, v to nearest": ("int8", "int8log_nearest"),
}
MEMORY = ("p", "m", "v", "new_m", "new_v", "old_m", "old_v", "words_m", "words_v")


def _format(kind: str, signed: bool) -> Format:
    return format_of(kind.split("log")[0].split("_")[0], signed)


def adamw_source(m: str, v: str, prefetch_state: bool = True) -> str:
    """An AdamW kernel over whole blocks; block codecs encode block k while block k + 1 is being updated."""
    lines = ["def kernel(job, start, stop):"]
    columns = ("p", "g", "m", "v", "words_m", "words_v", "row")
    lines += [f"    base_{name} = get(job, {i})" for i, name in enumerate(columns)]
    lines += [f"    {name} = scalar(base_row, {i})" for i, name in enumerate(ROW)]
    coded = [(name, kind) for name, kind in (("m", m), ("v", v)) if kind in codecs.KINDS]
    size = {"m": _format(m, True).codes.itemsize, "v": _format(v, False).codes.itemsize, "p": 4, "g": 4}
    for x, _ in coded:
        lines += [f"    scratch_{x} = scratch()", f"    codes_{x} = base_{x}", f"    factor_{x} = zero()"]
        lines += [f"    offset_{x} = nothing()", f"    first_{x}_ = first_{x}(base_words_{x}, 0)"]
        lines += [f"    old_{x} = scratch_{x}"]
    lines += ["    key = nothing()", "    for block in range(start, stop, 128):", "        b = block >> 7"]
    lines += [f"        if block + {AHEAD} < stop:"]
    for x in ("p", "g", "m", "v") if prefetch_state else ("p", "g"):
        lines += [f"            for line in range(0, {128 * size[x]}, 64):"]
        lines += [f"                prefetch(base_{x} + {size[x]} * (block + {AHEAD}) + line)"]
    lines += [f"        at_{x} = base_{x} + {size[x]} * block" for x in size]
    for x, _ in coded:
        lines += [f"        first_{x}_ = first_{x}(base_words_{x}, b)"]
        lines += [f"        second_{x}_ = second_{x}(base_words_{x}, b)"]
        lines += [f"        top_{x}_ = nothing()", f"        low_{x}_ = everything()"]
        lines += [f"        new_{x} = scratch_{x} + 512 * (b & 1)"]
    load = {x: f"decode_{x}(at_{x}, i, first_{x}_, second_{x}_)" for x, _ in coded}
    lines += ["        for i in range(128):", "                _p = load_p(at_p, i)", "                _g = load_g(at_g, i)"]
    lines += [f"                _{x} = {load.get(x, f'load_{x}(at_{x}, i)')}" for x in ("m", "v")]
    lines += [f"                {UPDATE}", "                store_p(at_p, i, _p)"]
    for x in ("m", "v"):
        if x in load:
            lines += [f"                store_new_{x}(new_{x}, i, _{x})"]
            lines += [f"                top_{x}_ = top_{x}(top_{x}_, _{x})"]
            lines += [f"                low_{x}_ = low_{x}(low_{x}_, _{x})"]
        else:
            lines += [f"                store_{x}(at_{x}, i, _{x})"]

    def encode(indent: str) -> list[str]:
        call = "encode_{0}(codes_{0}, i, load_old_{0}(old_{0}, i), factor_{0}, offset_{0}, key)"
        return [f"{indent}for i in range(128):"] + [f"{indent}        {call.format(x)}" for x, _ in coded]

    if coded:
        lines += ["        if block > start:", *encode("            ")]
        for x, _ in coded:
            lines += [f"        if special_{x}(top_{x}_):", "            for i in range(128):"]
            lines += [f"                store_new_{x}(new_{x}, i, replace_{x}(load_new_{x}(new_{x}, i), top_{x}_))"]
            lines += [f"        close_{x}(base_words_{x}, b, top_{x}_, low_{x}_)"]
            lines += [f"        factor_{x}, offset_{x} = factor_of_{x}(top_{x}_, low_{x}_), offset_of_{x}(top_{x}_, low_{x}_)"]
            lines += [f"        codes_{x}, old_{x} = at_{x}, new_{x}"]
        lines += ["        key = as_key(b)", *encode("    ")]
    return "\n".join(lines) + "\n"


def _names(m: str, v: str) -> dict[str, Any]:
    float32 = intrinsics.make_load("float32", "float32")
    del float32
    names: dict[str, Any] = {
        "get": intrinsics.get,
        "scalar": intrinsics.make_load("float64", "float32"),
        "scratch": intrinsics.scratch,
        "prefetch": intrinsics.prefetch,
        "nothing": codecs.nothing,
        "everything": codecs.everything,
        "zero": codecs._make(codecs._f32, [], lambda b: codecs._f(0.0)),
        "as_key": codecs._make(codecs._i32, [codecs._i64], lambda b, x: b.trunc(x, codecs._I32)),
        **intrinsics.VOCABULARY,
    }
    for x, kind in (("m", m), ("v", v)):
        if kind in codecs.KINDS:
            codec = codecs.make_codec(kind, "float32", (x, MEMORY))
            names |= {f"{k}_of_{x}" if k in ("factor", "offset") else f"{k}_{x}": f for k, f in codec.items()}
    for x in ("p", "g", "m", "v", "new_m", "new_v", "old_m", "old_v"):
        kind = {"m": m, "v": v}.get(x, "float32")
        if kind not in codecs.KINDS:
            apart = None if x == "g" else (x, MEMORY)
            names[f"load_{x}"] = intrinsics.make_load(kind, "float32", apart) if 0 else _load(kind, apart)
            names[f"store_{x}"] = _store(kind, apart)
    return names


def _load(kind: str, apart: Any) -> Any:
    place, size, widen, _ = intrinsics.STORED[kind]
    codecs._BYTES.setdefault(place, size)
    return codecs._make(
        codecs._f32, [codecs._i64] * 2, lambda b, base, i: widen(b, codecs._read(b, base, i, place, apart))
    )


def _store(kind: str, apart: Any) -> Any:
    narrow = intrinsics.STORED[kind][3]
    return codecs._make(
        codecs._void,
        [codecs._i64, codecs._i64, codecs._f32],
        lambda b, base, i, x: codecs._write(b, base, i, narrow(b, x), apart),
    )


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
        m, v = STATES[state]
        self.kernel, self.size, self.threads = compiled(adamw_source(m, v), _names(m, v)), p.numel(), threads
        self.state = [_format(m, True).zeros(self.size), _format(v, False).zeros(self.size)]
        self.row = torch.tensor(list(ROW.values()), dtype=torch.float64)
        empty = torch.zeros(1)
        codes, words = zip(*self.state, strict=True)
        self.tensors = [p, g, *codes, *(empty if w is None else w for w in words), self.row]
        self.job = torch.tensor([t.data_ptr() for t in self.tensors])

    def __call__(self) -> None:
        job, n = self.job.data_ptr(), self.threads
        cuts = [self.size * k // n // blocks.BLOCK * blocks.BLOCK for k in range(n)] + [self.size]
        workers = [threading.Thread(target=self.kernel, args=(job, *cuts[k : k + 2])) for k in range(1, n)]
        for worker in workers:
            worker.start()
        self.kernel(job, *cuts[:2])
        for worker in workers:
            worker.join()


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
    parser.add_argument("--elements", type=int, default=GPT2, help="elements, a multiple of 128")
    parser.add_argument("--seconds", type=float, default=8.0, help="time per number of threads (default: 8)")
    arguments = parser.parse_args()
    size = arguments.elements // blocks.BLOCK * blocks.BLOCK
    p, g = torch.randn(size), torch.randn(size).mul_(1e-2)
    theirs = p.clone().requires_grad_()
    theirs.grad = g
    ours = p
    rows = []
    for threads in map(int, arguments.threads.split(",")):
        torch.set_num_threads(threads)
        steps: dict[str, Callable[[], object]] = {
            "torch fused": torch.optim.AdamW([theirs], fused=True, weight_decay=1e-2).step
        }
        steps |= {name: Step(name, ours, g, threads) for name in STATES}
        timings = interleave(steps, rounds=100, max_seconds=arguments.seconds)
        fused = timings["torch fused"].median
        for name, timing in timings.items():
            per16 = timing.median * threads / size * 16e9
            small = f"{in_cache(Step(name, p[:SMALL], g[:SMALL], 1)):.1f}" if name in STATES else "-"
            bits = "-"
            if name in STATES:
                kinds = zip(STATES[name], (True, False), strict=True)
                bits = f"{sum(_format(kind, signed).nbytes(size) for kind, signed in kinds) / size:.3f}"
            seconds = f"{timing.median * 1e3:.1f} ms"
            rows.append([name, str(threads), bits, seconds, f"{per16:.1f}", small, f"{fused / timing.median:.2f}x"])
        del steps
    header = ["state", "threads", "bytes of state", "step", "ns per 16", "in cache", "vs torch fused"]
    print(markdown_table(header, rows) + f"\n\n{machine_line(machine())}")


if __name__ == "__main__":
    main()
