"""Published architectures in plain Flax and JAX, to be asked for their symmetry as they are.

Nothing here uses a layer of equinet. `GALLERY` holds every model by name. Flax has to be there: the extra `interop`.
"""

from experiments.gallery import attention, branches, dense, fields, images, limits, modern, plain, resnet
from experiments.gallery.entry import Entry

FAMILIES = (plain, resnet, branches, modern, attention, dense, images, fields, limits)
GALLERY: dict[str, Entry] = {name: entry for family in FAMILIES for name, entry in family.ENTRIES.items()}
"""Every model by its name."""
