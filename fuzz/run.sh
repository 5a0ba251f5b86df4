#!/usr/bin/env bash
# Runs one fuzzer: ./fuzz/run.sh TARGET [SECONDS] [libFuzzer's options]; what it finds is in fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"
target=$1
seconds=${2:-600}
shift $(($# < 2 ? $# : 2))

corpus=corpus/$target
mkdir -p "$corpus"
./seeds.sh "$target" "$corpus"
limits=(-timeout=5 -rss_limit_mb=512 -malloc_limit_mb=256)
case $target in
  dwarf) limits+=(-max_len=65536) ;;
  expressions) limits+=(-max_len=512) ;;
  maps) limits+=(-max_len=16384) ;;
  *) limits+=(-max_len=2048) ;;
esac
if [[ -e dictionaries/$target.txt ]]; then
  limits+=("-dict=dictionaries/$target.txt")
fi
# Compiled by stable Rust: what finds bugs here are checks of overflows and bounds, the time and the memory. The stack is the agent's.
cargo fuzz build --fuzz-dir . --sanitizer none "$target"
mkdir -p "artifacts/$target"
if [[ $target == prompt ]]; then
  # Something with types and variables to ask about.
  gcc -shared -fPIC -g seeds/programs/small.c -nostdlib -Wl,--build-id -o target/small.so
  export LD_PRELOAD=$PWD/target/small.so
fi
program=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/$(rustc -vV | sed -n 's/^host: //p')/release/$target
ulimit -S -s 512
exec "$program" "$corpus" "${limits[@]}" -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" "$@"
