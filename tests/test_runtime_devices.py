"""How many CPUs and threads are used."""
import os

import pytest

from runtime.devices import available_cpus, cpu_threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to CPUs")
def test_only_cpus_that_the_process_may_use_are_counted():
    before = os.sched_getaffinity(0)
    assert available_cpus() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("count, expected", [(6, 6), (None, 1)])
def test_without_affinity_all_cpus_count(monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert available_cpus() == expected


@pytest.mark.parametrize("wanted, expected", [("3", 3), ("0", 7), ("many", 7), ("-1", 7), ("9999", 7), (None, 7)])
def test_omp_num_threads_decides_if_it_is_a_usable_number(monkeypatch, wanted, expected):
    monkeypatch.setattr("runtime.devices.available_cpus", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert cpu_threads() == expected
