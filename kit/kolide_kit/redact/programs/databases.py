"""Databases, caches and message queues."""

from ..lines import Line

DATABASES = (
    Line(
        "mysql mysqldump mysqlcheck mysqlimport mysqlshow mysqlslap mysqlpump mysqlbinlog mysqlsh "
        "mysql_upgrade mysqladmin mariadb mariadb-dump mariadb-admin mariadb-check mariadb-import "
        "mariadb-show mariadb-slap mariadb-binlog mariadb-upgrade mariadb-backup mariabackup xtrabackup "
        "innobackupex",
        "-p+ --password --password1 --password2 --password3 %uhPDSeEBOWrw",
        "mysql(1)",
    ),
    Line("mysqladmin mariadb-admin", "password> old-password>", "mysqladmin(1)"),
    Line("mydumper myloader mytop mycli", "-p --password %uhPBdtosS", "mydumper(1), mytop(1), mycli --help"),
    Line(
        "mongosh mongo mongodump mongorestore mongoexport mongoimport mongostat mongotop mongofiles",
        "-p %uhdcfoqr %--username %--host %--port %--db %--eval",
        "mongodb.com/docs/mongodb-shell/reference/options",
    ),
    Line(
        "redis-cli valkey-cli keydb-cli redis-benchmark valkey-benchmark",
        "-a NAMES> %hpuinsdxct",
        "redis.io/docs/latest/develop/tools/cli",
    ),
    Line(
        "redis-cli valkey-cli keydb-cli",
        "auth>+ hello>4 requirepass> masterauth>",
        "redis.io/docs/latest/commands",
    ),
    Line(
        "sqlcmd osql tsql sqsh mssql-cli",
        "-P %SUdQqioEHhlmstuwaVrfbFLCTDNX",
        "learn.microsoft.com/sql/tools/sqlcmd",
    ),
    Line("bcp", "-P %SUdbefFhiLmoqrtaT", "learn.microsoft.com/sql/tools/bcp-utility"),
    Line(
        "sqlplus sqlldr expdp impdp exp imp rman sqlcl sql",
        "*=slash userid=+=slash target=+=slash",
        "docs.oracle.com/en/database/oracle/oracle-database",
    ),
    Line(
        "isql-fb gbak gfix gsec gstat nbackup fbsvcmgr",
        "-p -pas -pass -pw -fetch_password dba_password>",
        "firebirdsql.org/file/documentation",
    ),
    Line("redis-server valkey-server", "--requirepass --masterauth", "redis.io/docs/latest/operate"),
    Line("snowsql", "--mfa-passcode", "docs.snowflake.com/en/user-guide/snowsql-start"),
    Line("influx influxd", "-t -p", "docs.influxdata.com/influxdb/v2/reference/cli/influx"),
    Line("cypher-shell", "-p %aud", "neo4j.com/docs/operations-manual/current/cypher-shell"),
    Line("cqlsh", "-p %ukefs", "cassandra.apache.org/doc"),
    Line("nodetool", "-pw %uhp", "cassandra.apache.org/doc"),
    Line("couchbase-cli cbbackupmgr cbq cbimport cbexport", "-p %cu", "docs.couchbase.com"),
    Line("db2", "using> new> confirm>", "ibm.com/docs/db2"),
    Line("vsql", "-w %dhpU", "docs.vertica.com"),
    Line("exaplus", "-p %cu", "docs.exasol.com"),
    Line("hdbsql", "-p %nudi", "help.sap.com"),
    Line("beeline", "-p %unde", "cwiki.apache.org/confluence/display/Hive"),
    Line("rabbitmqctl", "add_user>2 change_password>2 authenticate_user>2", "rabbitmqctl(8)"),
    Line("rabbitmqadmin", "-p %uHPV", "rabbitmq.com/docs/management-cli"),
    Line("elasticsearch-users elasticsearch-certutil", "-p --pass", "elastic.co/docs"),
    Line("isql iusql", "@3", "isql(1) of unixODBC"),
    Line(
        "pt-table-checksum pt-table-sync pt-archiver pt-online-schema-change pt-heartbeat pt-kill "
        "pt-query-digest pt-show-grants pt-duplicate-key-checker pt-slave-delay",
        "-p --source=fields --dest=fields *=fields %uhPDS",
        "docs.percona.com/percona-toolkit",
    ),
    Line("neo4j-admin", "set-initial-password>", "neo4j.com/docs/operations-manual/current"),
    Line(
        "redis-cli valkey-cli keydb-cli",
        "auth2>2 setuser>2+=rule",
        "redis.io/docs/latest/commands/acl-setuser",
    ),
    Line("zkcli", "digest>=login", "zookeeper.apache.org/doc/current/zookeeperCLI.html"),
    Line("etcdctl/user", "@3=login", "etcd.io/docs"),
    Line("mclient", "-P %uhpdls", "mclient(1)"),
)
