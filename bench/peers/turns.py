"""The peers' side of bench/run: one pass for each line on standard input, as `diffarm bench --in-turns` does it.

Lines out: {"ready": versions}, then {"seconds": s} a pass, last {"peak_rss_bytes": b}."""
import json
import resource
import sys
import time


def say(**fact):
    print(json.dumps(fact), flush=True)


def serve(run, **versions):
    say(ready=versions)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        say(seconds=time.perf_counter() - start)
    say(peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
