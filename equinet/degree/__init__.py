"""Degree: how far a symmetry that is broken is off, on inputs of one's own."""

from equinet.degree import transforms as transforms
from equinet.degree.consistency import consistency as consistency
from equinet.degree.folding import folded_energy as folded_energy
from equinet.degree.layerwise import ErrorProfile as ErrorProfile
from equinet.degree.layerwise import ProfileRow as ProfileRow
from equinet.degree.profile import error_profile as error_profile
from equinet.degree.result import Consistency as Consistency
from equinet.degree.shares import Estimate as Estimate
from equinet.degree.shares import Share as Share
