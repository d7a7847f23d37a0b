"""Whatever a Lease says, an operator leads in bounded time, and never beside one that renews."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.adapters.kubernetes.lease_record import HIGHEST, LONGEST, read_lease
from modelrollout.adapters.routers.lowering import is_newer
from modelrollout.ports import Unreachable
from modelrollout.runtime.lease import MOST_RISES, Lease
from tests.unit.runtime.borders.elections import Leases, Time

OURS = 15.0
TEXTS = st.text(max_size=20) | st.sampled_from(["\x1b[2J\u202e", "x" * 2**20, "9999-12-31T23:59:59Z", "-1"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, HIGHEST - 1, HIGHEST, 2**31, 10**400])
ANYTHING: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | TEXTS | NUMBERS | st.lists(TEXTS, max_size=2) | st.just({})
)
FIELDS = ("holderIdentity", "leaseDurationSeconds", "leaseTransitions", "renewTime", "acquireTime", "strategy")
SPECS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING)
FINALIZERS = st.sampled_from([{}, {"finalizers": ["somebody/else"]}])


async def leads(lease: Lease, time: Time) -> float:
    """Seconds until it does, from now."""
    began, taking = time.now, asyncio.create_task(lease.acquire())
    while not taking.done():
        assert time.now - began < 10 * LONGEST, "nobody leads"
        await time.step()
    await taking
    return time.now - began


@given(spec=SPECS | ANYTHING, meta=FINALIZERS)
def test_an_operator_leads_in_bounded_time_with_a_newer_epoch(spec: Any, meta: dict[str, Any]) -> None:
    async def story() -> None:
        leases = Leases(time)
        leases.put(spec, **meta)
        before = read_lease(leases.stored)
        first, second = leases.contender("a", OURS), leases.contender("b", OURS)
        assert await leads(first, time) <= max(before.duration, OURS) + OURS / 3
        assert leases.stored["spec"]["holderIdentity"] == "a"
        assert "strategy" not in leases.stored["spec"]
        assert is_newer(first.epoch, f"{before.created}.{before.transitions or 0}-x")
        await first.release()
        waited = await leads(second, time)
        assert waited == (0 if (before.transitions or 0) < HIGHEST - 1 else waited)
        assert waited <= OURS + OURS / 3
        assert is_newer(second.epoch, first.epoch)

    time = Time()
    time.run(story())


@pytest.mark.parametrize("said", [301, 10**9, HIGHEST, 2**40, -5, 0, None])
def test_a_duration_that_no_operator_asks_for_is_taken_for_ours(said: int | None) -> None:
    async def story() -> None:
        leases = Leases(time)
        leases.put({"holderIdentity": "x", "leaseDurationSeconds": said, "leaseTransitions": 4})
        assert OURS <= await leads(leases.contender("a", OURS), time) <= OURS + OURS / 3

    time = Time()
    time.run(story())


def test_a_lease_that_others_label_all_the_time_still_runs_out() -> None:
    async def story() -> None:
        leases = Leases(time)
        leases.put({"holderIdentity": "x", "leaseDurationSeconds": 15, "leaseTransitions": 4})
        taking = asyncio.create_task(leases.contender("a", OURS).acquire())
        while not taking.done():
            assert time.now < 3 * OURS, "nobody leads"
            leases.touch()
            await time.step()

    time = Time()
    time.run(story())


@given(theirs=st.floats(6, LONGEST), ours=st.floats(6, LONGEST))
def test_one_that_renews_is_never_deposed_whatever_the_durations(theirs: float, ours: float) -> None:
    async def story() -> None:
        leases = Leases(time)
        real, other = leases.contender("real", theirs), leases.contender("other", ours)
        await leads(real, time)
        lost: list[str] = []
        tasks = [asyncio.create_task(real.keep(lost.append)), asyncio.create_task(other.acquire())]
        while time.now < 5 * max(theirs, ours):
            await time.step()
            assert (real.held(), other.held(), lost) == (True, False, [])
        for task in tasks:
            task.cancel()

    time = Time()
    time.run(story())


def is_a_handover(spec: dict[str, Any]) -> bool:
    """What a leader writes when it leaves; who writes that in its place takes the Lease from it at once."""
    return not spec.get("holderIdentity", "x") and spec.get("leaseDurationSeconds") == 1


@pytest.mark.slow
@given(spec=SPECS.filter(lambda spec: not is_a_handover(spec)), at=st.integers(1, 12))
def test_a_reign_that_is_tampered_with_ends_or_goes_on_alone(spec: dict[str, Any], at: int) -> None:
    async def story() -> None:
        leases = Leases(time)
        leases.put({"holderIdentity": "", "leaseTransitions": 6})
        every = [leases.contender(name, OURS) for name in "abc"]
        await leads(every[0], time)
        lost: list[str] = []
        epoch, tasks = every[0].epoch, list[asyncio.Task[Any]]()
        tasks += [asyncio.create_task(each.acquire()) for each in every[1:]]
        tasks.append(asyncio.create_task(every[0].keep(lost.append)))
        end = 2 * LONGEST
        for number in itertools.count():
            if number == at:
                leases.change(**spec)
            await time.step()
            assert sum(each.held() for each in every) <= 1, "two leaders"
            if time.now > end or (number > at and any(each.held() for each in every[1:])):
                break
        assert any(each.held() for each in every), "nobody leads"
        assert all(len(sentence) < 300 and sentence.isprintable() for sentence in lost)
        if every[0].held():
            assert (every[0].epoch, lost) == (epoch, [])
        for task in tasks:
            task.cancel()

    time = Time()
    time.run(story())


async def renewed(time: Time, keeping: asyncio.Task[None], seconds: float = OURS) -> None:
    """Time passes, or the Lease is lost."""
    end = time.now + seconds
    while time.now < end and not keeping.done():
        await time.step()


@given(before=st.integers(2, HIGHEST - 2), lowered=st.integers(0, HIGHEST - 2) | ANYTHING)
def test_a_count_that_was_lowered_while_nobody_led_is_corrected_by_who_meets_a_newer_epoch(before: int, lowered: Any):
    async def story() -> None:
        leases = Leases(time)
        leases.put({"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": before})
        first, second = leases.contender("a"), leases.contender("b")
        await leads(first, time)
        on_a_route = first.epoch
        await first.release()
        leases.change(leaseTransitions=lowered)
        await leads(second, time)
        lost: list[str] = []
        keeping = asyncio.create_task(second.keep(lost.append))
        if not is_newer(second.epoch, on_a_route):
            second.met(on_a_route)
            assert not is_newer(second.epoch, on_a_route), "not before the Lease has proven to be ours still"
        await renewed(time, keeping)
        assert is_newer(second.epoch, on_a_route)
        assert (second.held(), lost) == (True, [])
        keeping.cancel()

    time = Time()
    time.run(story())


@pytest.mark.parametrize("there", [True, False], ids=["still there", "gone"])
def test_who_was_deposed_and_meets_the_new_leaders_epoch_rises_above_nobody(there: bool) -> None:
    async def story() -> None:
        leases = Leases(time)
        old, new = leases.contender("old"), leases.contender("new")
        await leads(old, time)
        epoch = old.epoch
        assert await new.seize()
        old.met(new.epoch)
        lost: list[str] = []
        keeping = asyncio.create_task(old.keep(lost.append))
        if not there:
            await new.release()
        await renewed(time, keeping)
        assert len(lost) == 1
        assert old.epoch == epoch
        assert leases.stored["spec"]["leaseTransitions"] == 1
        assert is_newer(new.epoch, old.epoch)
        await keeping

    time = Time()
    time.run(story())


@pytest.mark.parametrize("forged", [f"1000000000.{HIGHEST}-x", "1000000000.9999999999-x", "999999999999.5-x", "x", ""])
def test_an_epoch_that_no_tenure_of_this_lease_can_have_changes_nothing(forged: str) -> None:
    async def story() -> None:
        leases = Leases(time)
        lease = leases.contender("a")
        await leads(lease, time)
        epoch = lease.epoch
        keeping = asyncio.create_task(lease.keep(lambda _why: None))
        lease.met(forged)
        await renewed(time, keeping)
        assert lease.held()
        assert lease.epoch == epoch
        keeping.cancel()

    time = Time()
    time.run(story())


def test_whoever_forges_epochs_all_the_time_has_every_route_marked_anew_a_few_times_only() -> None:
    async def story() -> None:
        leases = Leases(time)
        lease = leases.contender("a")
        await leads(lease, time)
        keeping = asyncio.create_task(lease.keep(lambda _why: None))
        epochs = {lease.epoch}
        for number in range(1, 40):
            lease.met(f"1000000000.{number * 1000}-x")
            await renewed(time, keeping, 6)
            epochs.add(lease.epoch)
        assert len(epochs) == 1 + MOST_RISES
        assert lease.held()
        keeping.cancel()

    time = Time()
    time.run(story())


def test_a_correction_whose_answer_is_lost_is_ours_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        leases = Leases(time)
        lease = leases.contender("a")
        await leads(lease, time)
        lease.met("1000000000.7-x")
        patch = leases.patch

        async def lost_answer(*given: Any, **options: Any) -> dict[str, Any]:
            await patch(*given, **options)
            monkeypatch.setattr(leases, "patch", patch)
            raise Unreachable("ApiTimeout", "no answer")

        monkeypatch.setattr(leases, "patch", lost_answer)
        lost: list[str] = []
        keeping = asyncio.create_task(lease.keep(lost.append))
        await renewed(time, keeping)
        assert lost == []
        assert lease.epoch == "1000000000.8-a"
        keeping.cancel()

    time = Time()
    time.run(story())


@pytest.mark.parametrize("found", [{}, {"metadata": []}, {"metadata": {"uid": "u", "name": "x"}}])
def test_what_is_no_lease_is_a_typed_failure(found: dict[str, Any]) -> None:
    with pytest.raises(Unreachable, match="no Lease"):
        read_lease(found)


def test_a_lease_that_lasts_longer_than_others_believe_is_refused() -> None:
    with pytest.raises(ValueError, match="duration: 301 s; choose at most 300 s"):
        Leases(Time()).contender("a", 301.0)
