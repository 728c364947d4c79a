"""What of torch native code can call and read: its thread pool, its C interface, and where a tensor stands in memory.

The functions are torch's stable C interface for compiled models (aoti_torch_*), two exported C++ functions and the
entry point of the OpenMP runtime that torch itself loaded, so that there is one thread pool and not two. The two
offsets are not part of any interface: they are measured here, on tensors whose answer torch tells us, and used only if
exactly one place fits them all. If anything is missing, `reason` says what, and the eager engine serves.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

# Name in native code: (library, exported symbol).
_FUNCTIONS = {
    "descend_get_data": ("torch_cpu", "aoti_torch_get_data_ptr"),
    "descend_get_dtype": ("torch_cpu", "aoti_torch_get_dtype"),
    "descend_get_rank": ("torch_cpu", "aoti_torch_get_dim"),
    "descend_get_sizes": ("torch_cpu", "aoti_torch_get_sizes"),
    "descend_get_strides": ("torch_cpu", "aoti_torch_get_strides"),
    "descend_get_grad": ("c10", "_ZNK3c1010TensorImpl4gradEv"),
    "descend_bump_version": ("torch_cpu", "_ZN5torch8autograd4impl12bump_versionERKN2at6TensorE"),
}
_POOL = {
    "descend_parallel": "GOMP_parallel",
    "descend_thread_number": "omp_get_thread_num",
    "descend_thread_count": "omp_get_num_threads",
}


@dataclass(frozen=True)
class Native:
    """Addresses of functions and offsets; `reason` is empty if native code can be used.

    Attributes:
        reason: what is missing, in words; empty if nothing is.
        symbols: address of each function that native code names.
        pooled: whether torch's thread pool was found; otherwise one thread does the work.
        impl_at: offset of the tensor in a Python tensor object, in bytes.
        keys_at: offset of the dispatch keys in a tensor, in bytes.
        undefined: address of the tensor that stands for no gradient.
    """

    reason: str
    symbols: dict[str, int]
    pooled: bool
    impl_at: int
    keys_at: int
    undefined: int


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def _library(name: str) -> ctypes.CDLL:
    folder = Path(torch.__file__).parent / "lib"
    prefix, suffix = {"darwin": ("lib", ".dylib"), "win32": ("", ".dll")}.get(sys.platform, ("lib", ".so"))
    return ctypes.CDLL(str(folder / f"{prefix}{name}{suffix}"))


def _pool() -> dict[str, int]:
    """The OpenMP runtime that torch loaded; empty if it is not found, or not GNU's."""
    try:
        with open("/proc/self/maps") as maps:
            path = next(line.split(maxsplit=5)[-1].strip() for line in maps if "gomp" in line and "torch" in line)
        library = ctypes.CDLL(path)
        return {name: _address(getattr(library, symbol)) for name, symbol in _POOL.items()}
    except (OSError, StopIteration, AttributeError):
        return {}


def _only_offset(places: range, fits: Callable[[int], bool]) -> int | None:
    found = [offset for offset in places if fits(offset)]
    return found[0] if len(found) == 1 else None


def _samples() -> list[Tensor]:
    """Tensors that differ in everything an offset could be confused with."""
    conjugate = torch.zeros(3, dtype=torch.complex64).conj()
    with torch.inference_mode():
        inference = torch.zeros(2)
    return [
        torch.zeros(2, 3),
        torch.nn.Parameter(torch.zeros(5)),
        torch.zeros((), dtype=torch.int64),
        conjugate,
        conjugate.imag,
        torch.zeros(4, device="meta"),
        torch.zeros(2, 2).to_sparse(),
        inference,
    ]


@functools.lru_cache(maxsize=1)
def native() -> Native:
    """Find torch's functions and measure the offsets, once a process."""

    def word(address: int) -> int:
        return ctypes.c_uint64.from_address(address).value

    def missing(what: str) -> Native:
        return Native(what, {}, False, 0, 0, 0)

    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return missing("native kernels need 64-bit little-endian CPython")
    symbols = {}
    for name, (library, symbol) in _FUNCTIONS.items():
        try:
            symbols[name] = _address(getattr(_library(library), symbol))
        except (OSError, AttributeError):
            return missing(f"this torch ({torch.__version__}) does not export {symbol}")
    samples = _samples()
    # From the end of the object head to the end of the object; dispatch keys are the last field of a tensor, which has
    # 176 bytes or more.
    impl_at = _only_offset(
        range(object.__basicsize__, Tensor.__basicsize__, 8),
        lambda at: all(word(id(t) + at) == t._cdata for t in samples),
    )
    keys = [torch._C._dispatch_keys(t).raw_repr() & (2**64 - 1) for t in samples]
    keys_at = _only_offset(
        range(8, 176, 8), lambda at: all(word(t._cdata + at) == key for t, key in zip(samples, keys, strict=True))
    )
    if impl_at is None or keys_at is None:
        return missing(f"the layout of tensors in this torch ({torch.__version__}) is not known")
    grad_of = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(symbols["descend_get_grad"])
    undefined = word(grad_of(samples[0]._cdata))
    pool = _pool()
    nowhere = symbols["descend_get_dtype"]  # never called: without a pool the calling thread does all the work
    return Native(
        "", symbols | {name: pool.get(name, nowhere) for name in _POOL}, bool(pool), impl_at, keys_at, undefined
    )


class _Threads:
    """GNU's OpenMP pool does not survive a fork: a child that used it after its parent would wait for ever."""

    forked = False


def _after_fork() -> None:
    _Threads.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def threads() -> int:
    """Threads that a launch may use now: torch.get_num_threads(), or 1 without a pool and in forked children."""
    return torch.get_num_threads() if native().pooled and not _Threads.forked else 1
