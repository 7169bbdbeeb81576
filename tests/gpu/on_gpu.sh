#!/usr/bin/env bash
# on_gpu.sh GPU_DEVICE COMMAND...: the command where there is a GPU; else why there is none, and exit code 77.
set -euo pipefail
"$1"
shift
exec "$@"
