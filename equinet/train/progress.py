"""Progress bars with a speed and the time left."""

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from equinet.markup import can_draw_bars


class _PerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} images/s")


def progress_bar(shown: bool) -> Progress:
    """A bar for training, counted in examples; its tasks have a field `loss`."""
    return Progress(
        TextColumn("{task.description}", markup=False),  # a name may hold brackets
        BarColumn(),
        _PerSecond(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
        disable=not (shown and can_draw_bars()),
    )
