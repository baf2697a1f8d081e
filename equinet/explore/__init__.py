"""An interactive page about a network: what its controls say, the answer, the cheapest repair, a measurement.

The functions know nothing of the page. `equinet.explore.server` shows it to a browser on this machine; the front page
of the documentation shows the same page with a table of answers in place of the server.
"""

from equinet.explore.answer import Network as Network
from equinet.explore.answer import answer as answer
from equinet.explore.answer import built_in as built_in
from equinet.explore.answer import facts as facts
from equinet.explore.repair import cheapest as cheapest
from equinet.explore.setting import Setting as Setting
