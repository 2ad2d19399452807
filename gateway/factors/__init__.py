"""The factors: what a person proves. A new one is a file here and a line below."""

from gateway.factors.code import Code, CodeOptions

__all__ = ["Code", "CodeOptions"]
