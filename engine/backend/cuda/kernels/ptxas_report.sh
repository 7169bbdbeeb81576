#!/bin/sh
# ptxas_report.sh COMPILER ARGS.. -o OBJECT: runs the compiler and keeps what ptxas -v says of each kernel's registers,
# stack and shared memory in OBJECT.ptxas, so that a build's output is warnings and errors alone. The budget is checked
# by tests/engine/backend/cuda/check_ptxas.py.
set -u
object=
before=
for argument; do
    [ "$before" = -o ] && object=$argument
    before=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2>"$object.stderr"
code=$?
report='^ptxas info|bytes stack frame'
grep -E "$report" "$object.stderr" >"$object.ptxas"
grep -Ev "$report" "$object.stderr" >&2
rm -f "$object.stderr"
exit $code
