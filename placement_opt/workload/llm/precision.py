"""In how many bits weights and KV are stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """Bits of one weight and of one number of KV. Scales and zero points of quantised numbers are not counted."""

    weight_bits: int
    kv_bits: int

    def weight_bytes(self, parameters: int) -> int:
        """Bytes of so many parameters, rounded up."""
        return -(-parameters * self.weight_bits // 8)

    def kv_bytes(self, numbers: int) -> int:
        """Bytes of so many numbers of KV, rounded up."""
        return -(-numbers * self.kv_bits // 8)


#: wXaY: weights of X bits, activations of Y; KV is stored as activations are.
PRECISIONS = {
    "fp16": Precision(16, 16),
    "fp8": Precision(8, 8),
    "int8": Precision(8, 8),
    "w8a8": Precision(8, 8),
    "w8a16": Precision(8, 16),
    "w4a16": Precision(4, 16),
}
#: Two bytes a number, whether fp16 or bf16: what a preset has where nothing is said.
PUBLISHED = PRECISIONS["fp16"]
