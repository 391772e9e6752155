"""Lambda expressions: the documentation's examples, columns in them, one in the other."""

from athena_snippets import Fails

SECTION = "Lambda expressions"
SOURCE = "https://trino.io/docs/current/functions/lambda.html"
SNIPPETS = [
    ("array_sort(ARRAY[3, 2, 5, 1, 2], (x, y) -> IF(x < y, 1, IF(x = y, 0, -1)))", "[5, 3, 2, 2, 1]"),
    ("array_sort(ARRAY['bc', 'ab', 'dc'], (x, y) -> IF(x < y, 1, IF(x = y, 0, -1)))", "[dc, bc, ab]"),
    (
        (
            "array_sort(ARRAY[3, 2, null, 5, null, 1, 2], (x, y) -> CASE WHEN x IS NULL THEN -1 WHEN y IS "
            "NULL THEN 1 WHEN x < y THEN 1 WHEN x = y THEN 0 ELSE -1 END)"
        ),
        "[null, null, 5, 3, 2, 2, 1]",
    ),
    (
        (
            "array_sort(ARRAY[3, 2, null, 5, null, 1, 2], (x, y) -> CASE WHEN x IS NULL THEN 1 WHEN y IS "
            "NULL THEN -1 WHEN x < y THEN 1 WHEN x = y THEN 0 ELSE -1 END)"
        ),
        "[5, 3, 2, 2, 1, null, null]",
    ),
    (
        (
            "array_sort(ARRAY['a', 'abcd', 'abc'], (x, y) -> IF(length(x) < length(y), -1, IF(length(x) = "
            "length(y), 0, 1)))"
        ),
        "[a, abc, abcd]",
    ),
    (
        (
            "array_sort(ARRAY[ARRAY[2, 3, 1], ARRAY[4, 2, 1, 4], ARRAY[1, 2]], (x, y) -> IF(cardinality(x) < "
            "cardinality(y), -1, IF(cardinality(x) = cardinality(y), 0, 1)))"
        ),
        "[[1, 2], [2, 3, 1], [4, 2, 1, 4]]",
    ),
    ("array_sort(array[1, 2], (x, y) -> 5)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("array_sort(array[1, 2], (x, y) -> null)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("filter(ARRAY[], x -> true)", "[]"),
    ("filter(ARRAY[5, -6, NULL, 7], x -> x > 0)", "[5, 7]"),
    ("filter(ARRAY[5, NULL, 7, NULL], x -> x IS NOT NULL)", "[5, 7]"),
    ("filter(1, x -> true)", Fails("FUNCTION_NOT_FOUND")),
    ("transform(ARRAY[], x -> x + 1)", "[]"),
    ("transform(ARRAY[5, 6], x -> x + 1)", "[6, 7]"),
    ("transform(ARRAY[5, NULL, 6], x -> coalesce(x, 0) + 1)", "[6, 1, 7]"),
    ("transform(ARRAY['x', 'abc', 'z'], x -> x || '0')", "[x0, abc0, z0]"),
    ("transform(ARRAY[ARRAY[1, NULL, 2], ARRAY[3, NULL]], a -> filter(a, x -> x IS NOT NULL))", "[[1, 2], [3]]"),
    ("transform(array[1], (x, y) -> x)", Fails("INVALID_PARAMETER_USAGE")),
    ("transform(array[1, 2], x -> transform(array[10], x -> transform(array[5], z -> x + z)))", "[[[15]], [[15]]]"),
    ("transform(array[1, 2], x -> transform(array[10], y -> x * y + z)) from (values 100) t(z)", "[[110], [120]]"),
    ("transform(a, x -> x + b) from (values (array[1, 2], 10)) as x(a, b)", "[11, 12]"),
    ("reduce(ARRAY[], 0, (s, x) -> s + x, s -> s)", "0"),
    ("reduce(ARRAY[5, 20, 50], 0, (s, x) -> s + x, s -> s)", "75"),
    ("reduce(ARRAY[5, 20, NULL, 50], 0, (s, x) -> s + x, s -> s)", None),
    ("reduce(ARRAY[5, 20, NULL, 50], 0, (s, x) -> s + coalesce(x, 0), s -> s)", "75"),
    ("reduce(ARRAY[5, 20, NULL, 50], 0, (s, x) -> IF(x IS NULL, s, s + x), s -> s)", "75"),
    ("reduce(ARRAY[2147483647, 1], BIGINT '0', (s, x) -> s + x, s -> s)", "2147483648"),
    (
        (
            "reduce(ARRAY[5, 6, 10, 20], CAST(ROW(0.0, 0) AS ROW(sum DOUBLE, count INTEGER)), (s, x) -> "
            "CAST(ROW(x + s.sum, s.count + 1) AS ROW(sum DOUBLE, count INTEGER)), s -> IF(s.count = 0, NULL, "
            "s.sum / s.count))"
        ),
        "10.25",
    ),
    ("reduce(array['a', 'b'], '', (s, x) -> s || x, s -> length(s))", "2"),
    (
        "zip_with(ARRAY[1, 3, 5], ARRAY['a', 'b', 'c'], (x, y) -> (y, x))",
        "[{field0=a, field1=1}, {field0=b, field1=3}, {field0=c, field1=5}]",
    ),
    ("zip_with(ARRAY[1, 2], ARRAY[3, 4], (x, y) -> x + y)", "[4, 6]"),
    ("zip_with(ARRAY['a', 'b', 'c'], ARRAY['d', 'e', 'f'], (x, y) -> concat(x, y))", "[ad, be, cf]"),
    ("zip_with(ARRAY['a'], ARRAY['d', null, 'f'], (x, y) -> coalesce(x, y))", "[a, null, f]"),
    ("all_match(array[1, 2], x -> x > 0)", "true"),
    ("all_match(array[], x -> false)", "true"),
    ("all_match(array[1, null], x -> x > 0)", None),
    ("all_match(array[0, null], x -> x > 0)", "false"),
    ("any_match(array[], x -> true)", "false"),
    ("any_match(array[null, 1], x -> x > 1)", None),
    ("any_match(array[null, 2], x -> x > 1)", "true"),
    ("none_match(array[1, null], x -> x > 5)", None),
    ("none_match(array[], x -> true)", "true"),
    ("none_match(array[1, 2], x -> x > 5)", "true"),
    ("reduce_agg(v, 0, (a, b) -> a + b, (a, b) -> a + b) from (values 1, null, 3, 4) t(v)", "8"),
    ("reduce_agg(v, 1, (a, b) -> a * b, (a, b) -> a * b) from (values 1, 3, 4) t(v) where v > 9", None),
    ("transform(array[1, 2], x -> x * 2)", "[2, 4]"),
    ("filter(array[1, 2, 3], x -> x > 1)", "[2, 3]"),
    ("reduce(array[1, 2, 3], 0, (s, x) -> s + x, s -> s * 10)", "60"),
]
