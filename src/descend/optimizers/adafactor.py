"""Adafactor: second moments of matrices kept as a row and a column, in a few passes over memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ..engines.eager import is_exact
from ..schedules import Schedule
from ..storage import compute_dtype
from . import checks
from .batches import Batch, gather, scatter
from .whole import Method, WholeTensorOptimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .common import Common

# Elements worked on at a time. On the CPU a block of the gradient and what is made of it stay in the cache; elsewhere
# the bound is on memory: torch's own implementation takes as much as the largest parameter.
_BLOCK = {"cpu": 1 << 18}
_BLOCK_ELSEWHERE = 1 << 24


class Adafactor(WholeTensorOptimizer):
    r"""Adafactor: as Adam without momentum, with the state of a row and a column for each matrix.

    .. math::
        w_t = t^{\tau}, \quad R_t = R_{t-1} + w_t\, (\text{rowmean}(g_t^2) - R_{t-1}), \quad
        C_t = C_{t-1} + w_t\, (\text{colmean}(g_t^2) - C_{t-1}), \quad
        \hat v_t = \frac{R_t C_t}{\max(\text{mean}(R_t), \epsilon_1)}

    .. math::
        u_t = \frac{g_t}{\max(\sqrt{\hat v_t}, \epsilon_1)}, \quad
        p_t = (1 - \gamma\lambda)\, p_{t-1} - \max(\epsilon_2, \text{rms}(p_{t-1}))\, \min(\gamma, t^{-1/2})\,
        \frac{u_t}{\max(1, \text{rms}(u_t)/d)}

    Of more than two dimensions the last two are rows and columns; vectors keep :math:`v` itself.

    Args:
        params: real parameters of any shape, (name, parameter) pairs, or dicts of groups.
        lr: :math:`\gamma`, largest relative step and rate of the decay, a finite number >= 0 or a one-element Tensor.
        beta2_decay: :math:`\tau` <= 0.
        eps: :math:`(\epsilon_1, \epsilon_2)`, each >= 0; :math:`\epsilon_1` None: the machine epsilon of each
            parameter's own dtype.
        d: clipping threshold of the root mean square of :math:`u`, >= 1; infinity does not clip.
        weight_decay: :math:`\lambda`, a finite number >= 0; the share of a parameter lost per step is lr times this.
        foreach: hint for torch's implementation; here small parameters are always done together, by shape.
        maximize: ascend instead.
        common: ``clip_grad_norm`` and the other options of every optimizer: see :class:`descend.Optimizer`.

    Raises:
        ValueError: a value out of range, NaN or infinite, at construction and when a group is added.

    State: ``step``; ``row_var`` and ``col_var``, like the gradient with the last or the last but one dimension 1, or
    ``variance`` for vectors.

    Example:
        >>> import torch, descend
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = descend.Adafactor([w], lr=0.1)
        >>> (w ** 2).sum().backward(); optimizer.step(); w.data
        tensor([0.8419, 1.8419])

    Source: Shazeer & Stern 2018, arXiv:1804.04235, Alg. 4 and 5, with torch's use of lr and :math:`\epsilon_1`.
    """

    rule = Method(
        "w = t^beta2_decay;  R <- R + w (rowmean(g^2) - R);  C <- C + w (colmean(g^2) - C);\n"
        "v = R C / max(mean R, eps1), of vectors v <- v + w (g^2 - v);\n"
        "u = g / max(sqrt(v), eps1);  p <- p - max(eps2, rms p) min(lr, 1/sqrt(t)) u / max(1, rms(u) / d)",
        numbers=("step",),
    )
    _later_options: ClassVar[dict[str, Any]] = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | Schedule = 1e-2,
        beta2_decay: float | Schedule = -0.8,
        eps: tuple[float | Schedule | None, float | Schedule] = (None, 1e-3),
        d: float | Schedule = 1.0,
        weight_decay: float | Schedule = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        **common: Unpack[Common],
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        self._check_group(defaults)
        super().__init__(params, defaults, **common)

    def _check_group(self, group: dict[str, Any]) -> None:
        checks.number("Learning rate should be >= 0 but is", "lr", group["lr"], tensor=True)
        decay, eps, d = group["beta2_decay"], group["eps"], group["d"]
        checks.finite("beta2_decay should be <= 0 but is", "beta2_decay", decay)
        if decay > 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {decay}")
        if not isinstance(eps, (tuple, list)) or len(eps) != 2:
            raise ValueError(f"Invalid eps: {eps!r} (eps must be a pair (eps1 or None, eps2))")
        if eps[0] is not None:
            checks.number("epsilon1 should be >= 0 but is", "eps[0]", eps[0])
        checks.number("epsilon2 should be >= 0 but is", "eps[1]", eps[1])
        if not (isinstance(d, (int, float)) and d >= 1):
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        checks.number("weight_decay should be >= 0 but is", "weight_decay", group["weight_decay"])

    def _shapes(self, shape: torch.Size) -> dict[str, torch.Size]:
        if len(shape) < 2:
            return {"variance": shape}
        *lead, rows, columns = shape
        return {"row_var": torch.Size((*lead, rows, 1)), "col_var": torch.Size((*lead, 1, columns))}

    def _most(self, param: Tensor) -> int:
        return max(1, _block(param) // max(1, param.numel()))

    def _update(self, batch: Batch) -> None:
        param, options, t = batch.params[0], batch.options, batch.t
        if param.numel() == 0:
            return
        eps1, eps2 = options["eps"]
        if eps1 is None:  # of this parameter's dtype: torch takes the first parameter's for all of a group
            eps1 = torch.finfo(param.dtype).eps
        numbers = _Numbers(
            fresh=float(t) ** options["beta2_decay"],
            rate=min(options["lr"], 1 / math.sqrt(t)) * (1.0 if options["maximize"] else -1.0),
            keep=1 - options["lr"] * options["weight_decay"],
            eps1=eps1,
            least=eps1 * eps1,  # squared, since the root is taken after
            eps2=eps2,
            d=options["d"],
            dtype=compute_dtype(param.dtype),
        )
        large = param.dim() > 1 and param.numel() > 4 * _block(param) and is_exact(param)
        (_in_blocks if large else _together)(batch, numbers)


def _block(tensor: Tensor) -> int:
    return _BLOCK.get(tensor.device.type, _BLOCK_ELSEWHERE)


class _Numbers(NamedTuple):
    """Scalars of a batch, and the dtype to compute in; rate has the sign of the step."""

    fresh: float
    rate: float
    keep: float
    eps1: float
    least: float
    eps2: float
    d: float
    dtype: torch.dtype

    def factors(self, norms: list[float], update_norms: list[float], count: int) -> list[float]:
        """What to multiply updates with, for parameters of these norms; a NaN norm counts as a small one."""
        rate, eps2, root, most = self.rate, self.eps2, math.sqrt(count), math.sqrt(count) * self.d
        sizes = [x / root if x / root > eps2 else eps2 for x in norms]
        clips = [x / most if x > most else 1.0 for x in update_norms]
        return [rate * size / clip for size, clip in zip(sizes, clips, strict=True)]

    def apply(self, p: Tensor, u: Tensor, factor: float) -> None:
        """Write keep p + factor u into p."""
        value = p.to(self.dtype)
        if self.keep != 1:
            value.mul_(self.keep)
        value.add_(u, alpha=factor)
        if value is not p:
            p.copy_(value)

    def variance(self, r: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """A column and a row whose product is the estimate."""
        return r / r.mean(-2, keepdim=True).clamp_(min=self.eps1), c


def _together(batch: Batch, numbers: _Numbers) -> None:
    """Any number of parameters of any one shape."""
    dtype, fresh, k = numbers.dtype, numbers.fresh, len(batch.params)
    p, g = gather(batch.params, dtype), gather(batch.grads, dtype)
    state = [gather(tensors, dtype) for tensors in batch.state]
    square = g * g
    if len(state) == 1:  # vectors
        u = state[0].lerp_(square, fresh).clamp(min=numbers.least)
    else:
        for kept, dim in zip(state, (-1, -2), strict=True):
            kept.lerp_(square.mean(dim, keepdim=True), fresh)
        r, c = numbers.variance(*state)
        u = torch.mul(r, c, out=square).clamp_(min=numbers.least)
    u.rsqrt_().mul_(g)
    for tensors, kept in zip(batch.state, state, strict=True):
        scatter(tensors, kept)
    count = batch.params[0].numel()
    if k == 1:
        (factor,) = numbers.factors([_norm([p])], [_norm([u])], count)
        numbers.apply(p, u, factor)
    else:
        norms, update_norms = (torch.linalg.vector_norm(x.view(k, -1), dim=1).tolist() for x in (p, u))
        factors = numbers.factors(norms, update_norms, count)
        u.mul_(torch.tensor(factors, dtype=dtype, device=u.device).view(k, *[1] * (u.dim() - 1)))
        numbers.apply(p, u, 1.0)
    scatter(batch.params, p)


def _norm(parts: Iterable[Tensor]) -> float:
    """Of a tensor in parts. torch's norm adds squares one after another: over millions in float32 it is off by 4e-5."""
    return math.sqrt(math.fsum(torch.stack([torch.dot(x.flatten(), x.flatten()) for x in parts]).tolist()))


def _in_blocks(batch: Batch, numbers: _Numbers) -> None:
    """One large parameter: three passes over the gradient and two over the parameter, whose products stay in the cache.

    The update is computed twice, for its norm and to be added, which is cheaper than to write it to memory between.
    """
    (param,), (grad,), dtype = batch.params, batch.grads, numbers.dtype
    p, g = _as_matrices(param), _as_matrices(grad)
    blocks = list(_blocks(g.shape, _block(param)))
    scratch = torch.empty_like(g[blocks[0]], dtype=dtype, memory_format=torch.contiguous_format)

    def out(shape: torch.Size) -> Tensor:
        return scratch if shape == scratch.shape else scratch.view(-1)[: math.prod(shape)].view(shape)

    state = [gather(tensors, dtype) for tensors in batch.state]
    means = [torch.zeros(x.shape, dtype=dtype, device=x.device) for x in state]
    by_row, by_column = map(_as_matrices, means)
    for block in blocks:
        part = g[block].to(dtype)
        square = torch.mul(part, part, out=out(part.shape))
        by_row[block] = square.mean(-1, keepdim=True)
        by_column[block[0]] += square.sum(-2, keepdim=True)
    by_column.div_(g.shape[-2])
    for tensors, kept, mean in zip(batch.state, state, means, strict=True):
        scatter(tensors, kept.lerp_(mean, numbers.fresh))
    r, c = map(_as_matrices, numbers.variance(*state))
    split = bool((r.amin(-2) * c.amin(-1) >= numbers.least).all())  # nothing is below: the root of a product is easy
    if split:
        r, c = r.rsqrt(), c.rsqrt()

    def update(block: tuple[slice, slice]) -> Tensor:
        part, row, column = g[block].to(dtype), r[block], c[block[0]]
        if split:
            return torch.mul(part, column, out=out(part.shape)).mul_(row)
        return torch.mul(row, column, out=out(part.shape)).clamp_(min=numbers.least).rsqrt_().mul_(part)

    norm, update_norm = _norm(p[block].to(dtype) for block in blocks), _norm(map(update, blocks))
    (factor,) = numbers.factors([norm], [update_norm], param.numel())
    for block in blocks:
        numbers.apply(p[block], update(block), factor)
    if p.data_ptr() != param.data_ptr():
        param.copy_(p.view(param.shape))


def _as_matrices(tensor: Tensor) -> Tensor:
    """With three dimensions: a view, unless leading dimensions are laid out so that none is possible."""
    return tensor.unsqueeze(0) if tensor.dim() == 2 else tensor.contiguous().flatten(0, -3)


def _blocks(shape: torch.Size, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of matrices and of rows that cover (count, rows, columns) in blocks of at most `size`, or of one row."""
    count, rows, columns = shape
    if rows * columns <= size:
        many = size // (rows * columns)
        yield from ((slice(i, i + many), slice(None)) for i in range(0, count, many))
    else:
        few = max(1, size // columns)
        yield from ((slice(i, i + 1), slice(j, j + few)) for i in range(count) for j in range(0, rows, few))
