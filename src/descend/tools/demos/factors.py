"""demo:factors: which film would a user like? MovieLens' 100,004 ratings as products of 16 factors, and biases."""

from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

import descend
from descend.tools.demos.data import Batches, r_data, split

Data = tuple[Tensor, Tensor, Tensor]


@lru_cache(maxsize=1)
def load() -> tuple[Data, Data, tuple[int, int]]:
    """(users, films, ratings) to train on, 90,004, and held out, 10,000, and how many users and films there are.

    Users and films are numbered from 0; ratings are 0.5, 1, ... 5 less their mean over the training part.
    """
    frame = r_data("dslabs", "movielens", "demo:factors")
    ids = (torch.tensor(frame[name].to_numpy()) for name in ("userId", "movieId"))
    (known_users, users), (known_films, films) = (part.unique(return_inverse=True) for part in ids)
    ratings = torch.tensor(frame["rating"].to_numpy(), dtype=torch.float32)
    train, held_out = split(len(ratings), 10_000)
    ratings = ratings - ratings[train].mean()
    parts = [(users[part], films[part], ratings[part]) for part in (train, held_out)]
    return parts[0], parts[1], (len(known_users), len(known_films))


class Factors(nn.Module):
    """A rating is the product of a user's and a film's factors, and a bias of each."""

    def __init__(self, users: int, films: int, factors: int = 16) -> None:
        super().__init__()
        self.users, self.films = nn.Embedding(users, factors), nn.Embedding(films, factors)
        self.user_bias, self.film_bias = nn.Embedding(users, 1), nn.Embedding(films, 1)
        for table in (self.users, self.films):
            nn.init.normal_(table.weight, std=0.03)
        for table in (self.user_bias, self.film_bias):
            nn.init.zeros_(table.weight)

    def forward(self, users: Tensor, films: Tensor) -> Tensor:
        """The predicted ratings, less the mean."""
        products = (self.users(users) * self.films(films)).sum(dim=1)
        return products + self.user_bias(users)[:, 0] + self.film_bias(films)[:, 0]


def rmse(outputs: Tensor, targets: Tensor) -> float:
    """Root mean squared error, in stars; the held-out part is one batch, so no mean of roots is taken."""
    return (outputs - targets).square().mean().sqrt().item()


def setup() -> dict[str, Any]:
    """Mean squared error on batches of 1024 ratings, about 8 epochs of them."""
    train, held_out, (users, films) = load()
    return dict(
        title="100,004 film ratings, 16 factors per user and film, batches of 1024",
        model=partial(Factors, users, films),
        loader=Batches(*train, size=1024),
        loss_fn=nn.MSELoss(),
        val=[held_out],
        metric=rmse,
        steps=700,
        goal=0.84,
        optimizers=[partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop],
        threads=1,
    )
