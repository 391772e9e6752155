"""SELECT: its clauses, and the names of the errors; values follow from the rules of the documentation."""

from athena_snippets import Fails

SECTION = "SELECT"
SOURCE = "https://trino.io/docs/current/sql/select.html"
SNIPPETS = [
    ("select a, sum(b) from (values (1,2),(1,3),(2,5)) t(a,b) group by 1 order by 2 desc", "1"),
    (
        (
            "select a, b, sum(c), grouping(a,b) from (values (1,1,1),(1,2,2)) t(a,b,c) group by grouping "
            "sets ((a),(b),()) order by 4,1,2"
        ),
        "1",
    ),
    ("select a, count(*) from (values 1,1,2) t(a) group by rollup(a) order by a", "1"),
    ("select a, b, count(*) from (values (1,2)) t(a,b) group by cube(a,b) order by 1,2", "1"),
    ("select a, b, count(*) from (values (1,2)) t(a,b) group by a, rollup(b) order by 1,2", "1"),
    ("select a+1, count(*) from (values 1,1,2) t(a) group by a+1 having count(*)>1", "2"),
    ("select a, count(*) from (values 1,1,2) t(a) group by 3", Fails("INVALID_COLUMN_REFERENCE")),
    ("select a, b from (values (1,2)) t(a,b) group by a", Fails("EXPRESSION_NOT_AGGREGATE")),
    ("select a, sum(b) from (values (1,2)) t(a,b)", Fails("EXPRESSION_NOT_AGGREGATE")),
    ("select sum(a) from (values 1) t(a) where sum(a) > 1", Fails("EXPRESSION_NOT_SCALAR")),
    ("select 1 union select 1 union all select 1", "1"),
    ("select 1 intersect select 1", "1"),
    ("select 1 union all select 2 intersect select 2 order by 1", "1"),
    ("select x from (select 1 x except all select 2)", "1"),
    ("select 1 union select 'a'", Fails("TYPE_MISMATCH")),
    ("select 1, 2 union select 1", Fails("TYPE_MISMATCH")),
    ("select 1 union all select 2.5 order by 1 desc", "2.5"),
    ("with a(x) as (values 1,2), b as (select x+1 y from a) select sum(y) from b", "5"),
    ("with a as (select 1 x) select * from a as c(y)", "1"),
    ("with a(x,y) as (select 1) select 1", Fails("MISMATCHED_COLUMN_ALIASES")),
    ("with recursive t(n) as (values 1 union all select n+1 from t where n < 4) select sum(n) from t", "10"),
    ("values (1,'a'),(2,'b') order by 1 desc limit 1", "2"),
    ("select * from (values (1,'a')) t(a,b)", "1"),
    ("select * from (values (1,'a')) t(a)", Fails("MISMATCHED_COLUMN_ALIASES")),
    ("select x, y from unnest(array[1,2], array['a','b','c']) as t(x,y) order by y desc", None),
    ("select k, v, i from unnest(map(array['a','b'],array[1,2])) with ordinality as t(k,v,i) order by k desc", "b"),
    ("select a, b from unnest(array[row(1,'x'), row(2,'y')]) as t(a,b) order by a desc", "2"),
    (
        (
            "select t.a, u.x from (values (1, array[5,6]), (2, array[]), (3,null)) t(a,b) left join "
            "unnest(b) as u(x) on true order by 1 desc, 2"
        ),
        "3",
    ),
    (
        (
            "select t.a, u.x from (values (1, array[5,6]), (2, array[])) t(a,b) cross join unnest(b) as u(x) "
            "order by 2 desc"
        ),
        "1",
    ),
    ("select t.a, x from (values (1, array[5,6])) t(a,b), unnest(b) as u(x) order by 2 desc", "1"),
    ("select x from unnest(null) as t(x)", Fails("TYPE_MISMATCH")),
    ("select x from unnest(1) as t(x)", Fails("TYPE_MISMATCH")),
    ("select a, z from (values 1,2) t(a) cross join lateral (select a*10 as z) order by z desc", "2"),
    ("select * from (values 1) a(x) join (values 1,2) b(x) using (x)", "1"),
    ("select x, a.y, b.y from (values (1,2)) a(x,y) full join (values (3,4)) b(x,y) using (x) order by x", "1"),
    ("select * from (values (1,2)) a(x,y) natural join (values (1,3)) b(x,z)", "1"),
    (
        "select * from (values (1,2)) a(x,y) join (values (1,3)) b(x,z) using (x) where a.x = 1",
        Fails("COLUMN_NOT_FOUND"),
    ),
    (
        (
            "select x from (values (1,2)) a(x,y) join (values (1,3)) b(x,z) using (x) join (values (1,9)) "
            "c(x,w) on c.w = 9"
        ),
        Fails("AMBIGUOUS_NAME"),
    ),
    ("select count(*) from (values 1,2) t(x) tablesample bernoulli (0)", "0"),
    ("select count(*) from (select 1 x) t tablesample bernoulli (0)", "0"),
    ("select * from ((values 1) a(x) join (values 1) b(y) on a.x=b.y) left join (values 2) c(z) on c.z = b.y", "1"),
    ("select count(*) from (values 1,2) a(x), (values 1,2) b(y) where a.x=b.y", "2"),
    ("select x from (values 1) a(x), (values 1) b(x)", Fails("AMBIGUOUS_NAME")),
    ("select a.nope from (values 1) a(x)", Fails("COLUMN_NOT_FOUND")),
    ("select nope from (values 1) a(x)", Fails("COLUMN_NOT_FOUND")),
    ("select b.* from (values 1) a(x)", Fails("TABLE_NOT_FOUND")),
    ("select a.* from (values (1,2)) a(x,y)", "1"),
    ("select (select max(x) from (values 1,5) t(x))", "5"),
    ("select (select x from (values 1,5) t(x))", Fails("SUBQUERY_MULTIPLE_ROWS")),
    ("select (select x from (values 1) t(x) where x>9)", None),
    ("select x from (values 1,2,3) t(x) where x in (select y from (values 2) u(y))", "2"),
    ("select x from (values 1,2,3) t(x) where exists (select 1 from (values 2) u(y) where y = t.x)", "2"),
    ("select x from (values 1,2,3) t(x) where x > all (select y from (values 1,2) u(y))", "3"),
    ("select x from (values 1,2,3) t(x) where x = any (select y from (values 1) u(y))", "1"),
    (
        "select x, (select count(*) from (values 1,2) u(y) where y <= t.x) c from (values 1,2) t(x) order by x desc",
        "2",
    ),
    ("select 3 in (1,null), 1 in (1,null), 1 not in (2)", None),
    ("select x as y from (values 3,1,2) t(x) order by y desc", "3"),
    ("select x as y from (values 3,1,2) t(x) order by -y", "3"),
    ("select -x as x from (values 3,1,2) t(x) order by x", "-3"),
    ("select x from (values 3,1,null) t(x) order by x nulls first", None),
    ("select x from (values 3,1,null) t(x) order by x desc", "3"),
    ("select x from (values 3,1,2) t(x) order by 2", Fails("INVALID_COLUMN_REFERENCE")),
    ("select x from (values 3,1,2) t(x) order by x fetch first row only", "1"),
    ("select x from (values 3,1,2) t(x) order by x offset 1 rows limit 1", "2"),
    ("select x from (values 3,1,2) t(x) order by x limit all", "1"),
    ("select * from table(sequence(start => 1, stop => 3)) order by 1 desc", "3"),
    ("select * from table(sequence(1, 5, 2)) order by 1 desc", "5"),
    ("select rank() over (partition by a order by b) from (values (1,2)) t(a,b)", "1"),
    (
        (
            "select sum(x) over (order by x range between 1 preceding and 1 following) from (values 1,2,5) "
            "t(x) order by x"
        ),
        "3",
    ),
    (
        (
            "select sum(x) over (order by x groups between 1 preceding and current row) from (values 1,1,2) "
            "t(x) order by 1"
        ),
        "2",
    ),
    ("select distinct x from (values 1,1) t(x)", "1"),
    ("select distinct x from (values 1,1) t(x) order by x+1", Fails("EXPRESSION_NOT_IN_DISTINCT")),
    ("select r.a, r.b from (select cast(row(1,'x') as row(a integer, b varchar)) r)", "1"),
    ("select r.* from (select cast(row(1,'x') as row(a integer, b varchar)) r)", "1"),
    ("select t.r.a from (select cast(row(1,'x') as row(a integer, b varchar)) r) t", "1"),
    ("select row(1,2)[2], (1,2)[1]", "2"),
    ("select x from (values 1,2) t(x) where x", Fails("TYPE_MISMATCH")),
    ("select x + 'a' from (values 1) t(x)", Fails("TYPE_MISMATCH")),
    ("select *", Fails("COLUMN_NOT_FOUND")),
    ("select count(*) filter (where x > 1), sum(x) filter (where x>9) from (values 1,2) t(x)", "1"),
    ("select x, row_number() over (order by x desc) rn from (values 1,2) t(x) order by rn", "2"),
    ("select * from (select x, row_number() over (order by x desc) rn from (values 1,2) t(x)) where rn = 1", "2"),
    ("select a from (values 1) t(a) group by a order by count(*)", "1"),
    ("select max(x) from (values 1,2) t(x) order by max(x)", "2"),
    ("select a as b, count(*) from (values 1) t(a) group by b", Fails("COLUMN_NOT_FOUND")),
    ('select T.A, "t"."a" from (values 1) t(a)', "1"),
    ("select case when x > 1 then 'a' end from (values 2) t(x)", "a"),
    ("select x from (values (1,'a'),(2,'b')) as t(x,y) where (x,y) in (values (2,'b'))", "2"),
    ("select if(true, 1, 2), nullif(1,1), coalesce(null,2), nullif(1,2)", "1"),
    ("select max_by(a, b) over () from (values (1,2)) t(a,b)", "1"),
    ("select sum(sum(x)) over () from (values 1,2) t(x) group by x", "3"),
    ("select a from (values 1) t(a) where a = (select max(b) from (values 1) u(b))", "1"),
    ("select a from (values 1) t(a) group by sum(a)", Fails("EXPRESSION_NOT_SCALAR")),
    ("select count(*) from (values 1,2) t(x) tablesample bernoulli (100)", "2"),
    ("select (r).* from (select cast(row(1,'x') as row(a integer, b varchar)) r)", "1"),
    ("select t.* from (values (1,2)) t(a,b)", "1"),
    ("select distinct x+1 from (values 1,1) t(x) order by x+1", "2"),
    ("select distinct x as y from (values 1,1) t(x) order by y", "1"),
    ("x from unnest(array[5,6]) with ordinality as t(x, i) where i = 2", "6"),
    ("u.x from (select array[1,2] a) t cross join unnest(t.a) as u(x) where x=2", "2"),
    ("x from (values 1,2,3) t(x) order by x offset 1 limit 1", "2"),
    ("x from (values 1,2,3) t(x) order by x offset 1 rows fetch first 1 rows only", "2"),
    ("x from (values 1,null,2) t(x) order by x limit 1", "1"),
    ("x from (values 1,null,2) t(x) order by x desc limit 1", "2"),
    ('"Foo" from (select 1 as foo) t', "1"),
    ("select r.zz from (select cast(row(1,'x') as row(a integer, b varchar)) r)", Fails("COLUMN_NOT_FOUND")),
    ("select count(*) from (select 1 except select 1)", "0"),
    ("select x from ((select 1 x) union all (select 2)) order by 1 desc limit 1", "2"),
    ("select a from (values 1) t(a) where rank() over () = 1", Fails("EXPRESSION_NOT_SCALAR")),
    ("select count(*) from (values 1,2) t(x) tablesample system (100)", "2"),
    ("select * from nothing", Fails("TABLE_NOT_FOUND")),
    ("select x from (values 1,2) t(x) fetch first 1 rows with ties", Fails("NOT_SUPPORTED")),
    (
        (
            "select listagg(coalesce(cast(a as varchar), '-') || coalesce(cast(n as varchar), '-'), ' ') "
            "within group (order by a, n) from (select a, count(*) n from (values 1,1,2) t(a) group by "
            "rollup(a))"
        ),
        "12 21 -3",
    ),
    (
        (
            "select array_agg(row(a, b, n, g) order by g, a, b) from (select a, b, sum(c) n, grouping(a, b) "
            "g from (values (1,1,1),(1,2,2)) t(a,b,c) group by grouping sets ((a),(b),()))"
        ),
        (
            "[{field0=1, field1=null, field2=3, field3=1}, {field0=null, field1=1, field2=1, field3=2}, "
            "{field0=null, field1=2, field2=2, field3=2}, {field0=null, field1=null, field2=3, field3=3}]"
        ),
    ),
    (
        (
            "select array_agg(row(t.a, u.x) order by t.a, u.x) from (values (1, array[5,6]), (2, array[]), "
            "(3, null)) t(a,b) left join unnest(b) as u(x) on true"
        ),
        "[{field0=1, field1=5}, {field0=1, field1=6}, {field0=2, field1=null}, {field0=3, field1=null}]",
    ),
    (
        "select array_agg(row(x, y) order by y) from unnest(array[1,2], array['a','b','c']) as t(x,y)",
        "[{field0=1, field1=a}, {field0=2, field1=b}, {field0=null, field1=c}]",
    ),
    (
        (
            "select array_agg(row(k, v, i) order by i) from unnest(map(array['a','b'],array[1,2])) with "
            "ordinality as t(k,v,i)"
        ),
        "[{field0=a, field1=1, field2=1}, {field0=b, field1=2, field2=2}]",
    ),
    (
        "select array_agg(row(a, b) order by a) from unnest(array[row(1,'x'), row(2,'y')]) as t(a,b)",
        "[{field0=1, field1=x}, {field0=2, field1=y}]",
    ),
    (
        (
            "select array_agg(row(x, a.y, b.y) order by x) from (values (1,2)) a(x,y) full join (values "
            "(3,4)) b(x,y) using (x)"
        ),
        "[{field0=1, field1=2, field2=null}, {field0=3, field1=null, field2=4}]",
    ),
    (
        "select array_agg(row(x, y, z)) from (values (1,2)) a(x,y) natural join (values (1,3)) b(x,z)",
        "[{field0=1, field1=2, field2=3}]",
    ),
    (
        (
            "select array_agg(row(a.x, b.y, c.z)) from ((values 1) a(x) join (values 1) b(y) on a.x=b.y) "
            "left join (values 2) c(z) on c.z = b.y"
        ),
        "[{field0=1, field1=1, field2=null}]",
    ),
    ("select array_agg(x order by x) from (select 1 x union select 1 union all select 1)", "[1, 1]"),
    ("select array_agg(x order by x) from (select 1 x union all select 2 intersect select 2)", "[1, 2]"),
    (
        (
            "select array_agg(row(x, c) order by x) from (select x, (select count(*) from (values 1,2) u(y) "
            "where y <= t.x) c from (values 1,2) t(x))"
        ),
        "[{field0=1, field1=1}, {field0=2, field1=2}]",
    ),
    (
        "select array_agg(row(a, z) order by a) from (values 1,2) t(a) cross join lateral (select a*10 as z)",
        "[{field0=1, field1=10}, {field0=2, field1=20}]",
    ),
    (
        "select array_agg(sequential_number order by 1) from table(sequence(start => 1, stop => 6, step => 2))",
        "[1, 3, 5]",
    ),
    (
        "select array_agg(row(r.a, r.b)) from (select cast(row(1,'x') as row(a integer, b varchar)) r)",
        "[{field0=1, field1=x}]",
    ),
    (
        (
            "select array_agg(row(x, s) order by x) from (select x, sum(x) over (order by x range between 1 "
            "preceding and 1 following) s from (values 1,2,5) t(x))"
        ),
        "[{field0=1, field1=3}, {field0=2, field1=3}, {field0=5, field1=5}]",
    ),
    ("select array_agg(x) from (select x from (values 3,1,2) t(x) order by x desc limit 2)", "[3, 2]"),
    (
        "select array_agg(row(typeof(x), x)) from (select 1 x union select decimal '2.5') where x > 2",
        "[{field0=decimal(11,1), field1=2.5}]",
    ),
    (
        (
            "select array_agg(row(y, z)) from (select a.*, b.* from (values (1,2)) a(x,y) join (values "
            "(1,3)) b(x,z) using (x))"
        ),
        "[{field0=2, field1=3}]",
    ),
    ("select (select array[1,2])[(select 2)]", "2"),
    ("select element_at(split(x,'-'),1) from (values 'ab-1','ab-2') t(x) group by element_at(split(x,'-'),1)", "ab"),
    ("select a[1] from (values array[1,2],array[1,3]) t(a) group by a[1]", "1"),
    ("select element_at(array_agg(x), count(*)) from (values 2) t(x)", "2"),
    (
        (
            "select array_agg(y) from (values (array[1,2])) t(a), lateral (select y from unnest(t.a) as z(y) "
            "where y > 1) u"
        ),
        "[2]",
    ),
    ("with t(a) as (select 1) select a from t where a in (with t as (select 1 b) select b from t)", "1"),
    ("with t as (select 1 a), u as (with t as (select 2 a) select * from t) select u.a from t, u", "2"),
    ("select count(*) c from (values 1,2,2) t(x) group by x having c > 1", Fails("COLUMN_NOT_FOUND")),
    ("k from unnest(map(array['a'],array[1])) as t(k,v)", "a"),
]
