"""equinet: the exact symmetry group of an architecture, declared, composed and measured."""

from equinet.domain import Axis as Axis
from equinet.domain import Domain as Domain
from equinet.domain import bounded as bounded
from equinet.domain import box as box
from equinet.domain import infinite as infinite
from equinet.domain import periodic as periodic
from equinet.domain import plane as plane
from equinet.domain import torus as torus
from equinet.groups import Isometry as Isometry
from equinet.groups import Lattice as Lattice
from equinet.groups import SpaceGroup as SpaceGroup
