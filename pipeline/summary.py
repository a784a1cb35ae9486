"""What a person sees at the end of a run."""

from __future__ import annotations


def tell(recipe, paths, results, console, seconds):
    for r in results.values():
        for o in r.outputs.values():
            console.line(f"   {r.node} {o}")
    console.line(f"{seconds:.1f}s")
    import types

    return types.SimpleNamespace(accepted=True, text="")
