"""descend.groups: what went where, in models like those people train, and with both libraries' optimizers."""

from typing import Any

import pytest
import torch
from cases import train
from torch import nn
from torch.nn import Parameter

import descend
from descend import groups


class RootNorm(nn.Module):
    """A norm by its name only, as most language models bring their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = Parameter(torch.ones(width, 1))  # two dimensions: nothing but the class says what it is

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight.T


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = RootNorm(width)
        self.attention = nn.MultiheadAttention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class Transformer(nn.Module):
    """Embeddings, blocks in a ModuleList, a head tied to the embedding."""

    def __init__(self, width: int = 8, blocks: int = 5, tied: bool = True) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, width)
        self.positions = Parameter(torch.zeros(6, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.tokens.weight


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Conv2d(4, 4, 3, bias=False), nn.GroupNorm(2, 4),
        nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def names(group: dict[str, Any]) -> list[str]:
    return [name for name, _ in group["params"]]


def assert_complete(model: nn.Module, found: list[dict[str, Any]]) -> None:
    """Every parameter once, under its own name; and an optimizer of either library takes the groups and trains."""
    params = dict(model.named_parameters())
    listed = [pair for group in found for pair in group["params"]]
    assert len(listed) == len(params)
    assert all(params[name] is p for name, p in listed)
    assert all(group["params"] for group in found)
    for library in (torch.optim, descend):
        given = [dict(group) for group in found]  # torch writes into what it is given
        optimizer = library.AdamW(given, lr=0.5)
        assert [group["param_names"] for group in optimizer.param_groups] == [names(group) for group in found]
        train(optimizer, list(params.values()), 1)
        again = library.AdamW([dict(group) for group in found], lr=0.5)
        again.load_state_dict(optimizer.state_dict())


# decay


def test_decay_of_a_transformer() -> None:
    model = Transformer()
    found = groups.decay(model, weight_decay=0.1)
    assert_complete(model, found)
    decaying, spared = found
    assert (decaying["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert names(decaying) == ["positions"] + [
        f"blocks.{i}.{name}"
        for i in range(5)
        for name in ("attention.in_proj_weight", "attention.out_proj.weight", "mlp.0.weight", "mlp.2.weight")
    ]
    assert "tokens.weight" in names(spared)
    assert "blocks.0.norm.weight" in names(spared), "a norm by its class name"
    assert "blocks.0.attention.in_proj_bias" in names(spared)


def test_decay_of_a_convolutional_network() -> None:
    model = convolutional()
    decaying, spared = groups.decay(model, 0.1)
    assert_complete(model, [decaying, spared])
    assert names(decaying) == ["0.weight", "3.weight", "6.weight"]
    assert names(spared) == ["0.bias", "1.weight", "1.bias", "2.weight", "4.weight", "4.bias", "6.bias"]


def test_decay_of_a_recurrent_network() -> None:
    """Its biases are called bias_ih_l0 and have one dimension; a bias of two dimensions is one by its name."""
    decaying, spared = groups.decay(nn.LSTM(3, 4), 0.1)
    assert names(decaying) == ["weight_ih_l0", "weight_hh_l0"]
    assert names(spared) == ["bias_ih_l0", "bias_hh_l0"]
    model = nn.Module()
    for name in ("weight", "bias", "out_bias", "bias_table", "biased"):
        model.register_parameter(name, Parameter(torch.zeros(2, 2)))
    assert [names(group) for group in groups.decay(model, 0.1)] == [
        ["weight", "biased"],
        ["bias", "out_bias", "bias_table"],
    ]


def test_decay_exempts_what_it_is_told() -> None:
    model = Transformer()
    found = groups.decay(model, 0.1, exempt=("positions", nn.MultiheadAttention), maximize=False)
    assert names(found[0]) == [f"blocks.{i}.mlp.{k}.weight" for i in range(5) for k in (0, 2)]
    assert all(group["maximize"] is False for group in found)
    with pytest.raises(ValueError, match=r"'\*\.pos_embed' matches no parameter"):
        groups.decay(model, 0.1, exempt=["*.pos_embed"])


@pytest.mark.parametrize("first", ["embedding", "linear"])
def test_tied_parameters_are_spared_if_one_owner_spares_them(first: str) -> None:
    embedding, linear = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    linear.weight = embedding.weight
    parts = {"embedding": embedding, "linear": linear}
    model = nn.ModuleDict({first: parts.pop(first), **parts})
    (spared,) = groups.decay(model, 0.1)
    assert names(spared) == [f"{first}.weight"]
    assert spared["weight_decay"] == 0


def test_frozen_parameters_are_there() -> None:
    model = convolutional()
    for p in model[0].parameters():
        p.requires_grad_(False)
    for found in (groups.decay(model, 0.1), groups.layerwise(model, 0.5, lr=0.1), groups.by_name(model, {"*": {}})):
        assert_complete(model, found)
    optimizer = descend.SGD(groups.decay(model, 0.5), lr=0.1)
    before = model[0].weight.clone()
    params = list(model.parameters())
    train(optimizer, params, 1, missing=lambda step, i: not params[i].requires_grad)
    assert torch.equal(model[0].weight, before), "no gradient, no decay"


def test_decay_does_what_a_trainer_s_own_loop_did() -> None:
    """The numbers of the two groups that people write by hand."""
    torch.manual_seed(0)
    ours, theirs = (Transformer(), Transformer())
    theirs.load_state_dict(ours.state_dict())
    by_hand = [
        {"params": [p for n, p in theirs.named_parameters() if n in kept], "weight_decay": wd}
        for wd, kept in ((g["weight_decay"], names(g)) for g in groups.decay(ours, 0.3))
    ]
    train(descend.AdamW(groups.decay(ours, 0.3), lr=0.1), list(ours.parameters()), 3)
    train(descend.AdamW(by_hand, lr=0.1), list(theirs.parameters()), 3)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


# layerwise


def test_layerwise_of_a_transformer() -> None:
    """Embeddings 0, blocks 1 to 5, what follows 6: the convention of ELECTRA and BEiT."""
    model = Transformer(tied=False)
    found = groups.layerwise(model, decay=0.5, lr=0.64)
    assert_complete(model, found)
    assert [group["lr"] for group in found] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64])
    assert names(found[0]) == ["positions", "tokens.weight"]
    assert all(name.startswith("blocks.2.") for name in names(found[3]))
    assert names(found[6]) == ["norm.weight", "norm.bias", "head.weight"]


def test_layerwise_of_a_tied_and_wrapped_transformer() -> None:
    """The tied weight counts where it comes first; a module around the model changes names only."""
    model = nn.ModuleDict({"backbone": Transformer()})
    found = groups.layerwise(model, decay=0.5, lr=0.64)
    assert_complete(model, found)
    assert len(found) == 7
    assert names(found[0]) == ["backbone.positions", "backbone.tokens.weight"]
    assert names(found[6]) == ["backbone.norm.weight", "backbone.norm.bias"]


def test_layerwise_with_decay() -> None:
    model = Transformer(blocks=4)
    found = groups.layerwise(model, decay=0.9, lr=1e-3, weight_decay=0.1, amsgrad=True)
    assert_complete(model, found)
    assert len(found) == 11, "the top has nothing that decays"
    top = 5
    for group in found:
        depths = {0 if not n.startswith("blocks.") else int(n.split(".")[1]) + 1 for n in names(group)}
        depth = top if names(group)[0].startswith("norm") else depths.pop()
        assert group["lr"] == pytest.approx(1e-3 * 0.9 ** (top - depth))
        assert group["amsgrad"] is True
    spared = {n for group in found if not group["weight_decay"] for n in names(group)}
    assert spared == set(names(groups.decay(model, 0.1)[1]))


def test_layerwise_without_a_trunk_takes_the_children() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.act, self.body, self.head = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2)

    found = groups.layerwise(Net(), decay=0.1, lr=1.0)
    assert [(names(g)[0], round(g["lr"], 12)) for g in found] == [
        ("stem.weight", 0.01), ("body.weight", 0.1), ("head.weight", 1.0),
    ]  # fmt: skip
    single = groups.layerwise(nn.Linear(2, 2), decay=0.1, lr=1.0)
    assert [(names(g), g["lr"]) for g in single] == [(["weight", "bias"], 1.0)]


def test_layerwise_with_given_layers() -> None:
    model = convolutional()
    found = groups.layerwise(model, decay=0.5, lr=1.0, layers=[model[1], model[3]])
    assert_complete(model, found)
    assert [names(group) for group in found] == [
        ["0.weight", "0.bias"],
        ["1.weight", "1.bias"],
        ["3.weight"],
        ["2.weight", "4.weight", "4.bias", "6.weight", "6.bias"],
    ]
    assert [group["lr"] for group in found] == [0.125, 0.25, 0.5, 1.0]


def test_a_scheduler_keeps_the_ratios() -> None:
    optimizer = descend.AdamW(groups.layerwise(Transformer(), decay=0.5, lr=0.64), lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
        [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32]
    )


# by_name


def test_by_name_first_match_wins() -> None:
    model = Transformer()
    rules = {"blocks.[01].*": {"lr": 0.1}, "*.bias": {"weight_decay": 0.0}, "head.*": {"lr": 0.2}}
    found = groups.by_name(model, rules)
    assert_complete(model, found)
    assert [group.get("lr") for group in found] == [0.1, None, 0.2, None]
    assert "blocks.0.mlp.0.bias" in names(found[0])
    assert names(found[1])[0] == "blocks.2.attention.out_proj.bias"
    assert names(found[2]) == ["tokens.weight"], "found by its other name, listed under its first"
    assert "positions" in names(found[3])
    assert rules == {"blocks.[01].*": {"lr": 0.1}, "*.bias": {"weight_decay": 0.0}, "head.*": {"lr": 0.2}}
    optimizer = descend.SGD(found, lr=0.7)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.7, 0.2, 0.7]
    assert len(groups.by_name(model, {"*": {"lr": 1.0}})) == 1, "no group of the rest when nothing is left"


def test_a_pattern_that_matches_nothing() -> None:
    model = Transformer()
    with pytest.raises(
        ValueError, match=r"'block\.0\.mlp\.0\.weight' matches no parameter.*'blocks\.0\.mlp\.0\.weight'"
    ):
        groups.by_name(model, {"block.0.mlp.0.weight": {}})
    with pytest.raises(ValueError, match=r"'\*\.BIAS' matches no parameter"):
        groups.by_name(model, {"*.BIAS": {}})
    with pytest.raises(ValueError, match=r"'zzz' matches no parameter of the model; names look like \['positions'"):
        groups.by_name(model, {"zzz": {}})
    with pytest.raises(ValueError, match=r"'blocks\.0\.\*' matches only parameters that '\*' has taken: put it first"):
        groups.by_name(model, {"*": {}, "blocks.0.*": {}})
    with pytest.raises(ValueError, match="'params' is not an option"):
        groups.by_name(model, {"*": {"params": []}})


# Bad input


def test_refusals() -> None:
    for value in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Invalid weight_decay value"):
            groups.decay(nn.Linear(1, 1), value)
    for value in (0, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="Invalid decay value"):
            groups.layerwise(nn.Linear(1, 1), value, lr=0.1)
    for make in (
        lambda m: groups.decay(m, 0.1),
        lambda m: groups.layerwise(m, 0.5, lr=0.1),
        lambda m: groups.by_name(m, {}),
    ):
        with pytest.raises(ValueError, match="ReLU has no parameters"):
            make(nn.ReLU())


def test_a_misspelled_option_is_noticed_by_the_optimizer() -> None:
    with pytest.raises(ValueError, match="did you mean 'lr'"):
        descend.SGD(groups.by_name(nn.Linear(2, 1), {"bias": {"learning_rate": 0.1}}))


# What an optimizer shows of its groups


def test_repr_of_few_groups_is_torch_s() -> None:
    params = [Parameter(torch.zeros(i + 1)) for i in range(3)]
    for options in ([{"params": params}], [{"params": params[:1]}, {"params": params[1:], "lr": 0.2}]):
        assert repr(descend.AdamW(options)) == repr(torch.optim.AdamW(options))


def test_repr_of_many_equal_groups() -> None:
    optimizer = descend.SGD([{"params": [Parameter(torch.zeros(2))]} for _ in range(1000)], lr=0.5)
    text = repr(optimizer)
    assert len(text.splitlines()) == 12
    assert "All 1000 parameter groups: 1,000 tensors, 2,000 elements" in text
    assert "    lr: 0.5\n" in text


def test_repr_of_many_kinds_of_groups() -> None:
    optimizer = descend.AdamW(groups.layerwise(Transformer(), decay=0.5, lr=0.64, weight_decay=0.1))
    text = repr(optimizer)
    assert len(text.splitlines()) < 40
    assert "Parameter Group 2: lr: 0.02, weight_decay: 0.1 (4 tensors, 512 elements)" in text
    assert "    betas: (0.9, 0.999)" in text
    many = descend.SGD([{"params": [Parameter(torch.zeros(1))], "lr": 0.001 * (i // 2)} for i in range(500)])
    lines = repr(many).splitlines()
    assert len(lines) <= 40
    assert "Parameter Groups 0 to 1: lr: 0.0 (2 tensors, 2 elements)" in lines
    assert "... and 226 more such lines ..." in lines
    assert lines[-2].startswith("Parameter Groups 498 to 499: lr: 0.249")


def test_repr_shortens_long_lists_of_names() -> None:
    text = repr(descend.AdamW(Transformer().named_parameters()))
    assert max(map(len, text.splitlines())) < 250
    assert "param_names: ['positions', 'tokens.weight', 'blocks.0.norm.weight'] ... 49 in all" in text
