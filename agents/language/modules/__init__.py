"""The language-model half of each agent: a DSPy module that proposes or explains, and never decides.

Each signature says in its docstring what its agent may and may not do. What comes back is typed, bounded and turned
into plans by code (`agents/proposals.py`), or shown as the model's words.
"""
