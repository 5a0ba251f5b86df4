#!/usr/bin/env bash
# Makes the inputs that a fuzzer starts from: ./seeds.sh TARGET DIRECTORY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$1
corpus=$(cd "$2" && pwd)

# One input a line.
lines() {
  split -l 1 -a 4 -d --additional-suffix=.seed - "$corpus/$1-"
}

# Small programs with debug information, a few KiB each.
programs() {
  local tiny=(-nostdlib -static -Wl,--build-id -Wl,-z,noseparate-code -Wl,-z,norelro -fno-asynchronous-unwind-tables -fno-stack-protector)
  local source=$here/seeds/programs/small
  gcc "${tiny[@]}" -gdwarf-5 "$source.c" -o "$corpus/c5"
  gcc "${tiny[@]}" -gdwarf-5 -O2 "$source.c" -o "$corpus/c5-O2"
  gcc "${tiny[@]}" -gdwarf-4 -O2 -ggnu-pubnames "$source.c" -o "$corpus/c4-names"
  gcc "${tiny[@]}" -gdwarf-2 -gstrict-dwarf "$source.c" -o "$corpus/c2"
  gcc "${tiny[@]}" -g -gz=zlib "$source.c" -o "$corpus/c5-zlib"
  g++ "${tiny[@]}" -gdwarf-5 "$source.cc" -o "$corpus/cc5"
  g++ "${tiny[@]}" -gdwarf-4 -fdebug-types-section -O1 "$source.cc" -o "$corpus/cc4-types"
  gcc "${tiny[@]}" -g "$source.c" -o "$corpus/c5-zstd"
  objcopy --compress-debug-sections=zstd "$corpus/c5-zstd" || rm "$corpus/c5-zstd"
  gcc "${tiny[@]}" -s "$source.c" -o "$corpus/mini"
  if nm "$corpus/c5" | xz -0 >/dev/null; then
    objcopy --only-keep-debug "$corpus/c5" "$corpus/mini.debug" && strip --strip-debug "$corpus/mini.debug"
    xz -0 --check=crc32 "$corpus/mini.debug"
    objcopy --add-section ".gnu_debugdata=$corpus/mini.debug.xz" "$corpus/mini"
    rm "$corpus/mini.debug.xz"
  fi
}

# A maps file, a NUL, and a library as it is in memory.
images() {
  gcc -shared -fPIC -fno-stack-protector -nostdlib -O1 -Wl,--build-id -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--hash-style=both "$here/seeds/programs/small.c" -o "$corpus/library"
  python3 - "$corpus" <<'END'
import os, re, struct, sys
corpus = sys.argv[1]
maps = b"7f1000000000-7f1000002000 r-xp 00001000 fd:01 42    /lib/a b.so (deleted)\n" \
    b"7f1000002000-7f1000004000 rw-s 00000000 00:00 0\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
file = open(corpus + "/library", "rb").read()
image = bytearray()
start, size, count = struct.unpack_from("<Q", file, 32)[0], *struct.unpack_from("<HH", file, 54)
for at in range(start, start + size * count, size):
    kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", file, at)
    if kind == 1:
        image += bytes(max(0, address + length - len(image)))
        image[address:address + length] = file[offset:offset + length]
open(corpus + "/image", "wb").write(maps + b"\0" + image)
os.remove(corpus + "/library")
start, end = next(re.findall(r"(\w+)-(\w+)", line)[0] for line in open("/proc/self/maps") if "[vdso]" in line)
with open("/proc/self/mem", "rb", 0) as memory:
    memory.seek(int(start, 16))
    open(corpus + "/vdso", "wb").write(maps + b"\0" + memory.read(int(end, 16) - int(start, 16)))
END
}

case $target in
  options) lines options <"$here/../libmanhole/options/src/fuzzing/seeds.txt" ;;
  names) lines names <"$here/seeds/names.txt" ;;
  prompt) sed 's/^/t/; n; s/^/d/' "$here/../libmanhole/src/fuzzing/lines.txt" | sed 's/^d/u/' | lines prompt ;;
  dwarf) programs ;;
  maps) images ;;
  expressions) lines expressions <"$here/../libmanhole/expressions/src/fuzzing/seeds.txt" ;;
esac
