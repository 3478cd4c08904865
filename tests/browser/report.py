#!/usr/bin/env python3
"""The report in a real browser: report.py RUN_DIR.  Needs chromium.

Checked at a desktop's and a phone's width, light and dark: the page asks the network for nothing, runs no
script, shows its sections and curves, and is not wider than the window.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

WIDTHS = (1200, 500)  # headless chromium does not make windows narrower than 500
PHONE = 390           # so a phone's width is tried in a frame
SECTIONS = ("Models", "Stage by stage", "Diagnosis", "Evidence")


def browser(*arguments):
    done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                           *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def main():
    page = pathlib.Path(sys.argv[1]).resolve() / "report.html"
    text = page.read_text()
    for found in re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", text):
        assert found.startswith("#"), f"refers to {found}"
    assert "<script" not in text and "@import" not in text and "url(" not in text
    figures = re.findall(r"<svg.*?</svg>", text, re.S)
    assert figures, "no figure"
    for figure in figures:
        assert "aria-label" in figure or "<title" in figure, "a figure without a text alternative"
    measured = text.replace("</body>", "<script>document.title = document.documentElement.scrollWidth + '/' + "
                            "window.innerWidth</script></body>")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "report.html"
        copy.write_text(measured)
        for width in WIDTHS:
            dom = browser(f"--window-size={width},900", "--dump-dom", copy.as_uri())
            for section in SECTIONS:
                assert section in dom, f"no section {section}"
            wide, window = map(int, re.search(r"<title>(\d+)/(\d+)</title>", dom).groups())
            assert wide <= window, f"{wide} pixels wide in a window of {window}"
            frame = pathlib.Path(folder) / "frame.html"
            frame.write_text(f"<iframe src='{page.as_uri()}' style='width:{PHONE}px' onload=\"document.title = "
                             "this.contentDocument.documentElement.scrollWidth + '/' + this.clientWidth\"></iframe>")
            dom = browser("--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri())
            wide, window = map(int, re.search(r"<title>(\d+)/(\d+)</title>", dom).groups())
            assert wide <= window, f"{wide} pixels wide in a phone's {window}"
            for scheme in ("light", "dark"):
                picture = pathlib.Path(folder) / f"{scheme}-{width}.png"
                dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
                browser(f"--window-size={width},900", f"--screenshot={picture}", *dark, page.as_uri())
                assert picture.stat().st_size > 10000, f"{picture.name} is nearly empty"
    print("ok: no network, no scripts, all sections, fits its window")


if __name__ == "__main__":
    main()
