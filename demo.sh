#!/usr/bin/env bash
# Builds everything and shows the main job end to end: a real program with eight worker threads is started by
# manhole-run, manhole-cli connects to it, shows every thread's stack and asks a few questions at the prompt.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

cargo build --release --workspace
bin=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$bin/../victims"
# A C++ thread pool; without a C++ compiler, a C program with many threads.
if command -v g++ >/dev/null; then
  program=$bin/../victims/pool
  g++ -O2 -g -std=c++17 -o "$program" tests/victims/pool.cpp -lpthread
  arguments=(8 15)
else
  program=$bin/../victims/stale
  gcc -O2 -g -o "$program" tests/victims/stale.c -lpthread
  arguments=()
fi

work=$(mktemp -d)
mkfifo "$work/stdin"
"$bin/manhole-run" -- "$program" ${arguments[@]+"${arguments[@]}"} <"$work/stdin" >"$work/stdout" &
pid=$!
exec 9>"$work/stdin" # the program ends when this end is closed
finish() {
  exec 9>&-
  wait "$pid" 2>/dev/null || true
  rm -rf "$work" "/tmp/manhole-$pid" # the program ends by _exit, which leaves its socket
}
trap finish EXIT

say "manhole-run -- $program ${arguments[*]-}"
for _ in $(seq 500); do
  grep -q ready "$work/stdout" && break
  kill -0 "$pid" 2>/dev/null || { echo "the program ended at once" >&2; exit 1; }
  sleep 0.02
done
cat "$work/stdout"

say "echo 'quit' | manhole-cli $pid        # what you see on connecting: every thread's stack"
echo quit | HOME=$work "$bin/manhole-cli" "$pid"
for line in "info threads" "bt 5" "thread apply all bt 3" "print 6*7" "info symbol main" "x/4i main" "info fds" "info sharedlibrary"; do
  say "manhole-cli $pid -c '$line'"
  "$bin/manhole-cli" "$pid" -c "$line"
done
echo
echo "The program ran on all the time. Start your own:  $bin/manhole-run -- ./server   and enter it:  $bin/manhole-cli PID"
