"""The registry in a program of many threads, such as the demo's server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from e2gan.plugins import Registry, registry, reload_registry, use_registry


def test_threads_that_ask_at_once_get_one_registry() -> None:
    loads: list[Registry] = []
    all_ask = threading.Barrier(4)

    def load() -> Registry:
        loads.append(Registry.load(installed=False))
        return loads[-1]

    def ask(_: int) -> Registry:
        all_ask.wait(10)
        return registry()

    use_registry(load)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, range(4)))
    assert found == loads * 4


def test_what_was_installed_while_a_thread_was_loading_is_found() -> None:
    loading, go_on = threading.Event(), threading.Event()
    loads: list[Registry] = []

    def load() -> Registry:
        loads.append(Registry.load(installed=False))
        loading.set()
        go_on.wait(10)
        return loads[-1]

    use_registry(load)
    with ThreadPoolExecutor(2) as threads:
        threads.submit(registry)
        assert loading.wait(10)
        reloaded = threads.submit(reload_registry)
        go_on.set()
        reloaded.result(10)
    assert registry() is loads[1]
