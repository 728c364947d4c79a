"""demo:characters: a small transformer learns to continue the text of Python's own help, character by character."""

from functools import lru_cache, partial
from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import descend
from descend.tools.demos.data import Batches

CONTEXT = 64


@lru_cache(maxsize=1)
def load() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], int]:
    """(characters, the next ones) to train on and held out, as windows of 64, and how many characters there are.

    The text changes a little from one Python to the next, and so do the losses.
    """
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(text))
    number = {character: k for k, character in enumerate(alphabet)}
    windows = torch.tensor([number[character] for character in text]).unfold(0, CONTEXT + 1, CONTEXT)
    train, held_out = windows[:-320], windows[-320:]
    return (train[:, :-1], train[:, 1:]), (held_out[:, :-1], held_out[:, 1:]), len(alphabet)


class Transformer(nn.Module):
    """Two layers of width 96 with 4 heads, 250,000 parameters; each character sees the ones before it."""

    def __init__(self, characters: int, width: int = 96) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Parameter(0.02 * torch.randn(CONTEXT, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width), enable_nested_tensor=False)
        self.read = nn.Linear(width, characters)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, text: Tensor) -> Tensor:
        """Logits of the next character, of shape (batch, characters, place): as cross_entropy takes them."""
        hidden = self.layers(self.characters(text) + self.places, mask=self.mask, is_causal=True)
        return self.read(hidden).transpose(1, 2)


def bits_per_character(logits: Tensor, targets: Tensor) -> float:
    """The loss in bits: what a file compressed with this model would need."""
    return cross_entropy(logits, targets).item() / log(2)


def setup() -> dict[str, Any]:
    """Cross-entropy on batches of 16 windows, nearly one epoch of them."""
    train, held_out, characters = load()
    return dict(
        title="a transformer of 2 layers predicts the next character of Python's help texts",
        model=partial(Transformer, characters),
        loader=Batches(*train, size=16),
        loss_fn=nn.CrossEntropyLoss(),
        val=list(zip(*(part.split(64) for part in held_out), strict=True)),
        metric=bits_per_character,
        steps=400,
        goal=2.15,
        optimizers=[partial(descend.SGD, momentum=0.9), descend.AdamW, descend.RMSprop],
        threads=1,
    )
