"""What is done to images: moved around a torus, cropped from a larger image, turned by any angle, magnified.

Each is a family with parameters: shifts in nodes, degrees, factors. Its members are listed, or come from a range: whole
numbers, all of which can be tried, or real ones, of which some are drawn.
"""

from equinet.degree.transforms.about_centre import Rotation as Rotation
from equinet.degree.transforms.about_centre import Scale as Scale
from equinet.degree.transforms.family import INTERPOLATIONS as INTERPOLATIONS
from equinet.degree.transforms.family import Transform as Transform
from equinet.degree.transforms.family import labels_of as labels_of
from equinet.degree.transforms.shifts import Circular as Circular
from equinet.degree.transforms.shifts import Crop as Crop
