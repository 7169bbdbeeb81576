#!/usr/bin/env python3
"""Checks that includes point one way, as docs/architecture.md draws it: a folder may use only the folders below it."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAY_USE = {
    "base": set(),
    "engine": {"base"},
    "cluster": {"base", "engine"},
    "proto": {"base"},
    "worker": {"base", "cluster", "engine", "proto"},
    "coordinator": {"base", "proto"},
    "client": {"base", "engine", "cluster", "proto", "worker", "coordinator"},
}
# Libraries that belong to one folder or file: the engine knows neither MPI nor ZeroMQ.
OWNERS = {
    "mpi.h": ("cluster/comm_mpi.c",),
    "zmq.h": ("proto/", "coordinator/", "worker/", "client/"),
    "dnnl.h": ("engine/backend/cpu/",),
    "cublasLt.h": ("engine/backend/cuda/",),
    "cudnn.h": ("engine/backend/cuda/",),
    "nccl.h": ("cluster/nccl/",),
    "sqlite3.h": ("coordinator/",),
    "png.h": ("engine/image/", "coordinator/web/thumbnail.c"),
    "microhttpd.h": ("coordinator/web/",),
    "libdeflate.h": ("engine/image/", "engine/weights/packed.c", "coordinator/png_check.c"),
}
# A program's entry table is declared once, above the folders that implement it.
ALLOWED = {("coordinator/command.c", "client/commands.h"), ("worker/command.c", "client/commands.h"),
           ("coordinator/simulate/command.c", "client/commands.h")}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def problems(path):
    name = path.relative_to(ROOT).as_posix()
    folder = name.split("/")[0]
    for kind, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
        if header in OWNERS and not name.startswith(OWNERS[header]):
            yield f"{name}: only {', '.join(OWNERS[header])} may include <{header}>"
        other = header.split("/")[0]
        if kind == '"' and other in MAY_USE and other != folder and other not in MAY_USE[folder]:
            if (name, header) not in ALLOWED:
                yield f"{name}: '{folder}' may not use '{other}' ({header})"


def main():
    found = []
    for folder in MAY_USE:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            found.extend(problems(path))
    print("\n".join(found) if found else "includes follow the architecture")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
