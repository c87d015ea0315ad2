"""Semiring backpropagation as a JAX function transformation."""

from semigrad import rules as _rules
from semigrad.api import backprop, branches, intermediates, nodes, value_and_backprop
from semigrad.names import Node, NodeTable
from semigrad.paths import Path, Step, top_path
from semigrad.registry import Coverage, Site, coverage, register_rule
from semigrad.rules.jacobian import local_jacobian
from semigrad.semirings import (
    AbsMaxProduct,
    Count,
    Entropy,
    Extremes,
    LawError,
    LogSumProduct,
    MaxProduct,
    PathEntropy,
    Product,
    Semiring,
    Signed,
    SignedMass,
    SumProduct,
    TopK,
    TopPaths,
    check_laws,
)

del _rules
__version__ = "0.1.0"

__all__ = [
    "AbsMaxProduct",
    "Count",
    "Coverage",
    "Entropy",
    "Extremes",
    "LawError",
    "LogSumProduct",
    "MaxProduct",
    "Node",
    "NodeTable",
    "Path",
    "PathEntropy",
    "Product",
    "Semiring",
    "Signed",
    "SignedMass",
    "Site",
    "Step",
    "SumProduct",
    "TopK",
    "TopPaths",
    "backprop",
    "branches",
    "check_laws",
    "coverage",
    "intermediates",
    "local_jacobian",
    "nodes",
    "register_rule",
    "top_path",
    "value_and_backprop",
]
