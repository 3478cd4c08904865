#!/usr/bin/env bash
# Installs the Debian packages of packages.txt whose first word is among the arguments and that are
# missing.  Asks for sudo only when something is missing and we are not root.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
missing=()
while read -r kind package; do
  [[ " $* " == *" $kind "* ]] || continue
  # ${Status} is dpkg's own variable, not the shell's.
  # shellcheck disable=SC2016
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done < <(grep -v '^#' "$root/packages.txt")
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Installing: ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
