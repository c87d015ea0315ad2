"""Semirings, a file per family. Each knows nothing of primitives or graphs."""

from semigrad.semirings.base import Semiring
from semigrad.semirings.entropy import Entropy, PathEntropy
from semigrad.semirings.laws import LawError, check_laws
from semigrad.semirings.log_space import Count, LogSumProduct
from semigrad.semirings.max_product import AbsMaxProduct, Extremes, MaxProduct
from semigrad.semirings.product import Product
from semigrad.semirings.signed import Signed, SignedMass
from semigrad.semirings.sum_product import SumProduct
from semigrad.semirings.top_k import TopK, TopPaths

__all__ = [
    "AbsMaxProduct",
    "Count",
    "Entropy",
    "Extremes",
    "LawError",
    "LogSumProduct",
    "MaxProduct",
    "PathEntropy",
    "Product",
    "Semiring",
    "Signed",
    "SignedMass",
    "SumProduct",
    "TopK",
    "TopPaths",
    "check_laws",
]
