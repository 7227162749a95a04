"""Something done again and again, each on a thread of its own."""

import threading
import time
import traceback

import metrics

COUNTERS = metrics.Counters()
failed = set()


def every(period, work):
    """Does it once a period, however long it takes; what fails is told once, and tried again."""

    def loop():
        due = time.monotonic()
        number = 0
        while True:
            try:
                work(number)
            except Exception as error:  # noqa: BLE001: a demo goes on
                COUNTERS.add("demo_failures_total", work=work.__name__)
                if work.__name__ not in failed:
                    failed.add(work.__name__)
                    print(f"{work.__name__}: {error!r}\n{traceback.format_exc()}", flush=True)
            number += 1
            due = max(due + period, time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0)

    threading.Thread(target=loop, daemon=True).start()
