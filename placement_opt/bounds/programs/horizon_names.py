"""Names of the horizon program's columns and rows, those of the algebraic statement: for files that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placement_opt.bounds.programs.horizon import HorizonProgram


def column_names(program: HorizonProgram) -> list[str]:
    """Names for export: x[block,tier,first state], p[block,tier,step], z[block,from,to,step], y[...], tau[step]."""
    inst, classes, events = program.instance, program.classes, program.events
    tier = inst.memory.tier_names
    names = [f"tau[{t}]" for t in range(inst.num_steps)]
    names += [f"inventory[{tier[k]},{t}]" for k in program.tiers for t in range(inst.num_steps + 1)]
    if program.aggregated:
        names += [f"y[all,{tier[program.tiers[0]]},{t}]" for t in range(inst.num_steps)]
    block, owner = classes.block, program.segment_owner
    opens = program.opens.tolist()
    names += [f"x[{block[owner[s]]},{tier[k]},{opens[s]}]" for k in program.tiers for s in range(program.segments)]
    at = [int(block[g]) for g in events.owner]
    names += [f"p[{at[m]},{tier[k]},{events.step[m]}]" for k in program.tiers for m in program.stores]
    names += [f"z[{at[m]},{tier[j]},{tier[k]},{events.step[m]}]" for j, k, which in program.copies for m in which]
    if program.split:
        reads = range(len(classes.step))
        names += [f"y[{block[program.read_owner[n]]},{tier[k]},{classes.step[n]}]" for k in program.tiers for n in reads]
    if program.each:
        operations = inst.memory.operations
        ways = [*tier, *(operations.names[row] for row in operations.serving[inst.num_tiers :].tolist())]
        reads = range(len(classes.step))
        names += [f"y[{block[program.read_owner[n]]},{way},{classes.step[n]}]" for way in ways for n in reads]
    if program.anywhere:
        names += [f"held[{block[owner[s]]},{opens[s]}]" for s in range(program.segments)]
    names += [f"meter[{inst.memory.meters.names[meter]}]" for meter in inst.used_meters]
    return names + ["excess"] * program.budgets.elastic


def row_names(program: HorizonProgram) -> list[str]:
    """Names for export, equal to the constraint names of the algebraic statement."""
    inst, classes, events = program.instance, program.classes, program.events
    tier, resource, block = inst.memory.tier_names, inst.memory.resources, classes.block
    at = [int(block[g]) for g in events.owner]
    reads = [(int(block[g]), int(t)) for g, t in zip(program.read_owner, classes.step, strict=True)]
    copies = {(j, k): which for j, k, which in program.copies}
    names: list[str] = []
    for name, index in program.row_names:
        if name == "rate":
            names += [f"rate[{resource[r]},{t}]" for t in range(inst.num_steps) for r in range(inst.num_resources)]
        elif name == "capacity":
            names += [f"capacity[{tier[index]},{t}]" for t in range(inst.num_steps + 1)]
        elif name == "keep":
            names += [f"keep[{b},{tier[index]},{t}]" for b, t in zip(at, events.step.tolist(), strict=True)]
        elif name == "source":
            j, k = index
            names += [f"source[{at[m]},{tier[j]},{tier[k]},{events.step[m]}]" for m in copies[j, k]]
        elif name == "passing":
            names += [f"passing[{at[m]},{tier[index]},{events.step[m]}]" for m in program.stores.tolist()]
        elif name == "meter":
            names += [f"meter[{inst.memory.meters.names[meter]}]" for meter in inst.used_meters]
        elif name == "budget":
            names += [f"budget[{budget.name}]" for budget in inst.budgets]
        elif name == "alive":
            names += [f"alive[{block[g]},{t}]" for g, t in zip(program.segment_owner, program.opens.tolist(), strict=True)]
        elif name == "somewhere":
            opens = zip(program.segment_owner, program.opens.tolist(), strict=True)
            names += [f"somewhere[{block[g]},{tier[index]},{t}]" for g, t in opens]
        elif name == "together":
            names += [f"together[{block[g]},{t}]" for g, t in zip(program.segment_owner, program.opens.tolist(), strict=True)]
        elif name == "gained":
            names += [f"gained[{b},{t}]" for b, t in zip(at, events.step.tolist(), strict=True)]
        elif name == "within":
            names += [f"within[{b},{t}]" for b, t in reads]
        elif program.aggregated:
            where = "" if name == "served" else f"{tier[index]},"
            names += [f"{name}[all,{where}{t}]" for t in range(inst.num_steps)]
        elif name == "served":
            names += [f"served[{b},{t}]" for b, t in reads]
        else:
            names += [f"resident[{b},{tier[index]},{t}]" for b, t in reads]
    return names
