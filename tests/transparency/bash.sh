# What only bash has: job control, coprocesses, process substitution. Prints the same each time, apart from process ids.
# Runs in an empty directory.
say() { echo "$*"; }

say "== job control"
set -m
until_it_is() { until jobs %1 >state; grep -q "$1" state; do sleep 0.02; done; cat state; }
sleep 100 & until_it_is Running
kill -STOP %1; until_it_is Stopped; bg %1; until_it_is Running
kill -TERM %1; wait %1; say "terminated: $?"
(kill -STOP $BASHPID; exit 6) & until_it_is Stopped; fg %% >/dev/null; say "foreground: $?"
bash -c 'ps -o pgid= -p $$ | tr -d " " >group'; [ "$(cat group)" != "$$" ]; say "a group of its own: $?"; rm group
sleep 0.05 & wait; jobs; say "all gone"
set +m

say "== wait"
mkfifo one two
(read -r _ <one; exit 3) & (exit 4) & (read -r _ <two; exit 5) &
wait -n; say "first $?"; echo >one; wait -n; say "second $?"; echo >two; wait -n; say "third $?"; wait -n; say "none $?"
(exit 8) & p=$!; wait -n -p which $p; say "$? $([ "$which" = "$p" ] && echo same)"
for i in {1..30}; do (exit $i) & pids[i]=$!; done
total=0; for p in "${pids[@]}"; do wait $p; total=$((total + $?)); done; say "total $total"

say "== coprocess"
coproc UP { while read -r line; do echo "${line^^}"; done; exit 9; }
up=$UP_PID
echo "hello coprocess" >&"${UP[1]}"; read -r answer <&"${UP[0]}"; say "$answer"
eval "exec ${UP[1]}>&-"; wait $up; say "coprocess: $?"

say "== process substitution"
diff <(seq 1 5) <(seq 1 6); say "$?"
tee >(wc -l >lines) < <(seq 1 1000) | tail -n 1; while ! [ -s lines ]; do sleep 0.01; done; cat lines
paste <(echo a; echo b) <(echo 1; echo 2)
while read -r a b; do say "$b $a"; done < <(paste <(seq 3) <(seq 4 6))

say "== descriptors"
exec {fd}>variable.txt; echo "through a variable" >&$fd; exec {fd}>&-; cat variable.txt
exec 200>two-hundred; echo "in 200" >&200; exec 201>&200 200>&-; echo "in 201" >&201; exec 201>&-; cat two-hundred
exec 20>twenty 255>two-five-five 2>/dev/null; echo "in 20" >&20; exec 20>&-; cat twenty; exec 2>&1
for n in {10..60} {190..260}; do { eval "exec $n>many; echo $n >&$n; exec $n>&-"; } 2>/dev/null || echo "no $n"; done; cat many
for n in {3..300}; do [ $n = 255 ] || eval "exec $n>&-" 2>/dev/null || say "cannot close $n"; done; say "closed them all"
echo once <>both 1>&0; cat both
mapfile -t words < <(tr ' ' '\n' <<<"a here string"); say "${#words[@]} ${words[2]}"
exec 9<<<"nine"; read -r nine <&9; read -u 9 -r more || say "$nine, and no more"
read -t 0.05 -r none < <(sleep 0.3); say "in time: $(($? > 128))"

say "== traps"
bash -c 'trap "echo debug \$BASH_COMMAND" DEBUG; x=1; echo $x'
bash -c 'set -E; trap "echo err \$?" ERR; false; f() { return 3; }; f; (exit 4)'
bash -c 'trap "echo child" CHLD; /bin/true; /bin/false; :' | sort | uniq -c
bash -c 'trap "echo return" RETURN; f() { :; }; f; declare -ft f; f'
bash -c 'for s in $(trap -l | grep -oE "SIG[A-Z0-9+-]+" | grep -vE "SIG(KILL|STOP)$"); do trap "echo \"got $s\"" $s; done
  for s in $(trap -l | grep -oE "SIG[A-Z0-9+-]+" | grep -vE "SIG(KILL|STOP|CHLD)$"); do kill -$s $$; done; trap -p | wc -l'
bash -c 'trap "" URG WINCH USR1; bash -c "trap -p; kill -URG \$\$; kill -WINCH \$\$; kill -USR1 \$\$; echo lives"'
bash -c 'trap "echo int; trap - INT; kill -INT \$\$" INT; kill -INT $$; echo not reached'; say "$?"
bash -c 'set -e; trap "echo at exit \$?" EXIT; false; echo not reached'; say "$?"
bash -c 'echo $(kill -PIPE $BASHPID; echo not reached); echo after; kill -SEGV $$' 2>/dev/null; say "$?"

say "== time limits"
timeout 0.1 sleep 5; say "timeout: $?"
timeout -s KILL 0.1 bash -c 'trap "" TERM; sleep 5' 2>/dev/null; say "killed: $?"
timeout --foreground 0.1 sh -c 'trap "echo caught; exit 3" TERM; while :; do sleep 0.02; done'; say "foreground: $?"

say "== programs"
exec -a another bash -c 'echo $0' & wait $!
(exec bash -c 'echo "executed with $#: $*"' name a b c)
(command exec /no/such/program) 2>/dev/null; say "exec failed: $?"
nice -n 3 bash -c 'nice'; setsid -w bash -c 'exit 14'; say "session: $?"
nohup bash -c 'trap -p HUP; kill -HUP $$; echo survived' 2>/dev/null
seq 1 50 | xargs -P 4 -n 5 sh -c 'echo "$*" >>"x.$1"' x; cat x.* | wc -l
find . -name 'x.*' -exec rm {} +; ls | sort
time_is=$( { time true; } 2>&1 | grep -c real); say "time: $time_is"
script -qec 'bash -ic "tty >/dev/null; echo on a terminal; sleep 0.05 & wait"' /dev/null </dev/null | tr -d '\r' | grep -c terminal
f() { local depth=$1; ((depth == 0)) && { say bottom; return; }; (f $((depth - 1))); }; f 25
exec 7>seven {fd}>&7; env -u LD_PRELOAD ls /proc/self/fd
