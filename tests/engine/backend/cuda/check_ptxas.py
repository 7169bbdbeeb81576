#!/usr/bin/env python3
"""check_ptxas.py VERSION REPORTS BUDGET [--update]

Holds each kernel's registers, stack and static shared memory, as ptxas told them when the library was built (*.ptxas
below the folder REPORTS, by engine/backend/cuda/kernels/ptxas_report.sh), against the table BUDGET. A spilled register,
a growth, a kernel that is not in the table or one that is gone fails, with the kernel's name. --update writes the table
anew; it refuses spills too. Another compiler than the table's counts otherwise: then the test is skipped (77).
"""
import pathlib
import re
import subprocess
import sys

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def entries(folder):
    """(mangled name, architecture, registers, stack, shared, spilled) of each kernel."""
    for path in sorted(pathlib.Path(folder).rglob("*.ptxas")):
        name = architecture = stack = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if entry := ENTRY.search(line):
                name, architecture = entry.groups()
            elif found := STACK.search(line):
                stack = [int(n) for n in found.groups()]
            elif name and (used := REGISTERS.search(line)):
                shared = SHARED.search(line)
                yield name, architecture, int(used[1]), stack[0], int(shared[1]) if shared else 0, stack[1] + stack[2]
                name = None


def readable(names):
    """pointwise<8, __half, activated<__half>> for each mangled name."""
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    for name in text.splitlines():
        name = name.replace("(anonymous namespace)::", "").removeprefix("void ")
        yield name.split("(")[0].replace(" >", ">").replace(", ", ",")


def measured(folder):
    """kernel -> {column: number}, and what spills."""
    found = list(entries(folder))
    kernels, spills = {}, []
    for name, (_, architecture, registers, stack, shared, spilled) in zip(readable([e[0] for e in found]), found):
        row = kernels.setdefault(name, {})
        row[architecture] = registers
        row["stack"] = max(row.get("stack", 0), stack)
        row["shared"] = max(row.get("shared", 0), shared)
        if spilled:
            spills.append(f"{name} on {architecture}: spills {spilled} bytes")
    return kernels, spills


COLUMNS = (*ARCHITECTURES, "stack", "shared")


def read_budget(path):
    text = path.read_text(encoding="utf-8")
    lines = [line.split(maxsplit=len(COLUMNS)) for line in text.splitlines() if not line.startswith("#")]
    return {words[-1]: dict(zip(COLUMNS, map(int, words[:-1]))) for words in lines if words}


def write_budget(path, version, kernels):
    with path.open("w", encoding="utf-8") as out:
        out.write(f"# nvcc {version}\n# Registers on each architecture, bytes of stack and of static shared memory, at "
                  "most; nothing spills.\n# Written by check_ptxas.py --update.\n")
        out.write("#" + " ".join(f"{c:>6}" for c in COLUMNS)[1:] + " kernel\n")
        for name in sorted(kernels):
            out.write(" ".join(f"{kernels[name].get(c, 0):6}" for c in COLUMNS) + f" {name}\n")


def differences(kernels, budget):
    for name in sorted(kernels.keys() - budget.keys()):
        yield f"{name}: not in the table"
    for name in sorted(budget.keys() - kernels.keys()):
        yield f"{name}: in the table, but not built"
    for name in sorted(kernels.keys() & budget.keys()):
        for column in COLUMNS:
            got, most = kernels[name].get(column, 0), budget[name][column]
            if got > most:
                yield f"{name}: {column} {got}, at most {most}"


def main():
    version, reports, path = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    kernels, problems = measured(reports)
    if not kernels:
        problems.append(f"no kernel is reported below {reports}: was the library built?")
    if "--update" not in sys.argv:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        if first != f"# nvcc {version}":
            print(f"skipped: built by nvcc {version}, the table is of '{first[2:]}'")
            return 77
        problems += differences(kernels, read_budget(path))
    elif not problems:
        write_budget(path, version, kernels)
    print("\n".join(problems) if problems else f"{len(kernels)} kernels within {path.name}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
