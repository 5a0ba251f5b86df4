# redis: saved in the background by forked children while it is written to, killed, started from what it has saved. Prints the same each time.
# Runs in an empty directory. Takes how many keys there are.
keys=$1
# Errors and warnings of redis itself have times in them; what stands on its standard error does not.
printf 'port 0\nunixsocket door\nsave ""\nlogfile redis.log\nio-threads 2\nenable-debug-command yes\nappendfsync no\n' >redis.conf
cli() { redis-cli -s door "$@"; }
start() { redis-server redis.conf "$@" & server=$!; until [ "$(cli ping 2>/dev/null)" = PONG ]; do sleep 0.02; done; }
# A save may be under way still, and a client may see the end of one before the next may begin.
saved() { until cli info persistence | tr -d '\r' | grep -qx "$1_in_progress:0"; do sleep 0.02; done; cli info persistence | tr -d '\r' | grep "$2"; }
fill() { for i in $(seq "$1" "$2"); do echo "SET key:$i value:$i:$(($i * 7919))"; echo "RPUSH list:$((i % 50)) $i"; echo "HSET hash:$((i % 20)) field:$i $i"; echo "SADD set:$((i % 10)) $i"; done | cli >/dev/null; }

start
fill 1 "$keys"; cli dbsize
for i in 1 2 3 4; do
  cli bgsave; fill $((keys * i + 1)) $((keys * i + keys / 2)); saved rdb_bgsave rdb_last_bgsave_status
done
cli config set appendonly yes; saved aof_rewrite aof_last_bgrewrite_status
cli bgrewriteaof; fill 1 100; saved aof_rewrite aof_last_bgrewrite_status
redis-benchmark -s door -q -n 2000 -c 20 -P 4 -t set,get,incr,lpush,lrange_100 -r 100 >/dev/null; echo "benchmark: $?"
cli eval "local n = 0 for i = 1, 1000 do n = n + redis.call('EXISTS', 'key:' .. i) end return n" 0
cli del mylist >/dev/null; cli --scan --pattern 'key:0*' | cut -c 1-4 | sort | uniq -c | wc -l
before=$(cli debug digest); cli config get maxclients | tail -n 1
cli debug reload; [ "$(cli debug digest)" = "$before" ]; echo "reloaded the same: $?"

# A save that is killed, a server that is.
cli config set rdb-key-save-delay 5000; cli bgsave
until child=$(ps -o pid= --ppid $server | tr -d ' ') && [ -n "$child" ]; do sleep 0.01; done
kill -USR1 $child; saved rdb_bgsave rdb_last_bgsave_status; cli config set rdb-key-save-delay 0
cli bgsave; saved rdb_bgsave rdb_last_bgsave_status
{ kill -KILL $server; wait $server; } 2>/dev/null; echo "killed: $?"
start --appendonly yes; [ "$(cli debug digest)" = "$before" ]; echo "after it was killed the same: $?"
{ cli debug segfault >/dev/null; wait $server; } 2>/dev/null; echo "crashed: $?"; grep -c 'crashed by signal: 11' redis.log
start --appendonly yes; [ "$(cli debug digest)" = "$before" ]; echo "after it has crashed the same: $?"
kill -TERM $server; wait $server; echo "ended: $?"
grep -ciE 'oom|error (loading|trying)|corrupt' redis.log; rm -rf redis.log appendonlydir dump.rdb; ls
