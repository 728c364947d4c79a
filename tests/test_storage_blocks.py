"""Block formats of low-precision state, in torch: error bounds, what stays exactly as it is, extremes, bytes.

Bounds are those the optimizers are promised: first moments within 0.01 (relative L2), second moments within a factor
of 1.03 of the update they give, and never zero unless they are.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descend.storage import blocks, rounding
from descend.storage.formats import NAMES, Format, decode, encode, format_of

SIZE = 128 * 2000
SIZES = (0, 1, 2, 127, 128, 129, 1000)
TINIEST = 2.0**-149  # the smallest positive float32
LARGEST = torch.finfo(torch.float32).max


def first_moments(name: str) -> torch.Tensor:
    normal = torch.randn(SIZE)
    return {
        "normal": lambda: normal,
        "laplace": lambda: torch.distributions.Laplace(0.0, 1.0).sample((SIZE,)),
        "normal * lognormal(1)": lambda: normal * torch.randn(SIZE).exp(),
        "normal * lognormal(2)": lambda: normal * (2 * torch.randn(SIZE)).exp(),
        "student t, 3 degrees": lambda: torch.distributions.StudentT(3.0).sample((SIZE,)),
        "student t, 1.5 degrees": lambda: torch.distributions.StudentT(1.5).sample((SIZE,)),
        "uniform": lambda: torch.rand(SIZE) * 2 - 1,
        "moving average": lambda: sum((0.1 * 0.9**k * torch.randn(SIZE) for k in range(60)), torch.zeros(SIZE)),
    }[name]()


DISTRIBUTIONS = (
    "normal",
    "laplace",
    "normal * lognormal(1)",
    "normal * lognormal(2)",
    "student t, 3 degrees",
    "student t, 1.5 degrees",
    "uniform",
    "moving average",
)


def dither(x: torch.Tensor, step: int = 1) -> torch.Tensor:
    return rounding.block_dither(blocks.block_count(x.numel()), blocks.BLOCK, rounding.keys(0, step))


def round_trip(kind: Format, x: torch.Tensor, key: tuple[int, int] | None = None) -> torch.Tensor:
    return decode(kind, *encode(kind, x, key))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-38, 1e30])
def test_first_moments_are_within_one_percent(name: str, scale: float) -> None:
    x = first_moments(name).double().mul(scale).float()
    error = (round_trip(format_of("int8", signed=True), x).double() - x.double()).norm() / x.double().norm()
    # At 1e-38 the values themselves are subnormal numbers, 1e-7 of the largest apart.
    assert error <= 0.01


@pytest.mark.parametrize(
    ("sigma", "dithered", "bound"),
    [(1, False, 1.015), (2, False, 1.03), (3, False, 1.045), (1, True, 1.03), (2, True, 1.055), (3, True, 1.08)],
)
def test_second_moments_change_the_update_by_a_bounded_factor(sigma: int, dithered: bool, bound: float) -> None:
    """To nearest, half a step is the worst; dithered, a whole one, since unbiased rounding must go both ways."""
    v = (sigma * torch.randn(SIZE)).exp()
    codes, words = blocks.encode_log(v, dither(v) if dithered else None)
    after = blocks.decode_log(codes, words)
    assert (after > 0).all()
    factor = (v / after).sqrt()
    assert max(factor.max(), (1 / factor).max()) <= bound


@pytest.mark.parametrize("dithered", [False, True])
def test_a_second_moment_is_zero_only_if_it_was(dithered: bool) -> None:
    bits = torch.randint(0, blocks.INFINITY, (SIZE,), dtype=torch.int32)  # every exponent, subnormal numbers too
    v = torch.where(torch.rand(SIZE) < 0.2, 0.0, bits.view(torch.float32))
    v[: 10 * 128] = torch.randint(0, 3, (10 * 128,), dtype=torch.int32).view(torch.float32)
    after = blocks.decode_log(*blocks.encode_log(v, dither(v) if dithered else None))
    assert torch.equal(after == 0, v == 0)
    assert after.isfinite().all()


def test_dither_makes_the_mean_exact_where_nearest_stands_still() -> None:
    """Half of each block gets gradients ten times smaller: a moving average with beta2 = 0.999 must follow."""
    size, fall = 1280, 1500
    small = torch.arange(size) % 2 == 0
    scale = torch.randn(size).exp()
    exact = scale * scale
    state = {dithered: blocks.encode_log(exact) for dithered in (False, True)}
    for step in range(fall):
        g = torch.randn(size) * scale * torch.where(small, 0.1, 1.0)
        exact = 0.999 * exact + 0.001 * g * g
        for dithered, (codes, words) in state.items():
            v = 0.999 * blocks.decode_log(codes, words) + 0.001 * g * g
            state[dithered] = blocks.encode_log(v, dither(v, step) if dithered else None)
    ratio = {d: (blocks.decode_log(*s) / exact).sqrt()[small].mean().item() for d, s in state.items()}
    assert ratio[True] == pytest.approx(1, abs=0.03)  # 640 elements, each with a spread of 0.1
    assert ratio[False] > 1.3


def test_rounding_with_dither_is_unbiased() -> None:
    v = torch.cat([torch.tensor([1.0, 4.0]), 1 + torch.rand(126)])
    total = torch.zeros(128, dtype=torch.float64)
    steps = 4000
    for step in range(steps):
        total += blocks.decode_log(*blocks.encode_log(v, dither(v, step))).double()
    # A step of the grid is at most 2/254 of v; the mean of 4,000 has a standard deviation of 1/60 of half of that.
    assert ((total / steps / v - 1).abs() < 5 * 0.5 * 2 / 254 / math.sqrt(steps)).all()


INTERESTING = st.sampled_from([0.0, TINIEST, 1e-45 * 5, 1e-40, 1e-38, 1.2e-38, 1e-10, 1.0, 3.0, 1e10, 1e38, LARGEST])
VALUES = st.lists(
    INTERESTING | st.floats(min_value=0, allow_nan=False, allow_infinity=False, width=32), min_size=0, max_size=300
)


@pytest.mark.parametrize("name", ["int8", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("signed", [True, False])
@given(values=VALUES, seed=st.integers(0, 2**40))
def test_what_is_decoded_encodes_to_itself(name: str, signed: bool, values: list[float], seed: int) -> None:
    """So a step that changes nothing changes nothing, whatever the dither, and a resumed run repeats the first."""
    x = torch.tensor(values, dtype=torch.float32)
    if signed:
        x = x * torch.where(torch.arange(x.numel()) % 3 == 0, -1.0, 1.0)
    kind = format_of(name, signed)
    once = round_trip(kind, x, rounding.keys(seed, 1))
    again = encode(kind, once, rounding.keys(seed, 2))
    assert torch.equal(decode(kind, *again), once)
    third = encode(kind, decode(kind, *again), rounding.keys(seed, 3))
    assert torch.equal(third[0], again[0])
    if again[1] is not None and third[1] is not None:
        assert torch.equal(third[1], again[1])


@pytest.mark.parametrize("name", ["int8", "float16"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("scale", [1e-40, 1e-38, 1e-30, 1e-12, 1.0, 1e12, 1e30, 1e38])
def test_codes_too_encode_to_themselves_at_any_scale(name: str, signed: bool, scale: float) -> None:
    x = torch.rand(SIZE).mul(scale).clamp(max=LARGEST)
    x = x if not signed else x * torch.sign(torch.randn(SIZE))
    kind = format_of(name, signed)
    codes, words = encode(kind, x)
    again = encode(kind, decode(kind, codes, words))
    if scale >= 1e-38:  # below, two codes of a block may stand for the same subnormal number
        assert torch.equal(again[0], codes)
    assert words is not None
    assert again[1] is not None
    assert torch.equal(again[1], words)


@pytest.mark.parametrize("scale", [1e-43, 1e-40, 1e-38, 1e-20, 1e20, 1e38])
def test_scales_neither_overflow_nor_underflow(scale: float) -> None:
    x = torch.linspace(-3, 3, 1280).mul(scale)
    after = round_trip(format_of("int8", signed=True), x)
    # Half a code (1/127 of the largest value), the root's error (1/12 code), and the distance of subnormal numbers.
    assert ((after - x).abs() <= 3 * scale / 127 * (1 + 2 / 12) + TINIEST).all()
    assert after[0] == x[0]
    assert after[-1] == x[-1]
    v = x.abs()
    for name in ("int8", "float16"):
        after = round_trip(format_of(name, signed=False), v)
        factor = (v / after)[v >= 2.0**-126]
        assert ((factor < 1.1) & (factor > 0.9)).all()


@pytest.mark.parametrize("name", ["int8", "float16"])
@pytest.mark.parametrize("value", [0.0, TINIEST, 1e-40, 1e-38, 0.7, 1.0, 1e38, LARGEST])
def test_equal_values_stay_as_they_are(name: str, value: float) -> None:
    """Up to the 24 (int8) and 11 (float16) bits kept of a scale; to 2**-141 below the normal numbers."""
    for size in SIZES:
        x = torch.full((size,), value)
        for signed in (True, False):
            after = round_trip(format_of(name, signed), x)
            assert torch.allclose(after, x, rtol=2.0**-11 if name == "float16" else 2.0**-16, atol=2.0**-141)
            assert torch.equal(after == 0, x == 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_every_size(name: str, signed: bool, size: int) -> None:
    kind = format_of(name, signed)
    x = torch.rand(size) + 0.5
    codes, words = encode(kind, x)
    zeros = kind.zeros(size)
    assert codes.shape == zeros[0].shape == (size,)
    assert codes.dtype == zeros[0].dtype == kind.codes
    assert (words is None) == (zeros[1] is None) == (kind.words == 0)
    if words is not None and zeros[1] is not None:
        assert words.shape == zeros[1].shape == kind.words_shape(size)
        assert words.dtype == zeros[1].dtype == kind.word
    assert torch.allclose(decode(kind, codes, words), x, rtol=0.02)
    assert torch.equal(decode(kind, *zeros), torch.zeros(size))
    assert kind.nbytes(size) == sum(t.nbytes for t in zeros if t is not None)


@pytest.mark.parametrize("name", ["int8", "float16"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, -math.nan])
def test_what_is_not_finite_is_not_lost(name: str, signed: bool, bad: float) -> None:
    """Its block becomes NaN (zeros of a logarithmic block stay), other blocks are as without it."""
    x = torch.rand(300) + 0.5
    kind = format_of(name, signed)
    expected = round_trip(kind, x)
    x[130] = bad
    after = round_trip(kind, x)
    assert after[128:256].isnan().all()
    assert torch.equal(after[:128], expected[:128])
    assert torch.equal(after[256:], expected[256:])
    assert torch.equal(round_trip(kind, after).isnan(), after.isnan())


@pytest.mark.parametrize("v", [1e-30, 1e-12, 1e-8, 1.0, 1e6, 1e12, 1e30])
def test_float16_second_moments_become_neither_infinite_nor_zero(v: float) -> None:
    """Plain float16 ends at 65504 and at 6e-8; in one block there is room for a factor of 2**38."""
    x = torch.cat([torch.full((64,), v), torch.full((64,), v * 1e-10)])
    after = round_trip(format_of("float16", signed=False), x)
    assert after.isfinite().all()
    assert torch.allclose(after[:64], x[:64], rtol=2.0**-11)
    assert (after[64:] > 0).all()
    assert torch.allclose(after[64:], x[64:], rtol=0.05, atol=2.0**-126)


def test_bytes_of_state() -> None:
    size = 124_439_808
    first, second = format_of("int8", signed=True), format_of("int8", signed=False)
    assert first.nbytes(size) / size == 1 + 4 / 128
    assert second.nbytes(size) / size == 1 + 6 / 128 <= 1.05
    assert (first.nbytes(size) + second.nbytes(size)) / size <= 2.1
    assert format_of("bfloat16", signed=True).nbytes(7) == 14
    assert format_of("float16", signed=False).nbytes(129) == 2 * 129 + 8


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ValueError, match="state_dtype must be one of float32, bfloat16, float16, int8, not 'int4'"):
        format_of("int4", signed=True)


def test_the_largest_value_of_a_signed_block_comes_back_exactly() -> None:
    x = torch.randn(SIZE) * (8 * torch.randn(SIZE)).exp()
    after = round_trip(format_of("int8", signed=True), x)
    place = x.view(-1, 128).abs().argmax(1, keepdim=True)
    assert torch.equal(after.view(-1, 128).gather(1, place), x.view(-1, 128).gather(1, place))
