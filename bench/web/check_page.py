#!/usr/bin/env python3
"""Checks a running coordinator's web page with other people's readers, and takes its pictures for the docs.

  pip install prometheus_client; apt-get install chromium
  diffarm coordinator --state STATE --http 127.0.0.1:7780 &
  bench/web/check_page.py http://127.0.0.1:7780/ --images docs/images

/metrics goes through prometheus_client's parser; the page through headless Chromium, which must have drawn the jobs
that /state names, on a desktop and on a phone, bright and dark.
"""
import argparse
import base64
import json
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

# width, height, pixels a CSS pixel, is a phone, dark
SHOTS = {"web_dark": (1280, 1500, 1, False, True), "web_phone": (390, 844, 2, True, False)}


class Browser:
    """Headless Chromium, spoken to over its two debugging pipes; messages end with a 0 byte."""

    def __init__(self, profile: str) -> None:
        to_read, self.to = os.pipe()
        self.back, from_write = os.pipe()
        # The browser reads from 3 and writes to 4.
        command = (f"exec chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run "
                   f"--remote-debugging-pipe --user-data-dir={profile} 3<&{to_read} 4>&{from_write}")
        self.process = subprocess.Popen(["bash", "-c", command], pass_fds=(to_read, from_write),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.heard, self.n, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **params: object) -> dict:
        self.n += 1
        message = {"id": self.n, "method": method, "params": params}
        os.write(self.to, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            while b"\0" not in self.heard:
                if not (more := os.read(self.back, 1 << 20)):
                    raise RuntimeError("Chromium has ended")
                self.heard += more
            text, self.heard = self.heard.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self.n:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression: str) -> object:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def look(self, width: int, height: int, scale: float, phone: bool, dark: bool) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def close(self) -> None:
        self.call("Browser.close")
        self.process.wait(20)


def check_page(browser: Browser, state: dict, url: str) -> None:
    browser.call("Page.navigate", url=url)
    for _ in range(100):
        time.sleep(0.1)
        if browser.evaluate("document.querySelectorAll('#totals dd').length"):
            break
    time.sleep(2)  # pictures
    drawn = browser.evaluate("document.body.innerText")
    missing = [job["id"] for job in state["jobs"] if job["id"] not in drawn]
    assert not missing, f"the page does not show {missing}"
    assert browser.evaluate("document.getElementById('link').className") == "live"
    assert browser.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)"), "pictures are missing"
    for name, (width, height, scale, phone, dark) in SHOTS.items():
        browser.look(width, height, scale, phone, dark)
        wide = browser.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name}: the page is {wide} wide, the screen {width}"


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def check_metrics(text: str) -> int:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for family in families.values():
        assert family.type in ("counter", "gauge") and family.documentation, family.name
        assert family.samples or family.name == "diffarm_job_images", f"{family.name} has no sample"
    assert families["diffarm_images_committed"].type == "counter"
    return len(families)


def take_pictures(browser: Browser, folder: pathlib.Path) -> None:
    for name, look in SHOTS.items():
        browser.look(*look)
        time.sleep(0.5)
        png = browser.call("Page.captureScreenshot", format="png")["data"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(png))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--images", type=pathlib.Path, help="folder for screenshots")
    args = parser.parse_args()
    print(check_metrics(fetch(args.url + "metrics")), "metrics read by prometheus_client")
    state = json.loads(fetch(args.url + "state"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        check_page(browser, state, args.url)
        print(len(state["jobs"]), "jobs drawn by Chromium, on a desktop and on a phone")
        if args.images:
            take_pictures(browser, args.images)
        browser.close()


if __name__ == "__main__":
    main()
