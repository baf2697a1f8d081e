"""Measurement: group elements swept through a function, independent of what any layer declares."""

from equinet.verify.act import act as act
from equinet.verify.discover import Discovered as Discovered
from equinet.verify.discover import discover as discover
from equinet.verify.real_discover import DiscoveredShifts as DiscoveredShifts
from equinet.verify.real_discover import discover_shifts as discover_shifts
from equinet.verify.real_shifts import RealReport as RealReport
from equinet.verify.real_shifts import verify_shifts as verify_shifts
from equinet.verify.report import Report as Report
from equinet.verify.sweep import MODES as MODES
from equinet.verify.sweep import assert_equivariant as assert_equivariant
from equinet.verify.sweep import verify as verify
