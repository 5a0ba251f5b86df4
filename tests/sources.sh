#!/usr/bin/env bash
# Builds a server from Debian's sources with debug information, once, into target/sources: for tests/real_expressions.
#
#   tests/sources.sh redis|nginx|sqlite3
#
# The sources come by apt-get, from a list of this script's own: the machine's lists stay as they are. Prints the program's path.
set -euo pipefail
name=$1
here=$(cd "$(dirname "$0")" && pwd)
base=${CARGO_TARGET_DIR:-$here/../target}/sources
mkdir -p "$base/$name/lists/partial" "$base/$name/cache"
cd "$base/$name"
base=$(pwd)
program=$base/$name
if [[ -x $program ]]; then
  echo "$program"
  exit
fi

distribution=$(. /etc/os-release && echo "$ID $VERSION_CODENAME")
case $distribution in
  debian\ *) at="http://deb.debian.org/debian ${distribution#* } main" ;;
  ubuntu\ *) at="http://archive.ubuntu.com/ubuntu ${distribution#* } main universe" ;;
  *) echo "no archive of sources is known for $distribution" >&2; exit 1 ;;
esac
echo "deb-src $at" >sources.list
options=(
  -qq -o "Dir::Etc::SourceList=$base/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$base/lists"
  -o "Dir::Cache=$base/cache" -o APT::Sandbox::User=
)
apt-get "${options[@]}" update >&2
rm -rf unpacked ./*.dsc
apt-get "${options[@]}" --download-only source "$name" >&2
dpkg-source --no-check -x ./*.dsc unpacked >&2
cd unpacked
case $name in
  redis)
    make -j2 MALLOC=libc OPTIMIZATION=-O2 USE_SYSTEMD=no BUILD_TLS=no V=1 redis-server -C src >&2
    built=src/redis-server
    ;;
  nginx)
    ./configure --with-cc-opt='-g -O2' --without-http_rewrite_module --without-http_gzip_module --prefix="$base" >&2
    make -j2 >&2
    built=objs/nginx
    ;;
  sqlite3)
    ./configure --disable-tcl --disable-readline >&2
    make sqlite3.c shell.c >&2
    gcc -g -O2 -DSQLITE_THREADSAFE=1 -o sqlite3-built shell.c sqlite3.c -lpthread -ldl -lm >&2
    built=sqlite3-built
    ;;
  *) echo "no recipe for $name" >&2; exit 1 ;;
esac
cp "$built" "$program.new"
mv "$program.new" "$program"
echo "$program"
