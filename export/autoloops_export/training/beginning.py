"""What a run of a long model begins with: bars that short models, as installed or given, have learnt."""

from typing import Final

import numpy as np

from autoloops_engine.bundle.installed import find_bundle
from autoloops_export.data.windows import Dataset
from autoloops_export.models.loops import loops_from
from autoloops_export.models.warm import Weights, begin_with_bars
from autoloops_export.training.finetune import load_base
from autoloops_export.training.recipe import Recipe

# Windows whose bars show the principal directions of what bars are encoded in.
SHOWN: Final = 512


def beginning_of(recipe: Recipe, dataset: Dataset) -> Weights | None:
    """The weights that a run begins with; None: random ones.

    Raises:
        BundleError: a bundle that the recipe names is missing or damaged.
        ModelError: a bundle's model does not fit the recipe.
    """
    if not recipe.run.begin_from:
        return None
    flat = {part: load_base(find_bundle(bundle)).weights for part, bundle in recipe.run.begin_from.items()}
    train = dataset.splits["train"]
    shown = np.unique(np.linspace(0, len(train) - 1, SHOWN).astype(np.int64))
    return begin_with_bars(recipe.model, flat, loops_from(train, shown))
