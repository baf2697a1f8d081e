"""Exact groups of isometries: integers and fractions only, no array library but numpy."""

from equinet.groups.isometry import Isometry as Isometry
from equinet.groups.isometry import Matrix as Matrix
from equinet.groups.isometry import Shift as Shift
from equinet.groups.isometry import Vector as Vector
from equinet.groups.isometry import axis_images as axis_images
from equinet.groups.isometry import identity_matrix as identity_matrix
from equinet.groups.isometry import inverse_matrix as inverse_matrix
from equinet.groups.isometry import matmul as matmul
from equinet.groups.isometry import matrix_of as matrix_of
from equinet.groups.isometry import matvec as matvec
from equinet.groups.isometry import restriction as restriction
from equinet.groups.isometry import signed_permutations as signed_permutations
from equinet.groups.lattice import Lattice as Lattice
from equinet.groups.real_group import RealGroup as RealGroup
from equinet.groups.space_group import SpaceGroup as SpaceGroup
from equinet.groups.symbols.point import parse_point_group as parse_point_group
from equinet.groups.symbols.point import point_group_symbol as point_group_symbol
from equinet.groups.symbols.text import parse_isometry as parse_isometry
