# A JVM, alone and looked at by its own tools, with each of its collectors. Prints the same each time. Runs in an empty directory. Takes the source, then
# the collectors. After those comes a run that the JVM checks itself, its signals too.
source=$1; shift
javac -nowarn -XDsuppressNotes -d . "$source" 2>&1 | grep -v 'proprietary API\|sun.misc\|\^\|warning'
for collector in "$@"; do
  java -Xmx256m -XX:+Use"$collector" Work; echo "$collector: $?"
done
java -Xcheck:jni -Xmx256m Work 2>&1; echo "checked: $?"

# Looked at while it hangs.
mkfifo door; java -Xmx64m Work wait <door >said 2>dump & virtual=$!; exec 5>door
until grep -qs ready said; do sleep 0.05; done
# Both are on their way to the second lock.
until [ "$(jstack $virtual | grep -c 'waiting to lock')" -ge 4 ]; do sleep 0.05; done
jstack -l $virtual >stacks; echo "jstack: $?"; grep -c '^"' stacks >/dev/null; grep -E '^"(locks a|locks b|sleeper|main)"|Found .* deadlock|State: ' stacks | sed -E 's/ (cpu|elapsed|tid|nid|os_prio|prio)=[^ ]*//g; s/#[0-9]+ //; s/\[[^]]*\]//g; s/0x[0-9a-f]+//g' | sort | uniq -c
grep -A3 '"sleeper"' stacks | tail -n 2
jcmd $virtual Thread.print >/dev/null; echo "jcmd: $?"; jcmd $virtual GC.run | tail -n 1; jcmd $virtual VM.flags >/dev/null; echo "flags: $?"; jcmd $virtual GC.heap_dump -all "$PWD/heap" | tail -n 1 | sed 's/\[.*//'
kill -QUIT $virtual; until grep -qs 'Found 1 deadlock' said; do sleep 0.05; done; grep -c 'waiting to lock' said
echo >&5; wait $virtual; echo "ended: $?"; cat dump
java -Xmx64m Work wait <door >said & virtual=$!; until grep -qs ready said; do sleep 0.05; done; kill -TERM $virtual; wait $virtual; echo "terminated: $?"
rm -f heap said stacks ./*.class; ls
