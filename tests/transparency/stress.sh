# stress-ng: each stressor by itself, checking what it does, for so many operations or so many seconds; a line for each with its status, and what it has
# complained about. Runs in an empty directory. Takes the seconds, then stressors, each with its operations: `fork=200`.
limit=$1; shift
for each in "$@"; do
  name=${each%=*} operations=${each#*=}
  stress-ng --temp-path . --no-rand-seed --verify --timeout "$limit" --"$name" 1 --"$name"-ops "$operations" >said 2>&1; status=$?
  echo "$name: $status"
  # What it tells has its process id in front.
  sed -E 's/\[[0-9]+\] //g' said | grep -vE '^stress-ng: info: '
done
rm -f said; ls
