"""Find what is slow: functions and blocks timed while they run, then a report of what stands out.

python examples/profile_orders.py
"""

import asyncio
from pathlib import Path

from tamis import PerformanceProfiler
from tamis.telemetry.profiler import ProfilerLimits

profiler = PerformanceProfiler(ProfilerLimits(function_mean_s=0.01))


@profiler.profile_function
def price_of(article: int) -> int:
    return sum(range(article * 100))


@profiler.profile_function("stock of the warehouse")
async def stock_of(article: int) -> int:
    await asyncio.sleep(0.02)
    return article % 3


@profiler.profile_function(memory=True)
def invoice(lines: int) -> str:
    return "\n".join(f"{line}: {price_of(line)}" for line in range(lines))


async def order(article: int) -> None:
    with profiler.profile_block("order"):
        if await stock_of(article):
            price_of(article)


async def main() -> None:
    await asyncio.gather(*(order(article) for article in range(20)))
    invoice(60)


asyncio.run(main())
report = profiler.get_performance_report()
for name in report.top["own_s"]:
    figures = report.function(name)
    print(f"{name}: {figures.calls} calls, {figures.own_s:.3f} s of its own, p95 {figures.p95_s:.3f} s")
for one in report.recommendations:
    print(one.text)
Path("orders.speedscope.json").write_text(profiler.export_metrics("speedscope"), encoding="utf-8")
