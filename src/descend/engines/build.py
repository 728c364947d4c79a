"""Machine code for generated kernels: compiled by Numba once, then loaded from a cache without Numba.

A kernel's Python source and its object code lie side by side in the cache directory (DESCEND_CACHE_DIR, else
XDG_CACHE_HOME/descend, else ~/.cache/descend). The name is a hash of everything that the code depends on. Loading needs
only llvmlite, whose import takes a third of Numba's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .native import native

ENTRY = "descend_entry"
_loaded: dict[str, int] = {}
_alive: list[Any] = []  # execution engines own the code they loaded


@functools.lru_cache(maxsize=1)
def cache_directory() -> Path:
    """A directory that can be written to; a temporary one if the usual place cannot."""
    named = os.environ.get("DESCEND_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(named) if named else Path(base) / "descend"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError:
        return Path(tempfile.mkdtemp(prefix="descend-"))


@functools.lru_cache(maxsize=1)
def _llvm() -> Any:
    """The binding of LLVM, ready to load object code that calls torch."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in native().symbols.items():
        llvm.add_symbol(name, address)
    return llvm


@functools.lru_cache(maxsize=1)
def _machine() -> Any:
    llvm = _llvm()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


def host_features() -> str:
    """What this processor can do, in LLVM's words: "+avx2,-avx512f,..."."""
    return str(_llvm().get_host_cpu_features().flatten())


@functools.lru_cache(maxsize=1)
def _surroundings() -> str:
    """All that compiled code depends on besides its own source: processor, compiler, and the files it is built with."""
    import llvmlite

    llvm = _llvm()
    here = Path(__file__).parent
    files = [(here.parent / "storage" / name).read_text() for name in ("blocks.py", "rounding.py")]
    files += [
        (here / name).read_text()
        for name in ("intrinsics.py", "reductions.py", "codecs.py", "rounded.py", "layout.py", "build.py")
    ]
    parts = [llvmlite.__version__, llvm.get_host_cpu_name(), host_features(), *files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """All or nothing, since another process may be reading or writing the same file; a full disk costs only time."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    except OSError:
        pass


def _read(path: Path) -> bytes | None:
    """Object code from the cache, if it is there and whole: the loader does not survive a damaged file."""
    try:
        digest, code = path.read_bytes().split(b"\n", 1)
    except (OSError, ValueError):
        return None
    return code if digest == _digest(code) else None


def _digest(code: bytes) -> bytes:
    return hashlib.sha256(code).hexdigest().encode()


def _link(code: bytes, *names: str) -> list[int]:
    """Load object code; the addresses of its functions."""
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _alive.append(engine)
    return [int(engine.get_function_address(name)) for name in names]


def module_of(functions: dict[str, tuple[Callable[..., Any], str]]) -> Any:
    """An LLVM module with the compiled functions, {name: (function, Numba signature)}, and nothing else."""
    from numba import cfunc

    llvm = _llvm()
    whole = llvm.parse_assembly("")
    for name, (function, signature) in functions.items():
        compiled = cfunc(signature, error_model="numpy", nopython=True)(function)
        module = llvm.parse_assembly(compiled.inspect_llvm())
        module.get_function(compiled.native_name).name = name
        whole.link_in(module)
    for function in whole.functions:
        if not function.is_declaration and function.name not in functions:
            function.linkage = "internal"  # what nobody outside calls is inlined or dropped
    for variable in whole.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    builder = llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(whole, builder)
    return whole


def kernel(name: str, source: str, make: Callable[[Path], Callable[..., Any]]) -> int:
    """The address of a compiled kernel: void(job, first tensor, its first element, last tensor, its end).

    Args:
        name: leading part of the file names in the cache, for people.
        source: the kernel's Python source; everything else it depends on is hashed here.
        make: called with the path of the source in the cache if there is no object code yet; returns the function.

    Raises:
        ImportError: Numba or llvmlite is not installed, and the kernel is not in the cache.
    """
    key = f"{name}-{hashlib.sha256((source + _surroundings()).encode()).hexdigest()[:16]}"
    if key not in _loaded:
        path = cache_directory() / f"{key}.py"
        code = _read(path.with_suffix(".o"))
        if code is None:
            _write(path, source.encode())
            module = module_of({ENTRY: (make(path), "void(int64,int64,int64,int64,int64)")})
            code = bytes(_machine().emit_object(module))
            _write(path.with_suffix(".o"), _digest(code) + b"\n" + code)
        (_loaded[key],) = _link(code, ENTRY)
    return _loaded[key]


def runtime_module() -> Any:
    """runtime.py, compiled by Numba."""
    from . import runtime as r

    return module_of({"descend_launch": (r.launch, "int64(int64,int64)"), "descend_worker": (r.worker, "void(int64)")})


@functools.lru_cache(maxsize=1)
def runtime() -> tuple[int, int]:
    """Addresses of `launch` and `worker` of runtime.py, from the assembly kept beside it."""
    try:
        module = _llvm().parse_assembly((Path(__file__).parent / "runtime.ll").read_text())
        module.triple = _machine().triple
        module.data_layout = str(_machine().target_data)
    except RuntimeError:  # another version of LLVM may not read it
        module = runtime_module()
    launch, worker = _link(bytes(_machine().emit_object(module)), "descend_launch", "descend_worker")
    return launch, worker
