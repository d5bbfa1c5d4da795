"""The mailboxes between a window and its jobs."""

import threading

from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.core.watch import Desk, View


def test_a_desk_holds_the_latest_of_both_and_wakes_for_either():
    view = View(Box((0, 0, 0), (1, 4, 4)))
    desk: Desk[list[int]] = Desk(view)
    assert desk.both() == (view, None)
    first, second = [1], [1]
    desk.put(first)
    desk.put(second)
    assert desk.both()[1] is second
    woken = threading.Event()

    def wait() -> None:
        desk.wait_for_other(view, second, 30)
        woken.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    desk.look(View(view.box))
    assert not woken.wait(0.05), "an equal view is no news"
    desk.put([1])
    assert woken.wait(30), "an equal task is: strokes may be the same again after others"
    waiting.join()
    desk.wait_for_other(view, None, 30)  # there is another one already
    assert desk.view() == view
