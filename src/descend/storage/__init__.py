"""How a tensor is kept: its dtype in memory, and the dtype it is computed in.

Every engine loads a value in its stored dtype, computes in the compute dtype and rounds once when it stores. This file
is the torch reference of load and store; compiled engines follow it bit for bit.
"""

import torch
from torch import Tensor

__all__ = ["NATIVE", "compute_dtype", "load", "real_dtype", "store"]

# Stored dtypes that the compiled engines load and store themselves.
NATIVE = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of the real view of a tensor: complex numbers are pairs of reals."""
    return dtype.to_real() if dtype.is_complex else dtype


def compute_dtype(parameter: torch.dtype) -> torch.dtype:
    """float64 for float64 parameters, float32 for all narrower ones, whatever their state is stored in."""
    return torch.float64 if real_dtype(parameter) == torch.float64 else torch.float32


def load(tensor: Tensor, compute: torch.dtype) -> Tensor:
    """The tensor's values in the compute dtype, complex ones as a real view; shares memory if it can."""
    tensor = tensor.resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.to(compute)


def store(tensor: Tensor, value: Tensor) -> None:
    """Round the computed value to the tensor's dtype (to nearest, ties to even) and write it there."""
    (torch.view_as_real(tensor) if tensor.is_complex() else tensor).copy_(value)
