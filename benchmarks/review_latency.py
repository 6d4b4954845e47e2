"""From a key press to the next item on the screen, in a real browser, with many predictions under review.

python -m benchmarks.review_latency [--predictions 100000] [--keys 400] [--pause-ms 150] [--out FILE]

The time runs from the key event, in the page, to the first frame after the next item was drawn. Afterwards the tags in
the journal are held against what stood on the screen at every key.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

AUTHOR: Final = "bench"

# Notes for every submitting key what was on screen, and when the next item had been painted.
WATCH: Final = """() => {
  const find = (root) => {
    for (const e of root.querySelectorAll('*')) {
      if (e.classList && e.classList.contains('lab')) return e;
      const found = e.shadowRoot && find(e.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const lab = find(document);
  window.noted = [];
  let pressed = null;
  window.addEventListener('keydown', (event) => {
    if (['o', 'Enter'].includes(event.key)) pressed = { at: event.timeStamp, item: lab.dataset.item };
  }, true);
  new MutationObserver(() => {
    if (!pressed || lab.dataset.item === pressed.item) return;
    const one = pressed;
    pressed = null;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.noted.push([one.item, performance.now() - one.at, lab.dataset.item]);
      channel.port2.postMessage(null);
    });
  }).observe(lab, { attributes: true, attributeFilter: ['data-item'] });
}"""
READY: Final = ".lab[data-item]:not([data-item=''])"


def measure(folder: Path, predictions: int, keys: int, pause_ms: int) -> dict[str, Any]:
    from curation.runs import run_place
    from curation.store.journal import open_journal
    from curation.store.tags import tags
    from curation.workspace import init_workspace
    from eval.review.queues import SECOND_LOOK
    from tests.browser import browsing, serving
    from tests.review_data import evaluation

    here = init_workspace(folder)
    evaluation(run_place(here).experiments, lambda n: f"answer {n} and some more words", items=predictions)
    with serving(here.root) as address, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.monotonic()
        page.goto(f"{address}/review?as={AUTHOR}")
        page.wait_for_selector(READY, timeout=120_000)
        opened = time.monotonic() - began
        page.evaluate(WATCH)
        for number in range(keys):
            page.wait_for_selector(READY, timeout=60_000)
            for key in ("f", "Enter") if number % 4 == 3 else ("o",):
                page.keyboard.press(key)
            page.wait_for_timeout(pause_ms)
        page.wait_for_function("(n) => window.noted.length >= n", arg=keys - 1, timeout=120_000)
        page.wait_for_selector(".lab[data-pending='0']", timeout=300_000)
        noted = page.evaluate("() => window.noted")
    with open_journal(run_place(here).journal) as journal:
        # With one person, some outputs come again, unsaid, and are stored under a name of their own.
        stored = [tag.prediction_id for tag in tags(journal) if tag.author in (AUTHOR, AUTHOR + SECOND_LOOK)]
    seen = [item for item, _, _ in noted]
    waits = sorted(wait for _, wait, _ in noted)
    return {
        "predictions": predictions,
        "keys": keys,
        "pause_ms": pause_ms,
        "noted": len(noted),
        "p50_ms": round(waits[len(waits) // 2], 1),
        "p95_ms": round(waits[int(len(waits) * 0.95)], 1),
        "max_ms": round(waits[-1], 1),
        "first_item_s": round(opened, 1),
        "stored": len(stored),
        "tags_on_what_was_not_on_screen": len(set(stored) - set(seen)),
        "same_order": stored == seen,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--pause-ms", type=int, default=150)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "w", args.predictions, args.keys, args.pause_ms)
    found["load_average"] = [round(before, 1), round(os.getloadavg()[0], 1)]
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
