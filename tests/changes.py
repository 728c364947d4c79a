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


def swap_data(o: Any) -> None:
    """`p.data = other`: other memory, same values."""
    for p in all_params(o):
        p.data = p.data.clone()


def swap_data_of_one(o: Any) -> None:
    p = all_params(o)[1]
    p.data = torch.cat([p.data, p.data])[33:]


def exchange_data(o: Any) -> None:
    """Two parameters trade values: same addresses in another order."""
    a, b = Parameter(all_params(o)[2].data[0].clone()), all_params(o)[2]
    b.data = torch.stack([a.data] * 8)


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
    o.param_groups[0]["params"][1] = Parameter(all_params(o)[1].detach() * 2)


def replace_the_list(o: Any) -> None:
    o.param_groups[0]["params"] = list(reversed(o.param_groups[0]["params"]))


def drop_a_parameter(o: Any) -> None:
    del o.param_groups[0]["params"][0]


def drop_all_but_the_last(o: Any) -> None:
    o.param_groups[0]["params"] = o.param_groups[0]["params"][-1:]


def move_to_a_new_group(o: Any) -> None:
    group = o.param_groups[0]
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


CHANGES: tuple[Callable[[Any], None], ...] = (
    swap_data, swap_data_of_one, exchange_data, swap_tensors, channels_last, replace_a_parameter, replace_the_list,
    drop_a_parameter, drop_all_but_the_last, move_to_a_new_group, clear_state, forget_one, forget_in_place,
    replace_buffers, edit_buffers, relay_buffers, reset_steps, set_one_step, add_to_steps, reload, change_lr,
    toggle_maximize, replace_a_group, add_a_group, resize_in_place, freeze, inference_tensors,
)  # fmt: skip
