#!/usr/bin/env bash
# Checks the systemd units of deploy/systemd with `systemd-analyze verify`, as the package installs them: in a folder of
# units, with a program at /usr/bin/padan. It checks names, sections and values, and that each timer has its service.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

root=$(mktemp -d)
trap 'rm -rf -- "$root"' EXIT
mkdir -p "$root"/etc/systemd/system "$root"/usr/bin "$root"/bin
cp deploy/systemd/padan* "$root/etc/systemd/system/"
for program in usr/bin/padan bin/sh bin/kill; do
  printf '#!/bin/true\n' >"$root/$program"
  chmod 755 "$root/$program"
done
units=("$root"/etc/systemd/system/padan*)
# It warns about what the empty root lacks: users, documentation and the targets of systemd itself.
complaints=$(systemd-analyze verify --recursive-errors=no --man=no --root="$root" "${units[@]##*/}" 2>&1 |
  grep --invert-match --extended-regexp 'Failed to (open|create) .*(journal|control group)|Unit .*\.(target|slice|mount) not found' || true)
[ -z "$complaints" ] || fail "systemd-analyze verify:"$'\n'"$complaints"
for timer in deploy/systemd/*.timer; do
  [ -e "${timer%.timer}.service" ] || fail "$timer has no service"
  calendar=$(sed -n 's/^OnCalendar=//p' "$timer")
  systemd-analyze calendar "$calendar" >/dev/null || fail "$timer: OnCalendar=$calendar is not a time"
done
say "${#units[@]} units are valid"
