"""What is asked by many at once is asked once; what fails is asked anew."""

import asyncio

import pytest

from core.foundation.remembered import Asked


async def test_all_who_ask_at_once_share_an_answer() -> None:
    asked: Asked[str, int] = Asked()
    answers = iter(range(1, 10))
    goes_on = asyncio.Event()

    async def question() -> int:
        await goes_on.wait()
        return next(answers)

    waiting = [asyncio.create_task(asked.ask("one", question)) for _ in range(50)]
    other = asyncio.create_task(asked.ask("another", question))
    await asyncio.sleep(0)
    waiting[0].cancel()  # the first of them goes away, and takes nobody's answer with it
    await asyncio.sleep(0)
    goes_on.set()

    assert await asyncio.gather(*waiting[1:]) == [1] * 49
    assert await other == 2
    assert await asked.ask("one", question) == 3


async def test_a_failure_is_everybodys_who_waited_and_is_not_kept() -> None:
    asked: Asked[str, int] = Asked()
    fails = True

    async def question() -> int:
        await asyncio.sleep(0)
        if fails:
            raise LookupError("nobody knows")
        return 1

    answers = await asyncio.gather(*(asked.ask("one", question) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LookupError] * 3
    fails = False
    assert await asked.ask("one", question) == 1

    fails = True
    gone = asyncio.create_task(asked.ask("one", question))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.sleep(0.01)  # the failure that nobody waits for is no unhandled one
