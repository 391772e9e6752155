"""Windows: every function, every kind of frame, and what is refused."""

from athena_snippets import Fails

SECTION = "Window functions"
SOURCE = "https://trino.io/docs/current/functions/window.html"
SNIPPETS = [
    ("lag(x) over (order by x) from (values 1, 2) t(x) order by x", None),
    ("lag(x, 1) over (order by x) from (values 1) t(x)", None),
    ("lead(x) over (order by x) from (values 1, 2) t(x) order by x", "2"),
    ("lead(x, 1, 9) over (order by x) from (values 1) t(x)", "9"),
    ("lead(x, -1) over (order by x) from (values 1) t(x)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("lag(x) ignore nulls over (order by y) from (values (1, 1), (null, 2), (3, 3)) t(x, y) order by y desc", "1"),
    ("first_value(x) over (order by x desc) from (values 1, 2) t(x) order by x", "2"),
    ("last_value(x) over (order by x) from (values 1, 2) t(x) order by x", "1"),
    (
        (
            "last_value(x) over (order by x rows between unbounded preceding and unbounded following) from "
            "(values 1, 2) t(x) order by x"
        ),
        "2",
    ),
    ("last_value(x) ignore nulls over (order by y) from (values (1, 1), (null, 2)) t(x, y) order by y desc", "1"),
    (
        (
            "nth_value(x, 2) over (order by x rows between unbounded preceding and unbounded following) from "
            "(values 1, 2) t(x) order by x"
        ),
        "2",
    ),
    ("nth_value(x, 0) over (order by x) from (values 1) t(x)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("ntile(2) over (order by x) from (values 1, 2) t(x) order by x desc", "2"),
    ("ntile(0) over (order by x) from (values 1) t(x)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("rank() over (order by x) from (values 1, 1, 2) t(x) order by x desc", "3"),
    ("dense_rank() over (order by x) from (values 1, 1, 2) t(x) order by x desc", "2"),
    ("row_number() over (order by x desc) from (values 1, 2) t(x) order by x", "2"),
    ("cume_dist() over (order by x) from (values 1, 2) t(x) order by x", "0.5"),
    ("percent_rank() over (order by x) from (values 1, 2, 3) t(x) order by x desc", "1.0"),
    (
        "rank() over (partition by a order by b) from (values ('x', 1), ('x', 2), ('y', 1)) t(a, b) order by a desc",
        "1",
    ),
    ("sum(x) over (order by x) from (values 1, 2) t(x) order by x desc", "3"),
    (
        (
            "sum(x) over (order by x rows between 1 preceding and current row) from (values 1, 2, 3) t(x) "
            "order by x desc"
        ),
        "5",
    ),
    ("sum(x) over (order by x range between 1 preceding and 1 following) from (values 1, 2, 5) t(x) order by x", "3"),
    (
        (
            "sum(x) over (order by x groups between 1 preceding and current row) from (values 1, 1, 2) t(x) "
            "order by x desc"
        ),
        "4",
    ),
    ("sum(x) over () from (values 1, 2) t(x)", "3"),
    ("sum(x) over w from (values 1, 2) t(x) window w as (order by x desc) order by x", "3"),
    ("sum(x) over nope from (values 1) t(x)", Fails("INVALID_WINDOW_REFERENCE")),
    ("count(distinct x) over () from (values 1, 1) t(x)", "1"),
    ("array_agg(x) over (order by x) from (values 1, 2) t(x) order by x desc", "[1, 2]"),
    ("map_agg(k, v) over (order by k) from (values ('a', 1), ('b', 2)) t(k, v) order by k desc", "{a=1, b=2}"),
    ("count(*) filter (where x > 1) over () from (values 1, 2) t(x)", "1"),
    ("sum(sum(x)) over () from (values 1, 2) t(x) group by x", "3"),
    ("rank() from (values 1) t(x)", Fails("MISSING_OVER")),
    ("abs(x) over () from (values 1) t(x)", Fails("FUNCTION_NOT_AGGREGATE")),
    ("select x from (select x, row_number() over (order by x desc) rn from (values 1, 2) t(x)) where rn = 1", "2"),
]
