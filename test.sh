#!/usr/bin/env bash
# Runs all tests: sets up what they need, builds the shipped files, unit tests, then integration tests with real programs.
#
#   ./test.sh [FILTER...]     arguments go to the integration tests, e.g. `./test.sh locks::`
#
# What the tests need beyond Rust, gcc and python3 is installed on Debian as root, else named with the command that
# installs it; the tests that need it then say "skipped" (with CI=true they fail).
# MANHOLE_TEST_PYTHONS=PATH:... names the interpreters that the tests of Python's prompt and stacks run over, instead of all that are here.
# MANHOLE_TEST_DUMPS=N sets how many dumps the witnesses of disturbance go through (1000 with CI=true, else 200).
# MANHOLE_TEST_LONG=1 runs the long forms: 10,000 ends at every phase, 10,000 connections in a row, more of each real program.
set -euo pipefail
cd "$(dirname "$0")"

# program or file, and the Debian package that has it
needs=(
  gdb:gdb nginx:nginx-light redis-server:redis-server eu-stack:elfutils g++:g++ nc:netcat-openbsd socat:socat
  psql:postgresql node:nodejs setpriv:util-linux dwz:dwz clang:clang llvm-dwp:llvm xz:xz-utils dpkg-source:dpkg-dev make:make tclsh:tcl git:git sqlite3:sqlite3 stress-ng:stress-ng javac:default-jdk-headless /usr/lib/debug/.build-id:libc6-dbg /usr/bin/python3:python3
  /usr/include/c++/v1/vector:libc++-dev /usr/lib/x86_64-linux-gnu/libc++abi.so:libc++abi-dev
)
missing=()
for need in "${needs[@]}"; do
  thing=${need%%:*}
  if [[ $thing == /* ]]; then
    [[ -e $thing ]] || missing+=("${need#*:}")
  else
    PATH=$PATH:/usr/sbin:/sbin command -v "$thing" >/dev/null || missing+=("${need#*:}")
  fi
done
# The Python servers of tests/real_world live in a virtual environment, and one of them is compiled.
if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
  missing+=(python3-venv)
fi
if ! [[ -e $(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])' 2>/dev/null)/Python.h ]]; then
  missing+=(python3-dev)
fi
# Python's own tests, which tests/transparency runs. The package without a version in its name is not in every archive.
if ! [[ -e $(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_paths()["stdlib"])' 2>/dev/null)/test/test_os.py ]]; then
  missing+=("lib$(/usr/bin/python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null || echo python3)-testsuite")
fi
if ((${#missing[@]})); then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing: ${missing[*]}" >&2
    install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
    apt-get update -qq || true
    # One that cannot be had keeps apt-get from installing any of them.
    install "${missing[@]}" || for package in "${missing[@]}"; do
      install "$package" || echo "could not install $package" >&2
    done
  else
    echo "some tests will be skipped; for all of them: sudo apt-get install ${missing[*]}" >&2
  fi
fi
tests/venv.sh
tests/pythons.sh # patched with a program of the virtual environment

cargo build --release --workspace
cargo test --workspace --exclude manhole-tests # with debug information, which some of them look at
cargo test --release -p manhole-tests --lib
cargo test --release -p manhole-tests --test all -- --test-threads "${MANHOLE_TEST_THREADS:-2}" "$@"
