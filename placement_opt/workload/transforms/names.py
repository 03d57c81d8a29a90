"""The transforms by name, one a file; a module is imported when its transform is first asked for."""

from __future__ import annotations

from collections.abc import Mapping

from placement_opt.base.registry import Registry
from placement_opt.workload.transforms.made import Transform

_PLACES = {name: f"{name.replace('-', '_')}:TRANSFORM" for name in ("page", "cluster", "merge-runs", "slots", "segments")}
_PLACES |= {name: f"{name}:TRANSFORM" for name in ("allocate", "bytes", "scale", "sample", "slice", "split", "concat", "merge")}

#: Name -> :class:`Transform`.
TRANSFORMS: Mapping[str, Transform] = Registry("placement_opt.workload.transforms", _PLACES)
