"""What arrays are called in annotations: by their dtype, whatever their shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Of any dtype, or of one that depends on the input.
Array = npt.NDArray[Any]
#: Of any integer dtype, such as numbers of blocks or steps.
Ints = npt.NDArray[np.integer[Any]]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
#: Yes or no.
Flags = npt.NDArray[np.bool_]
