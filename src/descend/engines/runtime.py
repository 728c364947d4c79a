"""Native code common to all rules: check that nothing has changed since the plan was made, then launch.

For 200 small tensors, reading gradients, layouts and addresses from Python costs several times the update itself.
Here the same facts are read through torch's C interface (aoti_torch_*) in one call. Any difference to what the plan was
made for (a gradient that appears or vanishes, another address, dtype, layout, device, subclass or step count) is
answered with CHANGED before anything is written; the shell then makes a new plan.

Compiling this file takes Numba a second, so its LLVM assembly is kept in runtime.ll, which is what runs. After a change
here or in intrinsics.py or layout.py: `python -m descend.engines.runtime` writes it anew; a test compares the two.
"""

from __future__ import annotations

from numba import njit, types

from .intrinsics import at, call_kernel, get, make_load, make_store, put
from .layout import (
    ADDRESSES,
    CHANGED,
    CHECK,
    CHUNK,
    COLUMNS,
    DIMENSIONS,
    DONE,
    DTYPES,
    ENTRIES,
    FAILED,
    FINISH,
    GRAD_BYTES,
    IDLE,
    IDLE_OBJECTS,
    IMPL_AT,
    KERNEL,
    KEYS,
    KEYS_AT,
    MODE,
    NUMBER_DATA,
    NUMBER_DOUBLE,
    NUMBER_DTYPE,
    NUMBER_KEYS,
    NUMBER_OBJECTS,
    NUMBERS,
    NUMBERS_AT,
    OBJECTS,
    RANKS,
    RECORD,
    ROW,
    RUN,
    SCRATCH,
    STARTS,
    THREADS,
    TOTAL,
    UNDEFINED,
    WORD_DATA,
    WORD_KEYS,
    WORD_OBJECTS,
    WORDS_KEPT,
    WRITTEN,
    WRITTEN_FROM,
    WRITTEN_TO,
)

_WORD = types.int64
load_float32, load_float64 = make_load("float32", "float64"), make_load("float64", "float64")
store_float32, store_float64 = make_store("float32", "float64"), make_store("float64", "float64")

# C functions, by the names under which build.py makes them known; addresses and pointers are int64.
_ask = types.int32(_WORD, _WORD)
ask_data = types.ExternalFunction("descend_get_data", _ask)
ask_dtype = types.ExternalFunction("descend_get_dtype", _ask)
ask_rank = types.ExternalFunction("descend_get_rank", _ask)
ask_sizes = types.ExternalFunction("descend_get_sizes", _ask)
ask_strides = types.ExternalFunction("descend_get_strides", _ask)
grad_of = types.ExternalFunction("descend_get_grad", _WORD(_WORD))
bump_version = types.ExternalFunction("descend_bump_version", types.void(_WORD))
parallel = types.ExternalFunction("descend_parallel", types.void(_WORD, _WORD, _WORD, _WORD))
thread_number = types.ExternalFunction("descend_thread_number", types.int32())
thread_count = types.ExternalFunction("descend_thread_count", types.int32())

# Called only from native code: wrappers for Python and C would double the time to compile.
helper = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@helper
def agree(base, index, value, record):
    """Write the value, or tell whether it is the one written before."""
    if record:
        put(base, index, value)
    return get(base, index) == value


@helper
def apart_from_written(job, address, i):
    """Whether a gradient at a new address shares no memory with what the launch writes, or is its own parameter."""
    if address == at(job, ADDRESSES, i):
        return True
    low, high = 0, get(job, WRITTEN)
    while low < high:  # the first span that ends behind the gradient's beginning
        middle = (low + high) >> 1
        if at(job, WRITTEN_TO, middle) <= address:
            low = middle + 1
        else:
            high = middle
    return low == get(job, WRITTEN) or address + at(job, GRAD_BYTES, i) <= at(job, WRITTEN_FROM, low)


@helper
def same_tensor(job, tensor, column, i, record):
    """Is the tensor (address of an at::Tensor) in this place of the table what it was?"""
    place = column * get(job, ENTRIES) + i
    # Dispatch keys first: they tell device, layout, subclass, negation and conjugation, and that the rest may be asked.
    if not agree(get(job, KEYS), place, get(get(tensor, 0) + get(job, KEYS_AT), 0), record):
        return False
    answer, rank = get(job, SCRATCH), at(job, RANKS, i)
    put(answer, 0, 0)
    failed = ask_dtype(tensor, answer) | ask_rank(tensor, answer + 8) | ask_sizes(tensor, answer + 16)
    failed |= ask_strides(tensor, answer + 24) | ask_data(tensor, answer + 32)
    if failed or get(answer, 1) != rank or not agree(get(job, DTYPES), place, get(answer, 0), record):
        return False
    known, record_layout = at(job, DIMENSIONS, i), record and column == 0
    for d in range(rank):
        size = at(answer, 2, d)
        if not agree(known, d, size, record_layout):
            return False
        if not agree(known, rank + d, at(answer, 3, d), record_layout) and size != 1:
            return False
    if column == 1 and get(get(job, ADDRESSES), place) != get(answer, 4):
        if not apart_from_written(job, get(answer, 4), i):
            return False
        put(get(job, ADDRESSES), place, get(answer, 4))
    return agree(get(job, ADDRESSES), place, get(answer, 4), record)


@helper
def same_number(job, place, i, k, record):
    """Does number k of an entry, a step count for example, have the value before this step? Notes where it lies."""
    tensor, answer = at(job, NUMBER_OBJECTS, place) + get(job, IMPL_AT), get(job, SCRATCH)
    if not agree(job, NUMBER_KEYS, get(get(tensor, 0) + get(job, KEYS_AT), 0), record):
        return False
    put(answer, 0, 0)
    failed = ask_dtype(tensor, answer) | ask_data(tensor, answer + 8)
    if failed or not agree(job, NUMBER_DTYPE, get(answer, 0), record):
        return False
    data = get(answer, 1)
    put(get(job, NUMBER_DATA), place, data)
    before = load_float64(at(job, ROW, i), get(job, NUMBERS_AT) + get(job, NUMBERS) + k)
    return (load_float64(data, 0) if get(job, NUMBER_DOUBLE) else load_float32(data, 0)) == before


@helper
def same_words(job, place, record):
    """Are a coded buffer's block numbers where they were? The shell sees to it that the object is the same."""
    tensor, answer = at(job, WORD_OBJECTS, place) + get(job, IMPL_AT), get(job, SCRATCH)
    if not agree(get(job, WORD_KEYS), place, get(get(tensor, 0) + get(job, KEYS_AT), 0), record):
        return False
    if ask_data(tensor, answer):
        return False
    return agree(get(job, WORD_DATA), place, get(answer, 0), record)


@helper
def same_entry(job, i, record):
    """Check one parameter with its gradient, buffers and step."""
    n, impl_at = get(job, ENTRIES), get(job, IMPL_AT)
    param = at(job, OBJECTS, i) + impl_at
    if not (same_tensor(job, param, 0, i, record) and same_tensor(job, grad_of(get(param, 0)), 1, i, record)):
        return False
    for column in range(2, get(job, COLUMNS)):
        if not same_tensor(job, at(job, OBJECTS, column * n + i) + impl_at, column, i, record):
            return False
    for k in range(get(job, WORDS_KEPT)):
        if not same_words(job, k * n + i, record):
            return False
    for k in range(get(job, NUMBERS)):
        if not same_number(job, k * n + i, i, k, record):
            return False
    return True


@helper
def find(job, element):
    """The entry in which an element of the whole lies."""
    low, high = 0, get(job, ENTRIES)
    while high - low > 1:
        middle = (low + high) >> 1
        if at(job, STARTS, middle) <= element:
            low = middle
        else:
            high = middle
    return low


@helper
def work(job, part, parts):
    """Run one thread's share of the elements through the kernel."""
    total = get(job, TOTAL)
    begin, end = total * part // parts, total * (part + 1) // parts
    first, last = find(job, begin), find(job, end)
    start, stop = begin - at(job, STARTS, first), end - at(job, STARTS, last)
    start -= start % CHUNK
    if end < total:
        stop -= stop % CHUNK
    call_kernel(get(job, KERNEL), job, first, start, last, stop)


def worker(job):
    """What each thread of torch's pool runs."""
    work(job, _WORD(thread_number()), _WORD(thread_count()))


@helper
def finish(job):
    """Tell autograd what was written, and write the numbers kept per parameter."""
    n, impl_at = get(job, ENTRIES), get(job, IMPL_AT)
    for place in range(get(job, COLUMNS) * n):
        if place < n or place >= 2 * n:  # all but the gradients
            bump_version(at(job, OBJECTS, place) + impl_at)
    for place in range(get(job, WORDS_KEPT) * n):
        bump_version(at(job, WORD_OBJECTS, place) + impl_at)
    for k in range(get(job, NUMBERS)):
        for i in range(n):
            bump_version(at(job, NUMBER_OBJECTS, k * n + i) + impl_at)
            number = load_float64(at(job, ROW, i), get(job, NUMBERS_AT) + k)
            if get(job, NUMBER_DOUBLE):
                store_float64(at(job, NUMBER_DATA, k * n + i), 0, number)
            else:
                store_float32(at(job, NUMBER_DATA, k * n + i), 0, number)


@helper
def same(job, record):
    """Is everything as it was when the plan was made?"""
    for i in range(get(job, IDLE)):
        if get(grad_of(get(at(job, IDLE_OBJECTS, i) + get(job, IMPL_AT), 0)), 0) != get(job, UNDEFINED):
            return False
    for i in range(get(job, ENTRIES)):
        if not same_entry(job, i, record):
            put(job, FAILED, i)
            return False
    return True


def launch(job, worker_address):
    """Check, update, count, as far as MODE asks for it: the native part of one optimizer step.

    Returns:
        DONE, or CHANGED with nothing written.
    """
    mode = get(job, MODE)
    if mode & CHECK and not same(job, get(job, RECORD) != 0):
        return CHANGED
    if mode & RUN:
        if get(job, THREADS) > 1:
            parallel(worker_address, job, get(job, THREADS), 0)
        else:
            work(job, 0, 1)
    if mode & FINISH:
        finish(job)
    return DONE


def assembly() -> str:
    """This file as LLVM assembly for any 64-bit little-endian processor, in words that older LLVM versions know."""
    import re

    from .build import runtime_module

    lines = []
    for line in str(runtime_module()).splitlines():
        if not re.match(r"source_filename|target |; |!|attributes |.*noalias\.scope\.decl", line):
            line = re.sub(r",? ![a-zA-Z_.]+ !\d+|,? !\d+| #\d+| captures\(none\)|; preds = .*", "", line).rstrip()
            lines.append(line.replace("_ZN8__main__", "_ZN7descend"))
    return re.sub(r"\n\n+", "\n\n", "\n".join(lines)).strip() + "\n"


if __name__ == "__main__":
    from pathlib import Path

    Path(__file__).with_suffix(".ll").write_text(assembly())
