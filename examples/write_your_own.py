"""An optimizer of your own in ten lines: Lion, trained on the points of linear_regression.py.

A rule is a pure function of one element: parameter, gradient, buffers, then scalars by keyword. `scalars` turns the
options of the optimizer into those scalars, once per step. `descend.define` makes a torch optimizer of the two, with
parameter groups, weight decay, checkpoints and compiled kernels.
"""

import torch
from torch import nn

import descend
from descend.rules.ops import sign


def lion(p, g, exp_avg, *, lr, w1, w2):
    """Lion (Chen et al. 2023, arXiv:2302.06675, Alg. 2)."""
    p = p - lr * sign(exp_avg + w1 * (g - exp_avg))
    return p, exp_avg + w2 * (g - exp_avg)


def scalars(t, *, lr, betas, **_):
    return dict(lr=lr, w1=1 - betas[0], w2=1 - betas[1])


rule = descend.Rule(lion, scalars, dict(exp_avg=descend.Buffer()))
Lion = descend.define(rule, lr=1e-4, betas=(0.9, 0.99), decoupled_weight_decay=True)


if __name__ == "__main__":
    x = [3.3, 4.4, 5.5, 6.71, 6.93, 4.168, 9.779, 6.182, 7.59, 2.167, 7.042, 10.791, 5.313, 7.997, 3.1]
    y = [1.7, 2.76, 2.09, 3.19, 1.694, 1.573, 3.366, 2.596, 2.53, 1.221, 2.827, 3.465, 1.65, 2.904, 1.3]
    x_train, y_train = torch.tensor(x)[:, None], torch.tensor(y)[:, None]

    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    criterion = nn.MSELoss()
    optimizer = Lion(model.parameters(), lr=0.002)
    for epoch in range(1, 101):
        optimizer.zero_grad()
        loss = criterion(model(x_train), y_train)
        loss.backward()
        optimizer.step()
        if epoch % 20 == 0:
            print(f"Epoch [{epoch}/100], loss: {loss.item():.6f}")
    print(f"Learned: y = {model.weight.item():.6f} x + {model.bias.item():.6f}\n")

    optimizer.explain()  # which engine ran which tensor and why, what the state costs, and the rule
