"""Conditional expressions: the documentation's examples, and the types and failures of what is not taken."""

from athena_snippets import Fails

SECTION = "Conditional expressions"
SOURCE = "https://trino.io/docs/current/functions/conditional.html"
SNIPPETS = [
    ("case a when 1 then 'one' when 2 then 'two' else 'many' end from (values 1) t(a)", "one"),
    ("case a when 1 then 'one' when 2 then 'two' else 'many' end from (values 3) t(a)", "many"),
    ("case a when 1 then 'one' end from (values 3) t(a)", None),
    ("case a when null then 'null' else 'other' end from (values cast(null as integer)) t(a)", "other"),
    ("case when a = 1 then 'aaa' when b = 2 then 'bbb' else 'ccc' end from (values (2, 2)) t(a, b)", "bbb"),
    ("case when null then 1 else 2 end", "2"),
    ("case when 1 then 1 end", Fails("TYPE_MISMATCH")),
    ("case when true then 1 else 'x' end", Fails("TYPE_MISMATCH")),
    ("case when true then 1 else 2.5 end", "1.0"),
    ("case 1 when 'x' then 1 end", Fails("TYPE_MISMATCH")),
    ("if(1>2,'a','b')", "b"),
    ("if(1>2,'a')", None),
    ("if(null,'a','b')", "b"),
    ("if(true, 1, 1/0)", "1"),
    ("if(true, 1, 'a')", Fails("TYPE_MISMATCH")),
    ("coalesce(null, 'z')", "z"),
    ("coalesce(null, null)", None),
    ("coalesce(1, 1/0)", "1"),
    ("coalesce(1, 2.5)", "1.0"),
    ("coalesce(1, 'a')", Fails("TYPE_MISMATCH")),
    ("nullif(1, 1)", None),
    ("nullif(1, 2)", "1"),
    ("nullif(1, null)", "1"),
    ("nullif(null, 1)", None),
    ("typeof(nullif(1, 1.0))", "integer"),
    ("nullif(1, 'a')", Fails("TYPE_MISMATCH")),
    ("try(1/0)", None),
    ("try(1/1)", "1"),
    ("coalesce(try(1/0), 0)", "0"),
    ("try(cast('P332a' as bigint))", None),
    ("try(cast(x as bigint)) from (values 'P332a') t(x)", None),
    ("try(json_parse(x)) from (values '{') t(x)", None),
    ("try(2147483647 + x) from (values 1) t(x)", None),
    ("try(date_parse(x, '%Y')) from (values 'y') t(x)", None),
    ("cast('P332a' as bigint)", Fails("INVALID_CAST_ARGUMENT")),
    ("1/0", Fails("DIVISION_BY_ZERO")),
]
