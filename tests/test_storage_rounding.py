"""Counter-based random bits, stochastic rounding, the Kahan pair and the split master, in torch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descend.storage.parameters import compensate, load_pair, random16
from descend.storage.rounding import (
    block_dither,
    join,
    keys,
    random_bits,
    split,
    spread,
    stochastic_bfloat16,
    stochastic_float16,
)

COUNT = 1 << 16
INDEX = torch.arange(COUNT)
# Values are fixed by the seeds, so limits are what chance exceeds once in 10**6: a test that fails is no accident.
FIVE_SIGMA = 5.0


def chi_square_sigmas(observed: torch.Tensor, expected: float) -> float:
    """Distance of chi-square from its mean in standard deviations, for many equally likely cells."""
    freedom = observed.numel() - 1
    statistic = ((observed.double() - expected) ** 2 / expected).sum().item()
    return (statistic - freedom) / math.sqrt(2 * freedom)


def correlation_sigmas(x: torch.Tensor, y: torch.Tensor) -> float:
    x, y = x.double() - x.double().mean(), y.double() - y.double().mean()
    return ((x * y).sum() / (x.norm() * y.norm())).item() * math.sqrt(x.numel())


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
@pytest.mark.parametrize("step", [0, 1, 2, 1000])
def test_bits_are_uniform_over_indices(step: int, shift: int) -> None:
    bits = random_bits(INDEX, keys(7, step)) >> shift & 0xFF
    assert abs(chi_square_sigmas(torch.bincount(bits, minlength=256), COUNT / 256)) < FIVE_SIGMA


@pytest.mark.parametrize("shift", [0, 16])
@pytest.mark.parametrize("index", [0, 1, 12345])
def test_bits_are_uniform_over_steps(index: int, shift: int) -> None:
    one = torch.tensor([index])
    bits = torch.cat([random_bits(one, keys(7, step)) for step in range(8192)]) >> shift & 0xFF
    assert abs(chi_square_sigmas(torch.bincount(bits, minlength=256), 8192 / 256)) < FIVE_SIGMA


@pytest.mark.parametrize("lag", [1, 2, 3, 16, 128, 768, 1024, 4096])
def test_neighbouring_elements_are_independent(lag: int) -> None:
    bits = random_bits(torch.arange(COUNT + lag), keys(3, 5))
    for part in (bits & 0xFFFF, bits >> 16):
        assert abs(correlation_sigmas(part[:-lag], part[lag:])) < FIVE_SIGMA
    pairs = (bits[:-lag] >> 28) * 16 + (bits[lag:] >> 28)
    # Overlapping pairs are not independent draws, which widens the spread of chi-square by less than 2.
    assert abs(chi_square_sigmas(torch.bincount(pairs, minlength=256), COUNT / 256)) < 2 * FIVE_SIGMA


@pytest.mark.parametrize(("seed", "step", "stream"), [(3, 6, 0), (4, 5, 0), (3, 5, 1), (0, 0, 0), (2**63, 5, 0)])
def test_steps_seeds_and_streams_are_independent(seed: int, step: int, stream: int) -> None:
    a, b = random_bits(INDEX, keys(3, 5)), random_bits(INDEX, keys(seed, step, stream))
    for shift in (0, 16):
        x, y = a >> shift & 0xFFFF, b >> shift & 0xFFFF
        assert abs(correlation_sigmas(x, y)) < FIVE_SIGMA
        assert abs(chi_square_sigmas(torch.bincount((x >> 12) * 16 + (y >> 12), minlength=256), COUNT / 256)) < 5
    # One sequence must not be the other one, shifted (as it would be if the step were added to the index).
    shifted = torch.isin(a, b).sum().item()
    assert shifted < 100  # chance: 65536**2 / 2**32 = 1


def test_every_bit_of_the_index_changes_half_of_the_bits() -> None:
    base = random_bits(INDEX, keys(1, 1))
    for bit in range(32):
        changed = base ^ random_bits(INDEX ^ (1 << bit), keys(1, 1))
        ones = sum((changed >> k & 1).double().mean().item() for k in range(32))
        assert ones == pytest.approx(16, abs=0.5)


def test_keys_are_distinct_and_fit_32_bits() -> None:
    found = {keys(seed, step, stream) for seed in range(10) for step in range(100) for stream in range(10)}
    assert len(found) == 10_000
    assert all(0 <= word < 2**32 for pair in found for word in pair)
    assert keys(-1, 0) == keys(2**64 - 1, 0)


@pytest.mark.parametrize("base", [5, 2**31 - 7, 2**32 - 3])
def test_a_shard_has_the_bits_of_the_whole(base: int) -> None:
    whole = random_bits(torch.arange(base, base + 1000), keys(9, 9))
    assert torch.equal(whole[300:700], random_bits(torch.arange(base + 300, base + 700), keys(9, 9)))


def test_the_dither_of_a_block_is_even_in_it_and_uniform_over_steps() -> None:
    dither = block_dither(64, 128, keys(1, 2)) - 1
    assert ((dither > 0) & (dither < 1)).all()
    cells = (dither * 128).int().sort(1).values
    assert torch.equal(cells, torch.arange(128, dtype=torch.int32).expand(64, 128))
    assert sorted(spread(i) >> 16 for i in range(128)) == list(range(128))
    over_steps = torch.stack([block_dither(1, 128, keys(1, step))[0, :4] - 1 for step in range(4096)])
    for column in over_steps.T:
        assert abs(chi_square_sigmas(torch.histc(column, 64, 0, 1), 4096 / 64)) < FIVE_SIGMA
    assert torch.equal(block_dither(3, 128, keys(1, 2), first=5), block_dither(8, 128, keys(1, 2))[5:])


VALUES = torch.tensor([1.001, 1.0037, -2.5001, 3.14159, 1e-3, -65000.3, 1e-30, 1.9999])


@pytest.mark.parametrize(
    ("round_off", "dtype", "scale"),
    [
        (stochastic_bfloat16, torch.bfloat16, 1.0),
        (stochastic_bfloat16, torch.bfloat16, 1e-38),
        (stochastic_bfloat16, torch.bfloat16, 1e33),
        (stochastic_float16, torch.float16, 1.0),
        (stochastic_float16, torch.float16, 2.0**-15),
        (stochastic_float16, torch.float16, 2.0**-22),
    ],
)
def test_stochastic_rounding_is_unbiased_and_goes_to_a_neighbour(round_off, dtype, scale: float) -> None:
    for number, value in enumerate(VALUES.mul(scale).tolist()):
        x = torch.full((COUNT,), value)
        if dtype == torch.float16 and x[0].abs() < 2.0**-37:
            continue  # below the resolution of 13 random bits: always 0
        rounded = round_off(x, random_bits(INDEX, keys(number, 1))).double()
        low, high = rounded.min().item(), rounded.max().item()
        assert low <= x[0].item() <= high
        neighbours = torch.tensor([low, high]).to(dtype)
        assert low == high or torch.nextafter(*neighbours).item() == neighbours[1].item()
        width = high - low
        # The standard deviation of the mean is at most width / 2 / 256; the last random bit is width / 2**13 or less.
        assert abs(rounded.mean().item() - x[0].item()) <= width * (5 / 2 / 256 + 2.0**-13)


@pytest.mark.parametrize(
    ("round_off", "dtype"), [(stochastic_bfloat16, torch.bfloat16), (stochastic_float16, torch.float16)]
)
def test_stochastic_rounding_keeps_every_number_of_the_format(round_off, dtype) -> None:
    every = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int16).view(dtype)
    for random in (torch.zeros(COUNT, dtype=torch.int64), torch.full((COUNT,), 0xFFFFFFFF), random_bits(INDEX, (1, 2))):
        after = round_off(every.float(), random)
        assert torch.equal(after.isnan(), every.isnan())
        assert torch.equal(after[~after.isnan()], every[~every.isnan()])
        assert torch.equal(after[~after.isnan()].signbit(), every[~every.isnan()].signbit())


FLOATS = st.lists(st.floats(width=32) | st.sampled_from([2.0**-149, -(2.0**-126), 3.4e38, 65519.9]), min_size=1)


@given(values=FLOATS, seed=st.integers(0, 2**64 - 1))
def test_stochastic_rounding_keeps_what_is_not_finite_and_the_sign(values: list[float], seed: int) -> None:
    x = torch.tensor(values, dtype=torch.float32)
    for round_off in (stochastic_bfloat16, stochastic_float16):
        after = round_off(x, random_bits(torch.arange(x.numel()), keys(seed, 0)))
        assert torch.equal(after.isnan(), x.isnan())
        assert after[x.isinf()].isinf().all()
        assert torch.equal(after[~x.isnan()].signbit(), x[~x.isnan()].signbit())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@given(values=FLOATS)
def test_a_compensated_pair_has_twice_the_bits_and_stays_as_it_is(dtype, values: list[float]) -> None:
    x = torch.tensor(values, dtype=torch.float32)
    high, rest = compensate(x, dtype)
    assert torch.equal(high.nan_to_num(7), x.to(dtype).nan_to_num(7))
    assert rest.isfinite().all()
    value = load_pair("kahan", high, rest)
    assert torch.equal(value.isnan(), x.isnan())
    kept = high.isfinite()
    # The bits of both and one for the sign; half the distance of the dtype's numbers where the rest is not normal.
    bits, smallest = (17, 2.0**-134) if dtype == torch.bfloat16 else (23, 2.0**-25)
    assert ((value - x).abs()[kept] <= x.abs()[kept] * 2.0**-bits + smallest).all()
    again = load_pair("kahan", *compensate(value, dtype))
    assert torch.equal(again.nan_to_num(7), value.nan_to_num(7))


def test_random16_is_even_in_a_block_and_uniform_over_steps() -> None:
    bits = random16(128 * 64, keys(5, 1), 0).view(64, 128)
    assert ((bits >= 0) & (bits < 1 << 16)).all()
    # Multiples of the golden ratio leave gaps of three sizes (Steinhaus), of 128 none above its power -9, 1/76.
    ordered = bits.sort(1).values
    assert (ordered.diff(dim=1) <= 65536 // 75).all()
    over_steps = torch.stack([random16(4, keys(5, step), 3) for step in range(4096)])
    for column in over_steps.T:
        assert abs(chi_square_sigmas(torch.bincount(column >> 10, minlength=64), 4096 / 64)) < FIVE_SIGMA
        assert abs(correlation_sigmas(column[:-1], column[1:])) < FIVE_SIGMA
    assert torch.equal(random16(1000, keys(5, 1), 2), bits.flatten()[256:1256])


def check_split(x: torch.Tensor) -> None:
    high, low = split(x)
    assert high.dtype == torch.bfloat16
    assert low.dtype == torch.int16
    back = join(high, low)
    number = ~x.isnan()
    assert torch.equal(back[number].view(torch.int32), x[number].view(torch.int32))
    assert back[~number].isnan().all()
    assert high[~number].isnan().all()
    # Nearest: as torch rounds, but for ties (low half 0x8000), which go away from zero.
    tie = (x.view(torch.int32) & 0xFFFF) == 0x8000
    same = number & ~tie
    assert torch.equal(high[same].view(torch.int16), x[same].to(torch.bfloat16).view(torch.int16))
    if (number & tie).any():
        distance = high.view(torch.int16).int() - x.to(torch.bfloat16).view(torch.int16).int()
        assert ((distance == 0) | (distance == 1))[number & tie].all()


@pytest.mark.parametrize("exponent", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("sign", [0, 1])
def test_split_and_join_are_exact_for_every_mantissa(exponent: int, sign: int) -> None:
    """All 2**23 floats of one exponent: subnormal, normal, the largest ones, infinity and every NaN."""
    start = (sign << 31) + (exponent << 23)
    bits = torch.arange(start - (sign << 32), start - (sign << 32) + (1 << 23))
    check_split(bits.to(torch.int32).view(torch.float32))


@given(bits=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1))
def test_split_and_join_are_exact_for_any_pattern(bits: list[int]) -> None:
    check_split(torch.tensor(bits, dtype=torch.int32).view(torch.float32))


def test_shapes_are_kept() -> None:
    x = torch.randn(3, 4).T
    assert split(x)[0].shape == x.shape
    assert torch.equal(join(*split(x)), x)
    assert stochastic_bfloat16(x, torch.zeros(4, 3, dtype=torch.int64)).shape == x.shape
    assert torch.equal(join(*split(torch.zeros(0))), torch.zeros(0))
