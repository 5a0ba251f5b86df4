# A POSIX shell at work: what dash and bash share. Prints the same each time, apart from process ids.
# Runs in an empty directory.
say() { echo "$*"; }

say "== descriptors"
exec 3>three.txt 4<<EOF
line one of four
line two of four
EOF
echo "to three" >&3
read -r line <&4; say "$line"
exec 5>&3 3>&-
echo "to five" >&5
{ echo "to three again" >&3; } 2>/dev/null || say "three is closed"
exec 5>&- 4<&-
cat three.txt
# All that a shell can name is closed, and opened again.
for fd in 3 4 5 6 7 8 9; do eval "exec $fd>fd$fd.txt"; echo "in $fd" | eval "cat >&$fd"; done
for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done
cat fd?.txt
(exec <&- >&- 2>&-; : >closed-all; echo lost) ; say "closed all: $?"
(exec 1>&-; echo x 2>/dev/null) 2>/dev/null; say "no stdout: $?"
ls fd?.txt three.txt closed-all | sort
sh -c 'for n in 3 4 5 6 7 8 9; do (eval ": >&$n") 2>/dev/null && echo "open: $n"; done; true'

say "== here-documents and pipes"
cat <<A; cat <<'B' | tr a-z A-Z
expanded: $((6 * 7)) $(echo nested)
A
not expanded: $((6 * 7)) \$HOME
B
i=0; while [ $i -lt 40 ]; do echo $i; i=$((i + 1)); done | { sum=0; while read -r n; do sum=$((sum + n)); done; say "sum $sum"; }
seq 1 200000 | head -n 1
(seq 1 100000; echo "status $?") | tail -n 1
mkfifo fifo; (echo through the fifo >fifo) & cat fifo; wait $!; say "writer $?"

say "== status"
for n in 0 1 2 42 126 127 128 255; do sh -c "exit $n"; say "exit $? of $n"; done
for s in HUP INT QUIT PIPE ALRM TERM KILL USR1 USR2 URG WINCH CHLD CONT VTALRM PROF SYS; do
  # A shell's own message has a process id in it.
  { (ulimit -c 0; sh -c "kill -$s \$\$; exit 7"); } 2>/dev/null; say "by $s: $?"
done
no-such-command 2>/dev/null; say "not found: $?"
(echo 'exit 9' >script; ./script) 2>/dev/null; say "not executable: $?"
chmod +x script; ./script; say "without a first line: $?"
env -i PATH="$PATH" sh -c 'exit 3'; say "empty environment: $?"

say "== subshells and the background"
x=outer; (x=inner; say "$x"; exit 5); say "$x $?"
(sleep 0.1; exit 11) & one=$!
(sleep 0.05; exit 12) & two=$!
wait $one; say "first $?"; wait $two; say "second $?"
(trap '' TERM; exec sh -c 'kill -TERM $$; exit 13'); say "ignored: $?"
sh -c '(sleep 0.05; echo grandchild >orphan) & exit 0'; while ! [ -s orphan ]; do sleep 0.02; done; cat orphan
n=0; while [ $n -lt 60 ]; do (exit $((n % 7))) & n=$((n + 1)); done; wait; say "sixty: $?"

say "== traps"
sh -c 'trap "echo exit trap" EXIT; trap "echo got TERM; exit 21" TERM; kill -TERM $$; echo not reached'; say "$?"
{ sh -c 'trap "echo got USR1" USR1; kill -USR1 $$; trap - USR1; echo between; kill -USR1 $$; echo not reached'; } 2>/dev/null; say "$?"
for s in URG WINCH; do
  sh -c "trap 'echo got $s' $s; kill -$s \$\$; sleep 0.05 & kill -$s \$\$; wait; trap - $s; kill -$s \$\$; echo alive; trap '' $s; kill -$s \$\$; sh -c 'kill -$s \$\$; echo child alive'"
done
sh -c 'trap "caught=yes" ALRM; (while ! [ -e stop ]; do kill -ALRM $$; sleep 0.02; done) & while wait $!; [ $? -le 128 ]; do :; done
  : >stop; until wait $!; do :; done; echo "caught $caught"'
sh -c 'trap "" INT; sh -c "kill -INT \$\$; echo inherited"; trap - INT; sh -c "kill -INT \$\$; echo not reached"'; say "$?"

say "== limits"
(ulimit -n 20; ulimit -n; sh -c 'ulimit -n'; exec 9>nine; echo fine >&9; cat nine)
(ulimit -n 3; : <&0; say "three descriptors: $?"; { exec 3</dev/null; } 2>/dev/null && echo opened || echo refused)
(ulimit -f 1; exec 2>/dev/null; sh -c 'yes | head -c 100000 >large'); size=$(wc -c <large); say "cut: $((size <= 1024))"
(ulimit -s 512; sh -c 'ulimit -s; echo a small stack')
(ulimit -t 1; sh -c 'while :; do :; done'; say "used up its time: $?") 2>/dev/null
(umask 077; : >private; umask 022; : >public; ls -l private public | cut -c 1-10)

say "== what programs find"
env -u LD_PRELOAD ls /proc/self/fd
env -u LD_PRELOAD grep -E '^(SigBlk|SigIgn|SigCgt|Threads|NoNewPrivs|Seccomp)' /proc/self/status
sh -c 'grep -E "^(SigIgn|NoNewPrivs|Seccomp)" /proc/$$/status; cat /proc/$$/comm; tr "\0" " " </proc/$$/cmdline; echo; readlink /proc/$$/cwd'
(trap '' HUP URG; env -u LD_PRELOAD grep SigIgn /proc/self/status)
