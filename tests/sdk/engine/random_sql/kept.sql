select * from t8 where n in (select n from t8 where n = 5 and n = 6)
select v from t8 where v in (select v from t1 where v = 'nosuch') or n = 3
select m from t8 where m in ()
select m from t8 where m in (select m from t0 where n = 99)
select * from t3 where n in (select n from t0 where n = 99)
select * from t3 where n in (1, 2, null, 1)
select x.n, y.m from t0 x left join t3 y on y.n = x.n
select oid as o from t0 a, t1 b where a.n = b.n
select a.n, ? as p, :q as q from t0 a where a.u is ? or a.n = 3
select cast(x'61ff' as text) as a, n from t0
select 'x' as x; select x'ff' || n as a from t1; select 2 as y
select v from t7 where v < 'é' collate version_rhel
select 'ab' < '1é' collate version as a, 'é' > 'a' collate version_arch as b, version_compare('10', 'ü') as c
select x1.* from t4 x1 right join t0 x2 using (z) full join t9 x3 on x3.m = x2.u
select x1.z as o2 from t4 x1 where x1.z in ('2', '2') or x1.z = 'abc' collate version_rhel
select * from t9 x1 where x1.d in (select x3.rowid as o4 from temp.t1 x2 natural join t7 x3)
select x1.v as o3 from main.t6 x1 where x1.m in (select '3abc' as o2 where false) order by 1 collate nocase, 1 limit 1 + 1
select x2.* from t8 x1 left join t9_view x2 using (path) left outer join t5 x3 on x3.d is x1.m where x3.v in (null, x'61', null) and x1.path = x2.path
select x1.m as o4, coalesce(1.5, 0.5) as o5, 1.5 as o6 from t4 x1 where x1.u in (select count(*) as o3 from t8 x2 where not x2.m != 2147483648 and x2.m in (2, 3) group by x2.n)
select t6.* from t6 natural left join wide x1 where x1.c39 <> t6.v and t6.m isnull and t6.m in (select (x2.n) as o3 from main.t6 x2 where x2.m in (1, -1) and x2.n_alias between 2147483648 and x2.d)
select max('a ') as o3, max('é') as o4, sum(-2147483649) as o5 from t6 where t6.v in (select regex_split(x1.v, '(', 0) as o2 from t1 x1 where x1.d in (null) and x1.n_alias like 'a' || '%' escape '!') limit 2 offset 1
select x'00ff' as o5, x2.z as o6, x2.u as o7, -1 as o8 from t6 x1, t9 x2 where x1.m = -1 collate rtrim and x1.m in (select subtype(x3.n) as o4 from t7 x3 where x3.path = x3.path order by 1 limit 0) and x2.m < x1.n_alias
select x1.d as o5, x2.v as o6 from t5 x1 join t4 x2 on x1.v = x2.path and x2.m in (select row_number() over (order by x3.m, x3.u, x3.path, x3.v, x3.z desc) as o4 from t4 x3 where x3.u == null and x1.v = '1.0') where x1.d not like ''
select * from t3 x1 where x1.m in (select count(max(x2.z, x2.d)) as o6 from t6 x2 where x2.m not in (select x4.n as o5 from t2 x3 natural left join t7 x4 where x4.u is distinct from 1 and x3.name <> '' and x4.n <> 0) and x2.n_alias == x2.d and x2.m = 3 and x2.m = -1 group by x2.v having count(x2.v) >= 1) and x1.n = 1
select x2.path as o7, x1.m as o8, x2.m as o9, x2.u as o10 from t3 x1 left outer join t7 x2 on (x1.n_alias) != 9223372036854775807 where x2.u > x2.u and x1.n = 010 and x1.m in (select x3.m as o6 from t6 x3 where (x3.n > 0 or x3.n <> 2147483648) and x3.m in (select x3.n as o5 from odd, t2 x4 where x4.d = 0.1 collate version) and x3.v = '')
select x9.o4 as o10, x9.o5 as o11 from (select all replace(x1.v, 'a', 'x') as o4, oid as o5, (select x6.m as o7 from t8 x6 where x1.m like null and x6.m = -1) as o8 from t3 x1 where x1.v not between x1.name and x1.v and x1.name in (select x2.v as o3 from t5 x2 where x2.v = '1.9') and x1.name between 'ab' and 'A') x9 where x9.o8 not in (x9.o5, 2)
select distinct x1.v as o3, x1.z as o4 from t6 x1 left outer join odd using (n) left join wide x2 on x2.c65 = odd.n where x1.m = 1 or x1.v in ('1.0~rc1', '2:1.0') order by 1 collate nocase, 2 collate nocase, 1, 2
select case x1.n when x'32' then x'61' end as o4, null as o5, 1.5 as o6, x1.m as o7 from temp.t7 x1 where x1.name > (x1.v) and (exists (select x2.name as o3 from t3 x2 where x2.n_alias in (5, 3, 0)) and x1.m = x1.n) union all select zeroblob(2) as o9, x'C3A9' as o10, 1e20 as o11, x8.m as o12 from t5 x8
select _rowid_ as o3 from t4 x1 join wide x2 on x2.c65 = x1.z where x1.z like '/a/%' escape '!' and 'abc' >= x2.c31 order by 1
select all regex_match(x2.c59, '(', 1) as o3, 0.0 as o4, case when x1.u = 1 then x1.m when x1.n in () then x1.u else x1.n end as o5, _rowid_ as o6 from t7 x1, wide x2 where x1.n = null collate version_dpkg
select _rowid_ as o6, x3.m as o7 from t2 x1 left outer join t8 x2 on x1.v > '' cross join temp.t9 x3 where exists (select x2.m as o5 from t1 x4 where x2.m = '0' and x3.d <> 2) and x3.u is 3 and x2.m = x3.m and x2.m < 3
select _rowid_ as o6 from t2 x1 full join t6 x2 on x1.v = x2.v where x2.m in (2, 2147483648) and x1.d != 0.1 and x1.name in ('a ', 'abc') and x2.v in (select z as o5 from t4_view x3 join t9 x4 on x3.path < x4.v and x4.z != '5' where (x3.u is not '0' or x2.d <> 2))
select rank() over (order by x1.n, x1.m, x1.name, x1.v, x1.n_alias, x2.rowid, x2.n, x2.name) as o3, _rowid_ as o4, v as o5 from t3 x1 right join odd x2 using (n) where x2.rowid between x1.n_alias and 9223372036854775807 and x1.name is not null and x1.name = 'A' and x1.n = x1.n_alias
select x1.path as o3, x1.z as o4, x2.z as o5, x1.m as o6 from t4_view x1 join t8 x2 on x2.m <> x1.m where x2.m = null and -1 = x2.n union select 'B' as o10, conditional_to_base64(wide.c65) as o11, 1e20 as o12, _rowid_ as o13 from wide join temp.t4 x7 on x7.z = wide.c65 where not exists (select x8.u as o9 from t4 x8 where wide.n <= wide.n) and wide.c65 is not ''
select 1 as o7, _rowid_ as o8, x1.name as o9, t6.z as o10 from temp.t3 x1 left join t6 on x1.m is t6.m where x1.name like '1%' and t6.m = 3 and t6.n_alias >= 3 and x1.n in (select min(x3.m) as o6 from t6 x2 left join t6 x3 using (v) where x2.m in (0, 0) and x2.v <= x2.v and x2.n not in (select x3.d as o5 from odd x4 where (x2.n) != -1) and x3m = x3.m group by x2.z having sum(x2.m) > 1)
select _rowid_ as o6, (x2.z) as o7, x2.z as o8 from temp.t3 x1 full join t8 x2 on x2.m = x1.n_alias where (x2.v not glob '/a/*' or (x2.path = '/a/b/c.txt' or x1.n not in ())) and x2.m = 3 and x1.v in (select json_group_array(x3.n) as o5 from t3 x3 natural join t0 x4 where x4.m isnull and x3.n = 5 group by x3.m having count(x4.z) >= 1) and x2.z notnull order by 1, 2 desc, 3 desc nulls first limit -1 offset 1
select x1.* from odd x1 where exists (select x2.n_alias as o3 from t3 x2 where x1.n in (null) and x2.n = x2.n) and x1.rowid in (2147483648, 010)
select x1.path as o4, x2._rowid_ as o5, oid as o6, x1.u as o7 from t4_view x1 join t8 x2 on x2.m = x1.u and x2.n != x1.m natural join t6 x3 where x2.m = 3 and not x1.u < x1.m
select x1.v as o3, typeof(x2.name) = 'integer' as o4, oid as o5, x1.u as o6 from t0 x1 left join t2 x2 using (v) where (x2.d in (2, 0.1, null) and (x2.v) between x2.v and '10') limit 2 offset 1
select oid as o5, x1.c24 as o6 from wide x1 inner join t1 x2 using (n) where not exists (select max(1) as o4 from t2 x3 not indexed where x3.v notnull having count(*) <> 1) and (x2.n_alias = 3 collate binary and not x2.n = 3) and x1.c24 is not 'a' order by 2 desc, 1 nulls last
select oid as o5, likely(x1.v) as o6 from main.t2 x1 join t8 x2 on x2.v like null where x2.v in (select min(x3.path) over (order by x3.m, x3.u, x3.path, x3.v, x3.z desc) as o4 from t4 x3 where x3.path = x3.path and x3.z = '01' collate version_arch and x3.v not between '1.10' and '10') order by 1 nulls last, 2
select json_group_array(odd.rowid) as o5, sum(odd.rowid) as o6 from t2 x1 join odd x2 using (name) right join odd on x2.rowid is odd.rowid and x2.rowid != '2' where 'a' < 'a' or x2.name is not null or not exists (select oid as o4 from t7_view x3 where x3.name glob '*[^a]' and x3.n = x3.u) order by 1, 2 nulls last
select max(.5) as o4, count(distinct x1.c27) as o5, avg(x1.n) as o6 from wide x1 where (x1.n in (select rowid as o3 from t5 x2 where x2.m like '%b' escape '!') and (x1.c27 in ('c', 'a ') and x1.c27 in ('B', 'ab', '01')))
select t6.v as o3, likely(t6.v) as o4 from t6 where t6.v in (select x1.path as o2 from t8 x1 where x1.m in (3, 3) and x1.z like 'a%') and t6.z > t6.z and t6.m in (3, 5) union select x5.v as o6, 'a' as o7 from t4 x5 where x5.path >= '' and x5.m is not distinct from x5.m
select version_compare('1.0', '1.1', 'dpkg') as o1, .5 as o2, case when 2147483648 >= x'32' then 3 when x'' not like null then -2147483649 else -1 end as o3, '/a' as o4 where true
select x2.* from t6 x1 join t3 x2 on x2.n = x1.m where x1.m = 3 and (x1.v match '[0-9]+' or exists (select count(x3.u) filter (where x2.m in ()) as o5 from t9_view x3 full join t9 x4 on x3.u <> 9223372036854775807 where x3.path between '' and '/a' and x3.m > 1 having sum(x1.m) > 1)) and x1.v = '1.0'
select x1.* from t3 x1 natural join t0 x2 full outer join t0 x3 on x1.v = x3.v where x1.m < 0 and x1.n = 010 and x2.d in (values (1), (3))
select x1.* from temp.t9 x1 join t6 x2 using (z) full join t8 x3 on x2.d <> x3.m where x2.v in ('1.10', '') and x2.m <> '0' and (x2.d between 3 and x2.n_alias and x3.path like 'a%') and x3.m in (9223372036854775807, 2)
select x1.d as o6, count(*) + 1 as o4, max(x'61') as o5 from t5 x1 where version_compare('1.' || x1.d, '1.2') in (select n as o3 from odd x2 where x2.n = x2.name and x2.name <> x2.name) or x1.d match '(a|b)+' group by x1.d limit 1 offset 1
select x1.d as o4 from t5 x1 where (exists (select 0.1 as o3 from (values (2, 'a'), (1, 'b')) x2) or x1.d match '[0-9]+')
select max(x1.v collate nocase) as o7 from t3 x1 left outer join t4_view x2 using (m) where x2.z = 'b' and x1.n in (1, '0') and (x1.n_alias, x1.n_alias) not in (select max(x3.u) as o5, sum(2) as o6 from t9 x3 inner join t1_view x4 on x4.n < x3.m where x2.u not in (null, 1) group by x4.m, x3.u having total(x1.m) >= 1) having count('a') filter (where x1.n not between 1 and 010) > 1 order by 1 nulls last
select x1.v as o11 from t0 join t1_view x1 on x1.m = t0.n_alias where (t0.z, x1.v) in (select typeof(sum(x6.o4)) as o7, min(x1.v) as o8 from (select x3.d as o4, x3.v as o5 from t2 x2 natural left join t1 x3 where x3.n_alias) x6 group by x6.o4) and exists (select distinct case when x1.d > -1 then t0.v else x1.v end as o10 from t5 x9 where t0.n_alias < 3) and t0.n_alias < x1.n order by 1
-- osqueryd's own SQLite
select rowid from t0 a join t1 b on a.n = b.n
select 'ab' as o2 from t8 x1 where x1.m = null limit -1
select * from t5 x1 where x1.m in (length(x1.d), 5) limit -1
select x'61' as o2, .5 as o3 from t7 x1 where x1.u in (null) limit 2
select 2 as o2, 'ab' as o3 from wide x1 where x1.c65 > x1.c65 limit 5
select all x1.* from t9 x1 full outer join t9 x2 using (m) where -x1.z = 'A'
select sha1(x1.v) as o2 from t5 x1 where x1.v between '2:1.0' and x1.v limit 2
select x1.m as o2 from t5 x1 where x1.v = x1.v and x1.d <= 2147483648 order by 1 limit 3
select all 2. as o2 from t7_view x1 where x1.name in ('a ') and x1.u == x1.u limit 2 offset 1
select x1.* from t5 x1 left join t8 x2 on x1.d is x2.m and x1.d is distinct from x1.d where x2.m in (2, -1)
select all +x2.m as o3 from odd x1 left join t8 x2 on x2.m = x1.rowid where x2.z is not 0 and x2.m in (0, -1)
select x1.u as o3, likelihood(x2.d, 0.5) as o4 from t7_view x1 full join t6 x2 on x2.m is x1.u where x2.m = x1.u
select all x2.n as o3, json_extract('{"a": 5}', '$.a') as o4 from t0 x1 natural left join t1_view x2 not indexed
select x1.* from t7_view x1 left join t7 x2 on x2.path = x1.name and x2.n == 5 where x2.n in ('3abc', 2147483648)
select x3.* from t1 x1 right join t9 x2 on not x2.v is '2:1.0', t8 x3 where x3.m in (null, 3) and x1.u in (x2.u, 5)
select x1.v as o3 from t1 x1 inner join (values (2, '/a'), (1, '/a')) x2 on x2.column1 = x1.n_alias where x2.column2
select all x1.z as o4, x2.path || x3.m as o5 from t4 x1 join t9_view x2 using (v) right join t9_view x3 on x3.m = x1.u
select x3.* from t9_view x1 full outer join t8 x2 using (m) cross join t4_view x3 where x1.d <= 1.5 and x2.m = 2147483648
select x2.* from (values (2, '/a'), (1, '/a')) x1 join t5 x2 on x2.d <> x1.column1, t1 x3 where x3.n not between 5 and x3.u
select x1.z as o3, x1.m as o4, x2.path as o5, x1.path as o6 from t9_view x1 right join t8 x2 on x2.m = x1.u where x1.z <= x1.path
select min(zeroblob(2)) as o3, max(x1.v collate nocase) as o4 from t4 x1 full outer join odd x2 on x2.n = x1.path where +x1.v = ''
select x1.* from temp.t8 natural left join t3 x1 where x1.n collate version_dpkg in (3, 5, -1) and t8.m in (2147483648, 5) and x1.n = 3
select x1.m as o3, x2.name as o4 from t6 x1 full join t2 x2 on x2.name = x1.v and x2.v == x2.name where x1.v in ('2:1.0', '1.9') and x1.m = 5
select x1.* from t8 x1 right join t5 x2 on x1.v <> x2.v and x1.v where (x2.d is 5 or x2.m in (2, 3, 18446744073709551615)) and x1.m in (010, 5)
select x1.* from t8 x1 left join t6 x2 on x1.n is x2.m where x2.v = '1.10' and x2.m in (2147483648, -1) and ((x1.v) <> '10' and x1.m == x2.n_alias) and x2.n in (null)
select x1.* from main.t6 x1 right join t0 x2 using (z) where not (-0.25 >= x2.d and (x2.n_alias) not in (9223372036854775807, 0, 010, 9223372036854775807)) and x1.m in (3, 5)
select x1.v as o3, x2.m as o4, x1.n as o5, x2.v as o6 from t8 x1 right join t8 x2 on x1.m = x2.m and x1.z match '' where x2.v is not null and x1.m in (010, 9223372036854775807) and x2.m = 2
select count(*) as o4 from t5 x1 cross join t6 x2 full outer join t2 x3 on x3.v <> x2.v where (x3.d in (1, 2, 3, 0) and x2.z between x3.d and x2.z) and x2.m = -1 having sum(distinct x1.d) <> 1
select x1.d as o4 from t0 x1 where (x1.d <> 0.1 and x1.u in (select x2.m as o3 from t0 x2 where x2.n not between 2147483648 and 9223372036854775807 and x2.n in ())) and x1.d in (floor(x1.d), 2)
select false as o3, rowid as o4, x2.u as o5 from t8 x1 join t0 x2 on x2.m = x1.m where x1.m in (5, 5) order by 1, 3, 2
select rowid as o3, 1 as o4, (x2.path) as o5 from t0 x1 cross join t9 x2 where x1.rowid in (0, 1, 8) or not x1.z >= '01'
select x1.path as o3, rowid as o4 from t8 x1 left join t2 x2 on x1.z = x2.d and x1.m = 9223372036854775807 collate version_arch where x1.m = x1.m
select t8.path as o2, t8.v as o3, x1.type as o4, rowid as o5 from t8 full join json_each('x') x1 on x1.key = t8.m where (t8.n) not in (0x10, 2, 5, 0x10)
select 1 as o3, case x2.z when 'b' then x2.v end as o4, rowid as o5, x2.n as o6 from t4 x1 join t0 x2 on x2.u < x1.u where (x'61' = 'a' or x2.n_alias = 9223372036854775807)
select rowid as o5 from t3 x1 left outer join t3 x2 on x1.n is x2.n where x2.n in (select all column1 as o4 from (values (1, '/a'), (1, 'b')) x3) and x1.n = x2.m and x2.name in (values ('abc'), ('A'))
select regex_match(x1.v, '(', 1) as o2, x1.d as o3, (select rowid as o6 from t4 x4 natural left join wide x5 where x4.u glob 'a*' and x5.c29 <> 'c' and x5.c9 is null) as o7, x1.m as o8 from t1 x1 where (x1.m is distinct from x1.n_alias and (x1.d in (5, 5, 'é') or x1.d not like '%b'))
select t7.* from t7 where +t7.name == 'c'; select rowid as o3, z as o4, x2.n as o5, case when x1.path like '_' then x2.v when x2.m is 3 then x1.z end as o6 from t9 x1 natural left join t3 x2 where (x2.name >= x2.v and x1.z != 'b') and x1.m <= x1.u and x2.n in (-1, 3) and (x2.m, x1.u) in (values (3, 9223372036854775807), (0, 2))
delete from t3 where t3.m in (select x1.n as o2 from t0 x1 where x1.z = '' and x1.z = 'A')
select x1.u as o6, x1.v as o7, x1.d as o8 from main.t0 x1 where exists (select power(2, 3) as o5 from t8 x2 where (x1.n_alias not like 'a' || '%' and x1.v) and x2.m = x2.n and x2.v in (select x3.v as o4 from t0 x3 where x3.z like '1%')) and x1.d is 2
select x1.n as o7, x1.v as o8 from t6 x1 where x1.m in (select x2.rowid as o4 from odd x2 left join t6 x3 on x3.v < x2.name where x3.v = '10' and x3.m in (-1, 0) and x3.n_alias > x3.n) and x1.n in (select abs(x1.m) as o6 from t6 x5 where x5.n = -1 or (x5.d = 3 or x5.d between 2 and 2147483648)) order by 1 desc, 2 collate nocase, 1, 2 limit -1
select all max((x2.v) collate nocase) as o5, avg(x1.z) as o6, length(group_concat(x1.v)) as o7 from t6 x1 full outer join t6 x2 on x1.d <> x2.m and x2.d != x2.d where not exists (select group_concat(distinct x3.n) as o4 from odd x3 where (x3.n or x3.n <> 'nosuch') group by x3.name) and x1.v in ('1.9', '2:1.0') and x1.m in (0, 2147483648)
select max(case when x7.o6 in () then x7.o6 end) as o8, min(json_quote(x7.o4)) as o9 from (select x1.n_alias as o3, x2.v as o4, x1.z as o5, x2.path as o6 from t6 x1 full outer join t8 x2 on x1.n = x2.m where (x2.m in (3) or x2.v like 'a%' escape '!') and x1.m in (3, 1) and x2.m > x1.n_alias) x7 where x7.o5 not glob '[ab]*' and (x7.o3 is not 3 or (x7.o3 in (values (2), (2)) or x7.o4 not in ('/a')))
select max(x'00ff') as o4 from t3 x1 full join t8 x2 on x1.m = x2.m natural join temp.t7 x3 where x2.m = 5 and x3.n between x3.m and x3.n
select 2.0 as o5 from t2 x2 not indexed full outer join t6 x3 using (z) natural left join t5 x4 where x3.d < 1 and x3.m in (-1, 2147483648)
select x2.path as o4, z as o5, x3.path as o6 from t0 x1 full join t4_view x2 on x1.n = x2.u and x2.path != 'a' natural left join t9 x3 where 010 >= x1.n and x3.path < x2.v
select x2.* from t8 x1 right join t4_view x2 on x2.path is x1.v and x1.v >= '1' natural join t6 x3 where x3.z not glob '' and x1.path not like '%A%' and not x2.path not like '%' and x1.m = 5
select x1.n_alias as o4, x1.n as o5 from t6 x1 full join main.t6 x2 on x1.d = x2.m natural left join t8 x3 where x2.m != 5 or x1.m = x1.d or x3.n in (3, 5, 5, 3) or x2.n_alias = 3 or x3.m in (null, 9223372036854775807)
select x3.name as o6, count(x3.u) filter (where x3.v = '1.0~rc1' collate version_arch) as o4, json_group_array(case when +x2.path is true then x3.n else x1.n_alias end) as o5 from t3 x1 full outer join t7 x2 on x2.v = x1.v and x1.n_alias >= x2.u natural join t7 x3 where x1.n = x3.u and x1.n_alias == -1 and (x3.u) == 18446744073709551615 group by x3.name
select abs(x2.d) as o9 from t4_view x1 natural join t9 x2 right join t5 x3 on x1.path is not null where not exists (select lower(x5.v) as o8 from t4_view x4, t8 x5 where x5.m = x5.n and x4.v in (select x4.v as o7 from t5 x6) and x5.n) and x2.z
select x1.u as o6 from t9 x1 join t6 x2 using (v) full join t9_view x3 on x3.z = x1.z where x1.path in (select all json_group_array(true) as o5 from t6 x4 where (x4.v isnull or x2.m >= 5) or x4.m = 3 or x1.m = 3 collate version_dpkg) and x2.m in (2, 1)
select x3.d as o9, x3.m as o10, x3.v as o11, x8.o6 as o12 from t5 x3 left join (select min(x4.m) as o5, group_concat(distinct (x4.path)) as o6, json_group_array(case when x4.n is null then x4.n end) as o7 from t8 x4) x8 on x8.o6 = x3.v where (x8.o6 glob '[ab]*' and x8.o6 = 1) order by 4 collate nocase, 1 nulls last, 2 desc nulls first, 3 nulls last, 4, 1, 2, 3
with w9 as (select x2.v as o6, x5.o4 as o7, x2.path as o8 from t8 x2 left join (select min('2') as o4 from t2 x3 where x3.name = '1' and x3.v not like '%b' having max(true) = 1) x5 on x2.n >= x5.o4 where x2.m is true and x5.o4 <= x2.n) select 'ab' as o11, x10.o7 as o12, x10.o7 as o13 from w9 x10 where +x10.o7 = 1 and (x10.o8 like '/a/%' escape '!' and x10.o6 is null)
select x2.n_alias as o3, x2.v as o4, x2.m as o5 from t8 x1 left outer join t3 x2 on x1.n = x2.n where x2.n in (1, 0)
select x1.v as o2, x1.n as o3 from t6 x1 where x1.m = 1 and (x1.v, x1.z) not in (values ('1.9', 1.5), ('2:1.0', '0')) and x1.v = '1.0-1' and (-x1.d match '^.b?$' and -x1.n_alias regexp '(a|b)+') and ((x1.v in () and x1.v = '1.00' collate version_rhel) and x1.d glob '*[^a]') order by 1 desc, 2 desc limit (select 2)
select all x1.m as o8 from t6 x1 left join t1 x2 on x2.n_alias <> x1.d where x1.m in (2147483648, 5, 3, 2) and ((x1.z, x1.n_alias) in (select x3.z as o4, x3.n as o5 from t8 x3 where x3.v not between '1.0' and '2:1.0' and x3.m in (3, 9223372036854775807) and +x3.m regexp '^.b?$' and x3.z in ()) or not exists (select distinct x'' as o7 from t8 x6 where x6.m = 3 collate version_arch order by 1 limit 1))
select x1.m as o7, -x1.u as o8, x2.key as o9, x3.z as o10 from t4 x1 right join json_each('x') x2 on x2.value is x1.z left join t8 x3 on x3.m = x2.key and x3.z in (select x3.z as o6 from t9 x4 join odd x5 on x4.z = x5.n where -x2.value = 'a' or x3.n == 2147483648 or x3.m is null) where x3.m = x1.m and (not x1.v between '1.9' and '1.9' and x3.m != 5) and x1.z == 'B'
with w3 as not materialized (select all 'a ' as o1, 0.0 as o2), w9 as (select 'é' as o5, +'3abc' as o6, case when x4.o2 in () then x4.o1 else x4.o1 end as o7, json_extract(x4.o1, '$') as o8 from w3 x4) select x10.* from json_each('{"a": 1, "b": [2]}') x10
select sum(distinct order by .n) as o2 from wide x1 where x1.c11 < '3' having length(group_concat(x1.c37)) = 1
