"""What each primitive does to symmetry: a file for each family, whose last lines are its rows of the table."""

from equinet.infer.rules import (
    calls as calls,
)
from equinet.infer.rules import (
    concatenation as concatenation,
)
from equinet.infer.rules import (
    control as control,
)
from equinet.infer.rules import (
    devices as devices,
)
from equinet.infer.rules import (
    elementwise as elementwise,
)
from equinet.infer.rules import (
    fourier as fourier,
)
from equinet.infer.rules import (
    indexing as indexing,
)
from equinet.infer.rules import (
    movement as movement,
)
from equinet.infer.rules import (
    products as products,
)
from equinet.infer.rules import (
    reductions as reductions,
)
from equinet.infer.rules import (
    windows as windows,
)
