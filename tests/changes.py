"""What may happen to an optimizer between two steps, as functions of any optimizer, ours or torch's.

Users, libraries and schedulers reach into parameters, gradients, state and groups. Each change is made through the
optimizer, as a tool would make it, so that the same one can be made to torch's.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from cases import buffers, random
from torch import Tensor
from torch.nn import Parameter


def all_params(o: Any) -> list[Tensor]:
    return [p for group in o.param_groups for p in group["params"]]


def _largest(o: Any) -> dict[str, Any]:
    return max(o.param_groups, key=lambda group: len(group["params"]))


def swap_data(o: Any) -> None:
    """`p.data = other`: other memory, same values."""
    for p in all_params(o):
        p.data = p.data.clone()


def swap_data_of_one(o: Any) -> None:
    """A view at an offset into memory that is larger."""
    p = all_params(o)[1]
    p.data = torch.cat([p.data, p.data])[len(p) :]


def exchange_data(o: Any) -> None:
    """Two parameters trade memory: the same addresses in another order."""
    params = all_params(o)
    for i, a in enumerate(params):
        for b in params[i + 1 :]:
            if (a.shape, a.dtype) == (b.shape, b.dtype) and a is not b:
                a.data, b.data = b.data, a.data
                return


def swap_tensors(o: Any) -> None:
    """Another tensor inside the same object, which is how `nn.Module.to` may convert a parameter."""
    for p in all_params(o):
        p.grad = None  # an accumulated gradient holds a second reference, which torch refuses
        torch.utils.swap_tensors(p, Parameter(p.detach() * 0.5))


def channels_last(o: Any) -> None:
    for p in all_params(o):
        if p.dim() == 4:
            p.data = p.data.to(memory_format=torch.channels_last)


def replace_a_parameter(o: Any) -> None:
    """A new Parameter object without state in place of an old one."""
    params = _largest(o)["params"]
    params[-1] = Parameter(params[-1].detach() * 2)


def replace_the_list(o: Any) -> None:
    _largest(o)["params"] = list(reversed(_largest(o)["params"]))


def drop_a_parameter(o: Any) -> None:
    del _largest(o)["params"][0]


def drop_all_but_the_last(o: Any) -> None:
    _largest(o)["params"] = _largest(o)["params"][-1:]


def move_to_a_new_group(o: Any) -> None:
    group = _largest(o)
    o.param_groups.append({**group, "params": [group["params"].pop()], "lr": 0.005})


def clear_state(o: Any) -> None:
    o.state = defaultdict(dict)


def forget_one(o: Any) -> None:
    o.state.pop(all_params(o)[0], None)


def forget_in_place(o: Any) -> None:
    for state in o.state.values():
        state.clear()


def replace_buffers(o: Any) -> None:
    for p in all_params(o):
        for key, value in o.state.get(p, {}).items():
            o.state[p][key] = value.clone()


def edit_buffers(o: Any) -> None:
    for tensor in buffers(o, all_params(o)):
        tensor.mul_(2)


def relay_buffers(o: Any) -> None:
    """The same values with other strides, as after loading a checkpoint of another memory format."""
    for p in all_params(o):
        for key, value in o.state.get(p, {}).items():
            if value.dim() > 1:
                o.state[p][key] = value.transpose(0, 1).contiguous().transpose(0, 1)


def reset_steps(o: Any) -> None:
    """Bias correction from the start again, in place."""
    for p in all_params(o):
        if "step" in o.state.get(p, {}):
            o.state[p]["step"].zero_()


def set_one_step(o: Any) -> None:
    """One parameter ahead of the others, by a new tensor."""
    p = all_params(o)[-1]
    if "step" in o.state.get(p, {}):
        o.state[p]["step"] = torch.tensor(40.0)


def add_to_steps(o: Any) -> None:
    for p in all_params(o):
        if "step" in o.state.get(p, {}):
            o.state[p]["step"] += 3


def reload(o: Any) -> None:
    for gone in set(o.state) - set(all_params(o)):  # state_dict() raises KeyError for them, torch's and ours
        del o.state[gone]
    o.load_state_dict(o.state_dict())


def change_lr(o: Any) -> None:
    o.param_groups[0]["lr"] *= 0.5


def toggle_maximize(o: Any) -> None:
    o.param_groups[0]["maximize"] = not o.param_groups[0]["maximize"]


def replace_a_group(o: Any) -> None:
    o.param_groups[0] = dict(o.param_groups[0])


def add_a_group(o: Any) -> None:
    o.add_param_group({"params": [Parameter(random(len(o.param_groups) * 10))], "lr": 0.02})


def resize_in_place(o: Any) -> None:
    """Memory freed and given back, as sharded training does with whole models."""
    for p in all_params(o):
        values, storage = p.detach().clone(), p.untyped_storage()
        size = storage.nbytes()
        storage.resize_(0)
        kept = torch.empty(size + 64)  # takes the freed place, so that the new one is elsewhere
        storage.resize_(size)
        with torch.no_grad():
            p.copy_(values)
        del kept


def freeze(o: Any) -> None:
    """Without requires_grad a parameter still has the gradient that somebody assigned, and torch applies it."""
    all_params(o)[0].requires_grad_(False)


def inference_tensors(o: Any) -> None:
    """Gradients made in inference mode have no version counter."""
    with torch.inference_mode():
        for p in all_params(o):
            p.grad = torch.ones_like(p)


def expand_gradients(o: Any) -> None:
    """What `sum().backward()` leaves: one number seen everywhere."""
    for p in all_params(o):
        p.grad = p.grad.flatten()[0].expand(p.shape) if p.grad is not None else None


def share_a_gradient(o: Any) -> None:
    """Parameters of one shape hold the same gradient tensor."""
    of_kind = {(p.shape, p.dtype): p.grad for p in all_params(o) if p.grad is not None}
    for p in all_params(o):
        p.grad = of_kind.get((p.shape, p.dtype))


def gradients_with_a_graph(o: Any) -> None:
    """What `backward(create_graph=True)` leaves."""
    for p in all_params(o):
        p.grad = p * 0.5


def integer_steps(o: Any) -> None:
    for p in all_params(o):
        if "step" in o.state.get(p, {}):
            o.state[p]["step"] = o.state[p]["step"].to(torch.int64)


def late_steps(o: Any) -> None:
    """The last integers that float32 can count to."""
    for p in all_params(o):
        if "step" in o.state.get(p, {}):
            o.state[p]["step"].fill_(2**24 - 2)


def other_dtype_for_one(o: Any) -> None:
    """One parameter in float64, its state with it."""
    p = all_params(o)[-1]
    p.data, p.grad = p.data.double(), None
    for key, value in o.state.get(p, {}).items():
        o.state[p][key] = value if key == "step" else value.double()
    p.grad = torch.ones_like(p)


CHANGES: tuple[Callable[[Any], None], ...] = (
    swap_data, swap_data_of_one, exchange_data, swap_tensors, channels_last, replace_a_parameter, replace_the_list,
    drop_a_parameter, drop_all_but_the_last, move_to_a_new_group, clear_state, forget_one, forget_in_place,
    replace_buffers, edit_buffers, relay_buffers, reset_steps, set_one_step, add_to_steps, reload, change_lr,
    toggle_maximize, replace_a_group, add_a_group, resize_in_place, freeze, inference_tensors,
    expand_gradients, share_a_gradient, gradients_with_a_graph, integer_steps, late_steps, other_dtype_for_one,
)  # fmt: skip
