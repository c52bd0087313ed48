select * from nums
select typeof(i),typeof(b),typeof(u),typeof(d),typeof(t),typeof(z) from nums
select * from ref_scan where name like 'proc1%' escape '\'
select pid from ref_default where name like 'proc1%' escape '\'
select pid from ref_default where pid is 103
select pid from ref_default where pid is not 103
select pid from ref_default where cpu = 3
select pid from ref_default where cpu = 0.1 + 0.2
select pid from ref_default where cpu > 1e20
select pid from ref_default where cpu > 1e15
select pid from ref_default where cpu > 123456789012345678.0
select pid from ref_default where cpu < 1e-7
select pid from ref_default where cpu > -1e300 * 1e300
select pid from ref_default where pid = 103.0
select pid from ref_default where pid = 103.5
select pid from ref_default where pid = '103abc'
select pid from ref_default where pid = x'313033'
select pid from ref_default where name = 103
select pid from ref_default where name = 1.5
select pid from ref_default where name = x'70726f6333'
select pid from ref_default where name in ('proc1', '', null, 'proc2')
select pid from ref_indexed where name in ('proc1', '', null, 'proc2')
select pid from ref_indexed where name in ('proc2', 'Proc2', 'a', 'B', 'é', 'z')
select pid from ref_indexed where pid in (105, 103.0, '104', 'x', x'31', null, 103)
select pid from ref_nocase where name in ('PROC3', 'proc3', 'proc10', 'PROC1', 'z', 'A')
select pid from vers where name in ('1.10', '1.9', '1.2', '2:1.0', '1.2-3', '10.0.1')
select name from vers order by name
select name from versd order by name
select name from versr order by name
select name from versa order by name
select name from vers where name > '1.3'
select * from pushed where d in (1.5, 2, 1e20, -3.25)
select * from pushed where i in (select 5 union select 3 union select 9)
select * from pushed where i = 1 and b > 2 and u <= 3 and d between 1 and 9 and t = 'x' and z = 'y'
select * from pushed where h = 'h' and t glob 'x*' and t like '%x'
select * from pushed where h match 'h'
select * from pushed where t regexp 'x'
select * from pushed where t is null or t is not null
select * from pushed where (i, b) = (1, 2)
select * from pushed where (i, b) in (values (1,2), (3,4))
select * from pushed where not i = 2
select * from pushed where i = 1 or b = 2 or u = 3
select * from pushed where i <> 5 and t <> 'q' order by i limit 3 offset 0
select * from pushed limit 5
select * from pushed limit 5 offset 1
select * from pushed where i = 1 limit 5
select * from pushed where i > 0 order by t limit 5
select count(*) from pushed limit 1
select distinct t from pushed limit 1
select t from pushed group by t limit 1
select * from pushed where i = 1 limit -1
select * from (select * from pushed limit 3) where i = 1
select * from onlyopt where a = 'x' and b in (1,2)
select * from req2 where b = 'y'
select * from req2 where a > 'x'
select c from req2 where c = 'z'
select c from req2
select count(*) from req2
select rowid from req2
select * from req2 where a in ('x', 'q') and b = 'y'
select * from reqalias_view where a = 'x'
select a from reqalias where aa = 'x'
select aa from reqalias where a = 'x'
select a from reqalias where a = 'x'
select a, aa from reqalias where a = 'x'
select * from badtype
select typeof(a) from badtype
select * from rowidcol
select rowid, v from rowidcol where rowid = 5
select a from badrow
select rowid, a from badrow
select * from norow where pid = 103 or name = 'proc5' or pid = 104
select * from ref_indexed where pid = 103 or name = 'proc5' or pid = 104
select * from def2 where pid = 103 or name = 'proc5' or path = '/usr/bin/p1'
select * from ref_indexed where rowid = 103
select * from ref_indexed where rowid in (103, 104)
select * from norow where rowid = 2
select rowid, pid from norow where pid > 105
select s.name, i.name from ref_scan s join ref_indexed i on i.pid in (s.pid, s.parent)
select s.name from ref_scan s where s.pid in (select pid from ref_indexed where pid in (101,102) and parent = s.parent)
select s.name, i.name from ref_scan s join ref_indexed i using (pid)
select s.name, i.name from ref_scan s natural join ref_indexed i
select s.name, i.name from ref_scan s, ref_indexed i where i.name = s.name and i.pid > 105
select a.pid, b.pid, c.pid from ref_indexed a join ref_indexed b on a.parent = b.pid join ref_indexed c on b.parent = c.pid where a.name = 'proc9'
select a.pid from ref_default a join ref_default b on a.pid = b.parent join ref_default c on c.pid = b.pid
select r.name from ref_scan s join ref_required r on r.path = s.path
select r.name from ref_scan s left join ref_required r on r.path = s.path
select r.name from ref_required r join ref_scan s on r.path = s.path
select r.name from ref_required r, ref_scan s where r.path = s.path and s.pid = 103
select r.name from ref_indexed s join ref_required r on r.path = s.path where s.name = 'proc3'
select r.name from ref_required r where path in (select path from ref_scan where pid < 103)
select r.name from ref_required r where path = (select path from ref_scan where pid = 103)
select * from ref_scan s where exists (select 1 from ref_required r where r.path = s.path and r.pid = s.pid)
select s.pid, i.name from ref_indexed i right join ref_scan s on i.pid = s.pid
select s.pid, i.name from ref_indexed i full join ref_scan s on i.pid = s.pid
select s.name, (select count(*) from ref_indexed i where i.parent = s.pid) n from ref_scan s
select s.name, (select name from ref_indexed i where i.pid = s.parent) n from ref_scan s
with p as (select * from ref_indexed where pid > 105) select * from p where name like '%1%'
with p as materialized (select * from ref_indexed where pid > 105) select * from p where pid = 107
select * from (select pid, name from ref_indexed) where pid = 103
select * from (select pid+0 as p, name from ref_indexed) where p = 103
create temp view v1 as select * from ref_indexed where pid > 103
select * from v1 where name = 'proc5'
create table t1 (a integer, b text)
insert into t1 select pid, name from ref_indexed where pid < 103
select * from t1 join ref_indexed i on i.pid = t1.a
drop table t1
drop view v1
create table t2 as select * from ref_scan
create index ix on t2 (pid)
alter table t2 add column q text
pragma user_version
pragma table_info(ref_alias)
pragma table_xinfo(pushed)
pragma table_xinfo(reqalias)
pragma table_info(wr)
select max(pid), min(pid), avg(cpu), sum(cpu), total(cpu), group_concat(name) from ref_indexed
select max(pid) from ref_indexed where pid > 103 and pid < 107
select pid from ref_indexed order by pid desc limit 2
select pid from ref_indexed where pid >= 103 order by name limit 2 offset 1
select pid from ref_indexed where abs(pid) = 103
select pid from ref_indexed where pid = 100 + 3
select pid from ref_indexed where +pid = 103
select pid from ref_indexed where pid between 103 and 105 and name between 'proc3' and 'proc4'
select pid from ref_indexed where case when pid = 103 then 1 else 0 end
select pid from ref_indexed where pid = 103 collate nocase
select name from ref_nocase where name like 'PROC1%'
select name from ref_nocase where name glob 'proc1*'
select name from ref_nocase where name = 'proc3' collate binary
select name from ref_nocase where name > 'PROC5'
select * from ref_alias where process_id = 103
select process_id from ref_alias where process_id = 103
select process_id from ref_alias where process_id = 103
select process_id, pid from ref_alias where process_id in (103, 104)
select * from ref_alias_old where name = 'proc1'
insert into wr (id, k, w, z) values (1, 'success', 1.5, x'00ff')
insert into wr (id, k, w, z) values (1, 'success', 1e21, x'61')
insert into wr (id, k, w, z) values (1, 'success', 0.1, null)
insert into wr (id, k, w, z) values (1, 'success', 1e-7, null)
insert into wr (id, k, w, z) values (1, 'success', 123456789.123, null)
insert into wr (id, k, w, z) values (1, 'success', 9e999, null)
insert into wr (id, k, w, z) values (1, 'success', -0.0, null)
insert into wr (id, k, w, z) values (1, 'success', 5e-324, null)
insert into wr (id, k, w, z) values (1, 'success', 1.7976931348623157e308, null)
insert into wr (k) values ('success')
insert into wrn (k) values ('success')
insert into wrn (k) values ('noid')
insert into wrn (k) values ('two')
insert into wrn (k) values ('none')
insert into wrn (k) values ('weird')
insert into wrn (k) values ('fail')
insert into wrn (k) values ('failm')
insert into wrn (k) values ('cons')
insert into wrn (k) values ('ro')
insert or ignore into wrn (k) values ('cons')
insert or replace into wrn (k) values ('cons')
insert into wrn (k) values ('a"b\c' || char(10) || char(1) || char(31) || 'é/')
insert into wrn (k, z) values ('success', 'text')
insert into wrn (k, w) values ('success', 'text')
insert into wrn (k, id) values ('success', 1.5)
insert into wrn (rowid, k) values (77, 'success')
insert into wrn (rowid, k) values ('x', 'success')
insert into wrn values (1, 'success', 2.5, x'01')
insert into wrn (k) select name from ref_indexed where pid in (103, 104)
update wrn set k = 'failm' where rowid = 1
update wrn set rowid = 50 where rowid = 1
update wrn set w = w + 1 where k = 'ro'
update wrn set z = null where k = 'ro'
update wr set k = 'q' where id = 1 and k = 'ro'
delete from wrn where k = 'ro'
delete from wrn
insert into wrn (k) values ('success') returning k
update ref_scan set pid = 1
select * from emptyerr
select * from emptyerr; select 1
select 1; select * from emptyerr; select 2
select 1 as a; select 2 as b
select 1 as a, 2 as a
select 1 as a union select 2
   select 1   ;;; 
/* c */
select 'a' || char(0) || 'b' as x, x'610062' as y, '' as e, x'' as f
select 1e20, 1e15, 123456789012345678.0, 0.1+0.2, 1/3.0, -0.0, 1e-5, 1e300*1e300, 100.0, 2.0
select cast(0.1+0.2 as text), 1e15||'', 1e-5||'', 3.0||'', 1e20||'', 9e999||''
select printf('%f %g %s', 1.5, 0.1+0.2, 0.1+0.2), round(2.567, 2), quote(0.1+0.2), quote(1e20)
select sqlite_version() like '3.%' as v
select "abc" as q
select 5/2, 5/2.0, 5%3, -5/2, 1<2, null is null, 'a' < 'b', 1 = '1'
select typeof(1), typeof(1.0), typeof('a'), typeof(x'00'), typeof(null)
select substr('héllo', 2, 3), length('é'), upper('é'), hex('é'), instr('abc', 'c'), replace('abc','b','x')
select json_extract('{"a":1}', '$.a'), json('[1, 2]')
select datetime(0, 'unixepoch'), strftime('%Y', 0, 'unixepoch')
select split('a.b.c', '.', 1), split('a.b-c', '.-', 2), split('a..b', '.', 1), split(' a , b ', ',', 1), split('a.b', '.', 5), split('a.b', '.', -1)
select split('a', '', 0)
select split(null, '.', 0), split('a.b', null, 0), split('a.b', '.', null)
select regex_split('a1b22c', '[0-9]+', 1), regex_split('a1b22c', '[0-9]+', 3), regex_split('', 'x', 0), regex_split('abc', '', 1), regex_split('1a', '1', 0), regex_split('a1', '1', 1)
select regex_match('foo123bar', '([a-z]+)([0-9]+)', 0) a, regex_match('foo123bar', '([a-z]+)([0-9]+)', 2) b, regex_match('foo', '(x)?foo', 1) c, regex_match('foo', 'foo', 1) d
select regex_match('foo', '(', 0)
select regex_match('foo', '[[:alpha:]]+', 0) a, regex_match('a' || char(10), 'a$', 0) b, regex_match('a.b', '[.]', 0) c, regex_match('x]y', '[]]', 0) d, regex_match('tab' || char(9), '\s', 0) e
select regex_match('foo', '(?i)FOO', 0)
select regex_match('foo', '(?=f)foo', 0) a, regex_match('foobar', 'foo(?!baz)', 0) b, regex_match('aaa', 'a+?', 0) c, regex_match('aab', '(a)\1b', 0) d
select regex_match('foo', '(?<=f)o', 0)
select regex_match('abc', '\bb', 0) a, regex_match('a b', '\bb', 0) b, regex_match('x-1', '\w-\d', 0) c, regex_match('{', '\{', 0) d
select regex_match('abc', 'a++', 0)
select regex_match('a', replace(hex(zeroblob(200)), '0', 'a'), 0)
select regex_match('é', '.', 0) a
select concat('a', null, 'b', 1, 1.5) a, concat_ws(',', 'a', null, 'b') b, concat_ws(',', 'a', 'b', null) c, concat_ws(null, 'a', 'b') d, concat_ws(',') e, concat() f, concat(null) g, concat_ws(',', null, 'a') h
select concat_ws()
select inet_aton('1.2.3.4') a, inet_aton('x') b, inet_aton('::1') c, inet_aton(null) d, inet_aton('01.2.3.4') e
select in_cidr_block('10.0.0.0/8', '10.1.2.3') a, in_cidr_block('10.0.0.0/8', '10.0.0.0') b, in_cidr_block('10.0.0.0/8','10.255.255.255') c, in_cidr_block('10.0.0.1/32','10.0.0.1') d, in_cidr_block('10.0.0.0/31','10.0.0.1') e, in_cidr_block('2001:db8::/32','2001:db8::') f, in_cidr_block('10.0.0.5/24','10.0.0.9') g
select in_cidr_block('10.0.0.0/33', '10.1.2.3')
select in_cidr_block('10.0.0.0/8', 'x')
select in_cidr_block('10.0.0.0/8', '::1')
select in_cidr_block('10.0.0.0', '10.0.0.1')
select in_cidr_block(1, '10.0.0.1')
select in_cidr_block('10.0.0.0/8', 1)
select community_id_v1('128.232.110.120', '66.35.250.204', 34855, 80, 6) a, community_id_v1('66.35.250.204','128.232.110.120', 80, 34855, 6, 1) b, community_id_v1('x','y',1,2,6) c, community_id_v1('::1','::2',1,2,17) d
select community_id_v1_strict('x','y',1,2,6)
select community_id_v1_strict('1.1.1.1','y',1,2,6)
select community_id_v1_strict('1.1.1.1','2.2.2.2',1,70000,6)
select community_id_v1_strict('1.1.1.1','2.2.2.2','1',7,6)
select community_id_v1_strict('1.1.1.1','2.2.2.2',1,7,600)
select community_id_v1_strict('1.1.1.1','2.2.2.2',1,7,6,40000)
select to_base64('abc') a, to_base64('') b, to_base64(null) c, from_base64('YWJj') d, from_base64('YWI=') e, from_base64('YQ==') f, from_base64('!!') g, conditional_to_base64('abc') h, conditional_to_base64('é') i, conditional_to_base64(char(1)) j, to_base64(5) k, to_base64(x'00ff') l, from_base64('YWJ') m, from_base64('Y') n, from_base64('') o
select md5('abc') a, sha1('abc') b, sha256('abc') c, md5('') d, md5(null) e, md5(5) f, md5(1.5) g, md5(x'6162') h, md5('é') i
select sqrt(4) a, sqrt(2) b, exp(1) c, log(10) d, log10(100) e, power(2, 10) f, power(2, 0.5) g, ceil(1.2) h, floor(-1.2) i, ceil('1.5') j, floor(5) k, pi() l, degrees(pi()) m, radians(180) n, sin(1) o, cos(1) p, tan(1) q, asin(0.5) r, acos(0.5) s, atan(1) t, cot(1) u, sqrt(null) v, sqrt('4abc') w
select sqrt(-1)
select log(0)
select log(-1)
select exp(1000)
select exp(-1000)
select power(0, -1)
select power(-1, 0.5)
select power(10, 400)
select asin(2)
select cot(0)
select floor(1e30) a, ceil(-1e30) b
select version_compare('1.2', '1.10') a, version_compare('1.0', '1.0') b, version_compare('2:1.0', '3.0', 'DPKG') c, version_compare('1.0~rc1', '1.0', 'RHEL') d, version_compare('1.0-1','1.0','ARCH') e, version_compare('1.0', '1.0.1', 'arch') f, version_compare('', '1') g, version_compare('1.0a', '1.0') h
select version_compare('1')
select version_compare(1, '2')
select version_compare('1', '2', 3)
select version_compare('1', '2', 'x')
select soundex('Robert') a, soundex('Tymczak') b, soundex('') c, soundex(null) d, soundex('Pfister') e, soundex('123a') f, soundex('Ashcraft') g
select sleep(0), sleep(-1), carve('/x'), sleep('x')
select parent_directory('/a/b') a, parent_directory('a') b, parent_directory('/') c, parent_directory('/a/') d
select parent_directory(null)
select find_file_path_in_cmd('/bin/sh -c x') a, find_file_path_in_cmd('/no/such thing') b, find_file_path_in_cmd('"/bin/sh" x', 1) c, is_path_deterministic('/bin/sh -c') d, is_path_deterministic('/none x') e
select find_file_path_in_cmd(null)
select is_path_deterministic(null)
select find_file_path_in_cmd('x', 1, 'ab')
select ln(2)
select nosuch(1)
select sqrt(1,2)
select regexp('a','b')
select unknown.x from ref_scan
select * from ref_scan where
select * from ref_scan a join ref_scan b on a.pid = b.pid where pid = 1
select ambiguous from (select 1 ambiguous) a, (select 2 ambiguous) b
select sum(pid) over (order by pid) s from ref_scan limit 3
select row_number() over () r, name from ref_indexed where pid < 103
select group_concat(distinct path) g from ref_scan
select name from ref_scan where pid = (select max(pid) from ref_indexed)
select name from ref_scan intersect select name from ref_indexed where pid = 103
select name from ref_scan except select name from ref_indexed where pid > 103
explain query plan select * from ref_indexed i join ref_scan s on i.pid = s.parent
explain query plan select * from ref_indexed where pid = 103 or name = 'x'
explain query plan select r.name from ref_scan s join ref_required r on r.path = s.path
begin; select 1 a; commit
begin
rollback
savepoint a
pragma journal_mode
vacuum
select * from osquery_extensions where 0
select changes() c
select last_insert_rowid() c
select * from sqlite_master where 0
select name from sqlite_temp_master where name = 'ref_scan'
select sql from sqlite_temp_master where name = 'ref_scan'
select name from sqlite_master where name like 'req%'
select * from temp.ref_scan where pid = 103
select * from main.ref_scan where pid = 103
insert into main.wrn (k) values ('success')
select printf('%.3f', 1.0005), printf('%d', 5), format('%s', 'x')
select 9223372036854775807 + 1 a, 9223372036854775808 b, -9223372036854775808 c
select 0x10, 1e3, .5, 'it''s'
select 1 where 0
select null a, null || 'x' b
select iif(1,2,3) a, coalesce(null, 5) b, nullif(1,1) c
select unhex('41') u
select octet_length('é') o
select likelihood(1, 0.5)
select unixepoch('1970-01-02') u
select 'a' like 'A', 'a' glob 'A', 'é' like 'É'
COLUMNS select pid + 1 as p, name || 'x' as n, count(*) c, pid, 1 a, 'x' b, 1.5 c2, null d, cast(pid as text) e, cast(1 as integer) f, cast(1 as double) g, pid > 3 h, upper(name) i from ref_indexed
COLUMNS select * from pushed
COLUMNS select process_id from ref_alias
COLUMNS insert into wrn (k) values ('x')
COLUMNS select
COLUMNS
COLUMNS select 1; select 2
COLUMNS select x from (select pid x from ref_scan) where x = 1
COLUMNS select name as "a b", (select 1) s, exists(select 1) e, case when 1 then 2 else 3 end c, -pid m, not pid n, pid & 1 o, max(cpu) p from ref_scan
COLUMNS select count(*) c, pid, name from ref_scan group by pid
COLUMNS create table zz (a int)
COLUMNS with a as (select 1 x) select x from a
COLUMNS select 'é' é
select (select t from pushed) a
select (select t from pushed where i = 1) a
select (select t from pushed where i = s.pid) a from ref_scan s
select (select t from pushed where i = s.pid limit 1) a from ref_scan s
select (select t from pushed where i = 1 limit 1) a from ref_scan s
select pid from ref_scan s where exists (select 1 from pushed where i = 1)
select pid from ref_scan s where exists (select 1 from pushed where i = s.pid)
select pid from ref_scan s where exists (select 1 from pushed where i = s.pid limit 1)
select pid from ref_scan s where s.pid in (select i from pushed limit 1)
select pid from ref_scan s where s.pid in (select i from pushed where b = s.parent limit 1)
select * from (select * from pushed where i = 1 limit 2) p join ref_scan s on s.pid = p.i
select i from pushed union all select pid from ref_indexed limit 2
select * from pushed where i = 1 and b + 1 = 3 limit 2
select * from pushed where i = 1 and t > 'a' limit 2
select * from pushed where i = 1 or b = 2 limit 2
select * from pushed where i + b = 3 limit 2
select * from pushed where i in (1,2) limit 2
select * from pushed where b in (1,2) limit 2
select * from pushed where i = 1 limit 1+1
select * from pushed where i = 1 limit (select 2)
select * from pushed where i = 1 limit 2 offset 0
select * from pushed where i = 1 limit 2 offset -1
select * from pushed order by i limit 2
select * from pushed order by 1 limit 2
select * from pushed order by rowid limit 2
select * from pushed where i = 1 order by i limit 2
select distinct i from pushed limit 2
select count(*) from pushed group by i limit 2
select * from pushed p, ref_scan s limit 1
select * from ref_scan s left join pushed p on p.i = s.pid limit 1
select * from pushed where rowid = 1 limit 1
select * from onlyopt limit 1
select t from pushed where i = 5 and 1 limit 1
select t from pushed where i is 5 limit 1
select t from pushed where i is not 5 limit 1
select t from pushed where i is null limit 1
select t from pushed where i isnull and t notnull
select t from pushed where t like '%x%' limit 1
select t from pushed where t like '%x%' escape '!' limit 1
select t from pushed where i between 1 and 5 limit 1
select pid from ref_indexed where name = 'proc1' and pid in (101, 102) limit 1
select name, count(*) over () from pushed, ref_scan limit 2
with recursive r(i) as (select 1 union all select r.i + 1 from r join pushed p on p.i >= r.i where r.i < 3 limit 10) select * from r
values (1, 2), (3, 4)
select * from (values (1),(2)) v join ref_indexed i on i.pid = v.column1 + 100
select a.pid from ref_indexed a where a.pid in (select parent from ref_scan) and a.name in ('proc1', 'proc2')
select a.pid from ref_indexed a where a.pid not in (101, 102)
select a.pid from ref_indexed a where a.name not like 'proc1%'
select a.pid, b.name from ref_indexed a, ref_indexed b where a.pid = b.parent and b.pid = 105
select a.pid, b.name from ref_indexed a, ref_indexed b where a.pid = b.parent and a.pid = 102
select a.pid, b.name from ref_indexed a cross join ref_indexed b where a.pid = b.parent
select a.pid, b.name from ref_indexed b cross join ref_indexed a where a.pid = b.parent
select a.pid, b.name from ref_default a join ref_indexed b on a.pid = b.parent and a.name = b.name
select a.pid, b.pid from ref_default a left join ref_default b on b.pid = a.parent and b.name like 'proc%'
select a.pid from ref_scan a join (select parent, count(*) n from ref_indexed group by parent) b on a.pid = b.parent
select a.pid from ref_scan a join ref_required r on r.path = a.path join ref_indexed i on i.pid = r.pid
select a.pid from ref_indexed i join ref_required r on r.pid = i.pid join ref_scan a on r.path = a.path where i.pid = 103
select * from ref_required r where r.path in (select path from ref_indexed where pid = 103) and r.name = 'proc3'
select * from req2 r join ref_scan s on r.a = s.name or r.b = s.name
select * from req2 where a = 'x' or b = 'y'
select * from req2 where a = 'x' or c = 'y'
select * from ref_required where path = '/usr/bin/p1' or path = '/usr/bin/p2'
select * from ref_required where path = ''
select * from ref_required where path = null
select * from ref_required where path is null
select * from ref_required where path in ('')
select * from ref_required where path like ''
select * from ref_required where path in ()
select * from ref_required where path > 'a'
select * from ref_required where path != 'a'
select * from ref_required where path = 'x' and 0
select path from ref_required order by path limit 1
pragma collation_list
select typeof(i) from (select i from pushed union select 'a')
select i, sum(b) from pushed group by i having sum(b) > 1
select * from pushed where d = 1
select * from pushed where d = '1.5'
select * from pushed where d = 'abc'
select * from pushed where i = 'abc'
select * from pushed where i = 1.0
select * from pushed where i = 1e3
select * from pushed where t = 1e3
select * from pushed where t = 100000000000000000000
select * from pushed where z = 'abc'
select * from pushed where z = 5
select * from pushed where z = 1.5
select * from pushed where d = 9007199254740993
select * from pushed where d in (1, 2.5, '3', 'x')
select * from pushed where t in (1, 2.5, 'x', x'41')
select * from pushed where z in (1, 2.5, 'x', x'41')
select * from pushed where u = -1
select * from pushed where i = true
select * from pushed where i = (select 1)
select * from pushed where i = abs(-1)
select * from pushed where t = 'é☃"\/' || char(9) || char(127) || char(1)
select * from pushed where t = 'a' || char(0) || 'b'
select * from pushed where t = cast(x'ff41' as text)
select pid, 'x' as x from ref_indexed where name = char(128512)
select exp(11000), exp(20000), exp('x')
select tan(1.5707963267948966)
select regex_match('héé', 'é+', 0) a, regex_match('abc', '[^]', 0) b, regex_match('abc', '[]', 0) c, regex_match('a]', 'a]', 0) d, regex_match('aXb', '[[:upper:][:digit:]]', 0) e, regex_match('a-b', '[a\-]+', 0) f, regex_match('1.5', '^\d+\.\d+$', 0) g
select regex_match('aaa', 'a**', 0) a, regex_match('aaa', 'a+*', 0) b
select regex_match('aaa', 'a{2}{2}', 0)
select regex_match('aaa', '*a', 0)
select regex_match('aaa', 'a{1', 0)
select regex_match('a}', 'a}', 0)
select regex_match('a', '\A', 0)
select regex_match('a', '\x61', 0) a, regex_match('a', '\u0061', 0) b, regex_match('a', '\cA', 0) c
select regex_match('a', '\z', 0)
select regex_match('a_', '\_', 0)
select regex_match('ab', '(?:a)(b)', 1) a, regex_match('ab', '(?<n>a)', 1) b
select regex_match('ab', '(?P<n>a)', 1) b
select regex_match('ab', 'a|b|', 0) a, regex_match('b', '|b', 0) c
select regex_match('A', '(?#x)A', 0)
select regex_match('a.b', 'a[.]b', 0) a, regex_match('tab', '[\w]+', 0) b, regex_match('x', '[\d]', 0) c, regex_match('a', '[z-a]', 0) d
select regex_match('a', '[z-a]', 0) d
select regex_match('[', '[[]', 0) d
select regex_match('&', '[&&a]', 0) d
select regex_match('a' || char(10) || 'b', 'a.b', 0) a, regex_match('a' || char(10) || 'b', '^b', 0) b, regex_match('a' || char(10), 'a$', 0) c
select regex_match('foo.tar.gz', '^(.+?)\.([^.]+)$', 1) a, regex_match('foo.tar.gz', '^(.+?)\.([^.]+)$', 2) b
select regex_split('a,b;c', '[,;]', 2) a, regex_split('2024-01-02', '-', 0) b, regex_split('abc', '(b)', 1) c
select regex_match('abc', '', 0) a, regex_match('', '', 0) b, regex_match('', 'a', 0) c
select split('a\.b', '\.', 1) a, split('a]b', ']', 1) b, split('a^b', '^', 0) c, split('a-b', 'x-', 1) d, split('a b', ' ', 1) e
-- a comment alone
select regex_match('foo' || char(10), 'foo$', 0) a, regex_match('a', 'a{0,1}?', 0) b, regex_match('ab12', '[^\d]+', 0) c
select pid from ref_indexed where name = 'proc1' or pid in (103, 104) limit 2
select * from pushed where i in (select pid from ref_scan) limit 3
select * from pushed where i = 1 limit 3 offset 1
select i from pushed where t in ('a', 'b') and t > 'a' limit 1
select load_extension('x')
attach 'file.db' as other
COLUMNS  
COLUMNS -- x
COLUMNS /* x */ ;
COLUMNS select name, pid + 1 as p, soundex(name) s from ref_scan where cpu in (1.5, 3)
COLUMNS select null as a union select 'b'
COLUMNS select 1 as a; select 2 as b where 0
COLUMNS select ? as a, pid from ref_scan
COLUMNS select cast(x'ff' as text) || ifnull(?, '') as a
select * from pushed where i in (select pid from ref_scan where pid = 5 and pid = 6)
select * from pushed where t in (select name from ref_scan where 0)
select * from pushed where i in (select null where 0)
select a.pid from ref_scan a join pushed p on p.i in (select pid from ref_indexed where pid = a.parent and name = 'proc1')
select * from ref_required where path in (select path from ref_scan where 0)
select rowid from ref_scan a join ref_indexed b on a.pid = b.pid
select oid, a.pid from ref_scan a, ref_indexed b where a.pid = b.pid
select a.rowid, b.oid from ref_scan a, ref_indexed b where a.pid = b.pid
select rowid from ref_scan a join rowidcol b on a.pid = b.rowid
select rowid from rowidcol a join rowidcol b on a.v = b.v
select pid from ref_indexed where pid = ?
select ?, :a as a, @b as b, $c as c, ?7 as d
select 1 as a; select ? as b; select pid from ref_indexed where pid in (?, 103); select ?2 as c
insert into wrn (k) values (?)
select cast(x'ff61' as text) as a, pid from ref_indexed where pid = 103
select cast(x'ff61' as text) as a where 0; select 'x' as b, x'c3' || 'y' as a -- a comment
values (cast(x'ff' as text)), ('b')
select typeof(from_base64('/w=='))
select sha256(cast(x'ff' as text))
select name from vers where name < 'é'
select version_compare('é', 'a') a, version_compare('10', 'ü', 'RHEL') b, version_compare('1é', '1a', 'arch') c, 'é' < 'z' collate version_dpkg d
select soundex('?(bé$') a, soundex('a😀😀') b, soundex('é') c
select in_cidr_block('::/0', '::1') a, in_cidr_block('ff00::/8', 'ff00::1') b, in_cidr_block('255.255.255.255/32', '255.255.255.255') c, in_cidr_block('0.0.0.0/0', '10.0.0.1') d, in_cidr_block('fe00::/8', 'fe00::1') e
select from_base64('=0aa') a, from_base64('a=b=') b
select * from user_based where uid = 1
select * from user_based where a = 'x'
select s.pid, r.name from ref_scan s left join ref_required r on r.pid = s.pid where r.path in ('/usr/bin/p1', '/usr/bin/p2')
select s.pid, r.name from ref_scan s full join ref_required r on r.pid = s.pid where r.path = '/usr/bin/p1'
select s.pid, r.name from ref_required r right join ref_scan s on r.pid = s.pid where r.path = '/usr/bin/p1'
select name from ref_required where path = '/usr/bin/p1' and pid = 101 order by name limit 1 + 1
