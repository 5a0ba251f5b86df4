#!/usr/bin/env bash
# Makes target/venv with the Python servers that tests/real_world runs (tests/requirements.txt), once: it is made anew when
# that list changes, and what was compiled for it stays in target/venv.cache. Never fails: where it cannot be made, the
# reason is in target/venv.failed, and the tests that need it say so.
set -uo pipefail
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-../target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
venv=$target/venv

cmp -s requirements.txt "$venv/requirements.txt" && exit 0

python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3 || echo python3)
make() {
  "$python" -m venv --clear "$venv" || return
  # wheel: pip keeps a compiled package in its cache only with it.
  "$venv/bin/python" -m pip install --quiet --cache-dir "$target/venv.cache" wheel || return
  # What a server is compiled with is this list and nothing from the shell that runs the tests.
  env -u CFLAGS -u LDFLAGS "$venv/bin/python" -m pip install --quiet --cache-dir "$target/venv.cache" -r requirements.txt || return
}

echo "making $venv with: $(grep -v '^#' requirements.txt | tr '\n' ' ')" >&2
rm -f "$target/venv.failed"
if make >"$target/venv.log" 2>&1; then
  cp requirements.txt "$venv/requirements.txt"
else
  tail -n 3 "$target/venv.log" | tr '\n' ' ' >"$target/venv.failed"
  echo "no $venv, the tests of uWSGI, gunicorn and Django will be skipped: $(cat "$target/venv.failed") ($target/venv.log)" >&2
fi
exit 0
