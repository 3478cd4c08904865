#!/usr/bin/env bash
# tools/build.sh PRESET [TARGETS...]: configures build/PRESET if needed and builds.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
preset=$1
shift
cd "$root"
# The compiler's own messages are enough; configuration is printed only when it fails.
if [ ! -f "build/$preset/build.ninja" ]; then
  if ! log=$(cmake --preset "$preset" 2>&1); then
    printf '%s\n' "$log"
    exit 1
  fi
fi
exec ninja -C "build/$preset" "$@"
