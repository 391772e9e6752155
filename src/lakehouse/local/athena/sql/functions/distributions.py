"""Mathematical functions of probabilities, vectors and digits, which DuckDB has not.

https://trino.io/docs/current/functions/math.html
"""

from __future__ import annotations

import math
from statistics import NormalDist

from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.functions.support import first, optional, refuse

_LEAST, _MOST = -(2**63), 2**63 - 1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _check_radix(radix: int) -> None:
    if not 2 <= radix <= 36:
        refuse("Radix must be between 2 and 36")


@python("athena_from_base", "VARCHAR, BIGINT", "BIGINT")
def from_base(text: str, radix: int) -> int:
    """A number of its digits.

    Args:
        text: The digits.
        radix: The base.

    Returns:
        The number.
    """
    _check_radix(radix)
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    allowed = _DIGITS[:radix]
    if not digits or any(one not in allowed for one in digits.lower()):
        refuse(f"Not a valid base-{radix} number: {text}")
    number = int(digits, radix) * (-1 if text.startswith("-") else 1)
    if not _LEAST <= number <= _MOST:
        refuse(f"Not a valid base-{radix} number: {text}")
    return number


@python("athena_to_base", "BIGINT, BIGINT", "VARCHAR")
def to_base(number: int, radix: int) -> str:
    """A number's digits.

    Args:
        number: The number.
        radix: The base.

    Returns:
        The digits.
    """
    _check_radix(radix)
    digits, rest = "", abs(number)
    while rest:
        rest, digit = divmod(rest, radix)
        digits = _DIGITS[digit] + digits
    return f"-{digits}" if number < 0 else digits or "0"


@python("athena_normal_cdf", "DOUBLE, DOUBLE, DOUBLE", "DOUBLE")
def normal_cdf(mean: float, deviation: float, value: float) -> float:
    """How likely a normal variable is not above a value.

    Args:
        mean: Its mean.
        deviation: Its standard deviation.
        value: The value.

    Returns:
        The probability.
    """
    if not deviation > 0:
        refuse("standardDeviation must be > 0")
    return 0.5 * (1 + math.erf((value - mean) / (deviation * math.sqrt(2))))


@python("athena_inverse_normal_cdf", "DOUBLE, DOUBLE, DOUBLE", "DOUBLE")
def inverse_normal_cdf(mean: float, deviation: float, probability: float) -> float:
    """The value that a normal variable is not above with a probability.

    Args:
        mean: Its mean.
        deviation: Its standard deviation.
        probability: The probability.

    Returns:
        The value.
    """
    if not 0 < probability < 1:
        refuse("p must be 0 > p > 1")
    if not deviation > 0:
        refuse("sd must be > 0")
    return NormalDist(mean, deviation).inv_cdf(probability)


def _wilson(successes: int, trials: int, z: float, side: int) -> float:
    if successes < 0:
        refuse("number of successes must not be negative")
    if trials <= 0:
        refuse("number of trials must be positive")
    if successes > trials:
        refuse("number of successes must not be larger than number of trials")
    if z < 0:
        refuse("z-score must not be negative")
    n, p = float(trials), successes / trials
    square = z * z
    return (p + square / (2 * n) + side * z * math.sqrt(p * (1 - p) / n + square / (4 * n * n))) / (1 + square / n)


@python("athena_wilson_lower", "BIGINT, BIGINT, DOUBLE", "DOUBLE")
def wilson_lower(successes: int, trials: int, z: float) -> float:
    """Lower end of Wilson's score interval.

    Args:
        successes: How many trials succeeded.
        trials: How many there were.
        z: The z-score.

    Returns:
        The bound.
    """
    return _wilson(successes, trials, z, -1)


@python("athena_wilson_upper", "BIGINT, BIGINT, DOUBLE", "DOUBLE")
def wilson_upper(successes: int, trials: int, z: float) -> float:
    """Upper end of Wilson's score interval.

    Args:
        successes: How many trials succeeded.
        trials: How many there were.
        z: The z-score.

    Returns:
        The bound.
    """
    return _wilson(successes, trials, z, 1)


@python("athena_cbrt", "DOUBLE", "DOUBLE")
def cube_root(number: float) -> float:
    """The cube root; DuckDB's is one bit off for some whole numbers.

    Args:
        number: The number.

    Returns:
        The root.
    """
    root = math.cbrt(number)
    return float(round(root)) if math.isfinite(root) and round(root) ** 3 == number else root


@optional("athena_cosine", "MAP(VARCHAR, DOUBLE), MAP(VARCHAR, DOUBLE)", "DOUBLE")
def cosine_similarity(left: dict[str, float | None], right: dict[str, float | None]) -> float | None:
    """The cosine of the angle between two sparse vectors.

    Args:
        left: One.
        right: The other one.

    Returns:
        The cosine; None where a vector has no length, or a value is missing.
    """
    first_, second = list(left.values()), list(right.values())
    if None in first_ or None in second:
        return None
    sizes = [math.sqrt(sum(one * one for one in side if one is not None)) for side in (first_, second)]
    if 0 in sizes:
        return None
    product = sum((left[key] or 0) * (right[key] or 0) for key in left if key in right)
    return product / (sizes[0] * sizes[1])


scalar("cbrt(double) -> double", "athena_cbrt({0})")
scalar("from_base(varchar, bigint) -> bigint", "athena_from_base({0}, {1})")
scalar("to_base(bigint, bigint) -> varchar", "athena_to_base({0}, {1})")
scalar("normal_cdf(double, double, double) -> double", "athena_normal_cdf({args})")
scalar("inverse_normal_cdf(double, double, double) -> double", "athena_inverse_normal_cdf({args})")
scalar("wilson_interval_lower(bigint, bigint, double) -> double", "athena_wilson_lower({args})")
scalar("wilson_interval_upper(bigint, bigint, double) -> double", "athena_wilson_upper({args})")
scalar("cosine_similarity(map(varchar, double), map(varchar, double)) -> double", first("athena_cosine"))
