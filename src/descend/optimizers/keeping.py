"""How state and parameters are kept: `state_dtype`, `rounding` and `master` as kinds of storage.kept.

State of a buffer kept in blocks is two tensors: `state[name]` with the codes, in the parameter's shape, and
`state[name + "_scale"]` with the blocks' numbers. What is kept beside a parameter is `state["compensation"]` or
`state["master_low"]`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from ..rules import Buffer
from ..storage.formats import NAMES, Format, format_of
from ..storage.kept import is_dithered, kind_of, load_kept, store_kept
from ..storage.parameters import rest_dtype

HALVES = (torch.bfloat16, torch.float16)
# State key of what is kept beside a parameter, by how it is rounded.
REST = {"kahan": "compensation", "split": "master_low"}
DRAWS = "rounding_step"  # group key: steps so far, where the algorithm does not count them and something is dithered


def scale_key(name: str) -> str:
    """State key of a buffer's block numbers."""
    return f"{name}_scale"


def _name(value: Any) -> Any:
    return str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else value


def check_state_dtype(value: Any, buffers: Collection[str]) -> None:
    """Refuse what is no format, or a buffer that does not exist.

    Raises:
        ValueError: the message says what is allowed.
    """
    if value is None:
        return
    asked = value if isinstance(value, Mapping) else dict.fromkeys(buffers or [""], value)
    for name, dtype in asked.items():
        if buffers and name not in buffers:
            raise ValueError(f"Invalid state_dtype: {value!r} (there is no buffer {name!r}, only {list(buffers)})")
        if _name(dtype) not in NAMES:
            raise ValueError(
                f"Invalid state_dtype: {value!r} (state_dtype must be one of {', '.join(map(repr, NAMES))}, "
                "or a dict of those by buffer)"
            )


def formats(value: Any, buffers: Mapping[str, Buffer]) -> dict[str, Format]:
    """The format that each buffer is asked to have; those left out are as torch keeps them."""
    if value is None:
        return {}
    asked = value if isinstance(value, Mapping) else dict.fromkeys(buffers, value)
    return {name: format_of(_name(dtype), buffers[name].signed) for name, dtype in asked.items()}


def parameter_kind(param: Tensor, rounding: str | None, master: str | None, name: str) -> str:
    """How a parameter is kept.

    Raises:
        RuntimeError: it cannot be kept as is asked.
    """
    dtype = str(param.dtype).removeprefix("torch.")
    if param.dtype not in HALVES or (rounding is None and master is None):
        return dtype
    if master is not None:
        if param.dtype != torch.bfloat16:
            raise RuntimeError(f"{name}: master='split' is for bfloat16 parameters, this one is {dtype}")
        return f"{dtype}|{master}"
    return f"{dtype}~" if rounding == "stochastic" else f"{dtype}|{rounding}"


def mode_of(kind: str | None) -> str | None:
    """What is kept beside a parameter of this kind."""
    return kind.split("|")[1] if kind is not None and "|" in kind else None


def refuse(param: Tensor, name: str) -> None:
    """Raise where low precision has no meaning yet."""
    if param.is_complex():
        raise RuntimeError(f"{name}: state_dtype, rounding and master are not for complex parameters")
    if type(param) is not Tensor and type(param) is not torch.nn.Parameter:
        raise RuntimeError(
            f"{name}: state_dtype, rounding and master need plain tensors, this one is a {type(param).__name__}"
        )


def rest(param: Tensor, kind: str, state: Mapping[str, Any], new: dict[str, Any]) -> Tensor | None:
    """What is kept beside a parameter, made if it is not there; what is not asked for any more is forgotten."""
    mode = mode_of(kind)
    for other, key in REST.items():
        if other != mode and key in state:
            new[key] = None
    if mode is None:
        return None
    key = REST[mode]
    tensor = new.get(key) if state.get(key) is None else state[key]
    if tensor is None:
        dtype = rest_dtype(mode, param.dtype)
        tensor = new[key] = torch.zeros_like(
            param, dtype=dtype, memory_format=torch.preserve_format, requires_grad=False
        )
    return tensor


def kind_now(tensor: Tensor, words: Tensor | None, buffer: Buffer) -> str:
    """How a buffer in the state is kept."""
    if words is None:
        return str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype == torch.float16:
        return "float16*" if buffer.signed else "float16+"
    return str(tensor.dtype).removeprefix("torch.")


def make(param: Tensor, format: Format, value: float) -> tuple[Tensor, Tensor | None]:
    """A buffer in a format, every element of it `value`."""
    codes = torch.zeros_like(param, dtype=format.codes, memory_format=torch.preserve_format, requires_grad=False)
    words = None
    if format.words:
        words = torch.zeros(format.words_shape(param.numel()), dtype=format.word, device=param.device)
    if value:
        write(codes, words, kind_of(format), torch.full_like(codes, value, dtype=torch.float32))
    return codes, words


def write(codes: Tensor, words: Tensor | None, kind: str, value: Tensor) -> None:
    """Fill a buffer with values."""
    if words is None and not is_dithered(kind):
        codes.copy_(value)
    else:
        store_kept(kind, codes, words, value)


def converted(param: Tensor, tensor: Tensor, words: Tensor | None, buffer: Buffer, format: Format | None) -> Any:
    """The buffer as it is asked to be, (tensor, words); None if it is so already.

    Without a format asked for, codes become what torch would hold; whatever holds plain values stays.
    """
    now = kind_now(tensor, words, buffer)
    if format is None:
        if words is None:
            return None
        like = torch.zeros_like(param, memory_format=torch.preserve_format, requires_grad=False)
        return like.copy_(load_kept(now, tensor, words)), None
    if now == kind_of(format).removesuffix("~"):
        return None
    codes, new_words = make(param, format, 0.0)
    write(codes, new_words, kind_of(format), load_kept(now, tensor, words))
    return codes, new_words
