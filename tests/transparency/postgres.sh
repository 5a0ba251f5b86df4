# postgres: many backends at work, one that is killed, restarts in each of its ways. Prints the same each time.
# Runs in an empty directory. Takes the directory of its programs and how many transactions each client makes.
if [ "$(id -u)" = 0 ]; then
  chown postgres .; exec setpriv --reuid=postgres --regid=postgres --clear-groups bash -c "$(cat "$0")" postgres.sh "$@"
fi
PATH=$1:$PATH transactions=$2
export PGHOST=$PWD PGPORT=5432 PGDATABASE=postgres PGUSER=postgres PGDATA=$PWD/data
initdb -A trust -U postgres --no-sync >/dev/null; echo "initdb: $?"
cat >>data/postgresql.conf <<A
listen_addresses = ''
unix_socket_directories = '$PWD'
fsync = off
shared_buffers = 16MB
max_connections = 30
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
autovacuum = off
log_min_messages = warning
log_line_prefix = ''
restart_after_crash = on
A
ctl() { pg_ctl -s -w -t 100 -l log "$@"; echo "$1 $2 $3: $?"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
ctl start
pgbench -i -s 2 -q >/dev/null 2>&1; echo "tables: $?"
load() { pgbench -n -c 6 -j 2 -t "$transactions" "$@" >pgbench.out 2>pgbench.err; echo "load: $? $(grep -c 'failed transactions: 0 ' pgbench.out)"; }
sums() { sql -c 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history), (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history), (select count(*) from pgbench_history)'; }
load; sums
ctl restart -m fast; load -C; sums
sql -c 'set force_parallel_mode = on' -c 'select count(*), sum(aid), max(bid) from pgbench_accounts where aid % 3 = 0' -c 'create index concurrently on pgbench_accounts(abalance, aid)' -c 'vacuum (parallel 2, analyze) pgbench_accounts'
sql -c "set lock_timeout = '100ms'" -c "set statement_timeout = '50ms'" -c 'select pg_sleep(5)' 2>&1
sql -c 'begin' -c 'listen a' -c "notify a, 'told'" -c 'commit' | sed 's/PID [0-9]*/PID/'
sql -c "copy (select generate_series(1, 3)) to program 'cat >$PWD/copied; exit 0'"; cat copied
sql -c "copy pgbench_history(filler) from program 'exit 3'" 2>&1
sql -c "do \$\$ begin perform pg_cancel_backend(pg_backend_pid()); perform pg_sleep(5); end \$\$" 2>&1 | head -n 1

# A backend that is killed takes the others with it, and the postmaster starts them anew.
sql -c 'select pg_sleep(100)' >sleeper 2>&1 & sleeper=$!
until [ "$(sql -c "select count(*) from pg_stat_activity where query like '%pg_sleep(100)%' and wait_event = 'PgSleep'")" = 1 ]; do sleep 0.02; done
kill -KILL "$(sql -c "select pid from pg_stat_activity where wait_event = 'PgSleep'")"; wait $sleeper; echo "its client: $?"
until sql -c 'select 1' >/dev/null 2>&1; do sleep 0.05; done; sums
ctl restart -m immediate; sums; ctl reload; ctl promote 2>/dev/null
pg_dump --no-owner | grep -cE '^(CREATE|ALTER|COPY)'; pg_basebackup -D copy -c fast --no-sync; echo "backup: $?"
ctl stop -m smart; ctl status >/dev/null; pg_controldata | grep state
grep -vE '^(LOG|FATAL|DETAIL|CONTEXT|STATEMENT):' log | sed -E 's/[0-9]+/N/g' | sort | uniq -c
rm -rf data copy log pgbench.*; ls
