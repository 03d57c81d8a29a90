"""Published figures beside ours: ``python -m benchmarks.reproduce NAME`` makes one table, ``all`` every one.

What others published lies in ``benchmarks/published/``; ours come from presets, traces, the table of operations, simulator and
bounds, with no formula of a table's own and nothing fitted. Results lie in ``benchmarks/reproduced/``, one file a table;
``benchmarks/REPRODUCED.md`` is made from them.
"""
