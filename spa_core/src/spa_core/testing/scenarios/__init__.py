"""The scenarios of the conformance suite, one file a group; each method is one claim, stated by its docstring."""
