# sqlite3's own program: many processes at one database in WAL mode, sorting threads, scripts. Prints the same each time. Takes the program's path.
sqlite=$1
run() { "$sqlite" -init /dev/null "$@" 2>&1; }
run wal.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(who INTEGER, n INTEGER, text TEXT); CREATE INDEX i ON t(text);'
for who in 1 2 3 4 5 6 7 8; do
  { echo '.timeout 60000'; for n in $(seq 1 40); do echo "BEGIN IMMEDIATE; INSERT INTO t VALUES($who, $n, hex($who * 1000 + $n)); COMMIT;"; done; } | run wal.db &
done
for i in 1 2 3 4 5; do run wal.db '.timeout 60000' 'SELECT count(*) >= 0 FROM t; PRAGMA quick_check;'; done
wait
run wal.db 'SELECT who, count(*), sum(n) FROM t GROUP BY who; PRAGMA integrity_check; PRAGMA wal_checkpoint(TRUNCATE);'
run wal.db 'SELECT text FROM t ORDER BY text DESC LIMIT 3;'
run wal.db '.dump' | sort | sha1sum
# Sorters with threads of their own.
run sorted.db 'PRAGMA threads=4; PRAGMA cache_size=-1000; CREATE TABLE s AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<60000)
  SELECT x, (x * 7919) % 60013 AS y, hex(x * 31) AS z FROM c; CREATE INDEX sy ON s(y, z); CREATE INDEX sz ON s(z);
  SELECT sum(x), min(y), max(z) FROM s; SELECT count(*) FROM (SELECT z FROM s ORDER BY z, y); PRAGMA integrity_check;'
printf '1,one\n2,two\n' >in.csv
run script.db <<'A'
.mode csv
CREATE TABLE csv(a, b);
.import in.csv csv
.output out.txt
SELECT * FROM csv;
.output
.once '|cat >piped.txt'
SELECT a + 1 FROM csv;
.shell echo from a shell; exit 3
.system echo again
SELECT * FROM nowhere;
.read '|printf "SELECT 42;\n"'
.backup copy.db
.exit 7
A
echo "status $?"; cat out.txt piped.txt; run copy.db 'SELECT * FROM csv;'
run killed.db 'CREATE TABLE k(x); INSERT INTO k VALUES(1);'
(echo 'BEGIN IMMEDIATE; INSERT INTO k VALUES(2);'; echo ".shell kill -KILL \$PPID") | "$sqlite" -init /dev/null killed.db 2>/dev/null; run killed.db 'SELECT * FROM k; PRAGMA integrity_check;'
