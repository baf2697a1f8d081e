"""Fibres: how a point operation moves the channels at a node."""

from __future__ import annotations

from dataclasses import dataclass

from equinet.groups import Matrix, axis_images, matmul
from equinet.groups.isometry import is_signed_permutation


@dataclass(frozen=True)
class Fibre:
    """A representation ρ of point operations on channels, by signed permutations: `(g·x)[g p] = ρ(A) x[p]`.

    Ordinary channels carry the trivial one, ρ = 1, which has no images listed.

    Args:
        size: number of channels.
        images: pairs `(A, ρ(A))` with ρ(A) a signed permutation matrix of that size; empty for the trivial fibre.

    Raises:
        ValueError: if some ρ(A) is no signed permutation of that size, or ρ is no homomorphism.

    >>> Fibre(3).is_trivial, Fibre(3)(((-1,),))
    (True, ((0, 1), (1, 1), (2, 1)))
    >>> odd = Fibre(1, ((((1,),), ((1,),)), (((-1,),), ((-1,),))))
    >>> odd(((-1,),))
    ((0, -1),)
    """

    size: int
    images: tuple[tuple[Matrix, Matrix], ...] = ()

    def __post_init__(self) -> None:
        listed = dict(self.images)
        for matrix, image in self.images:
            if len(image) != self.size or not is_signed_permutation(image):
                raise ValueError(f"a fibre of {self.size} channels needs signed permutations of that size; got {image}")
            for other, second in self.images:
                if listed.get(matmul(matrix, other)) != matmul(image, second):
                    raise ValueError(f"the fibre is no representation: ρ fails on the product of {matrix} and {other}")

    @property
    def is_trivial(self) -> bool:
        """Whether no point operation moves a channel."""
        return not self.images

    def __call__(self, matrix: Matrix) -> tuple[tuple[int, int], ...]:
        """For each channel, the channel and sign it is sent to.

        Raises:
            ValueError: if the representation does not reach this operation.
        """
        if self.is_trivial:
            return tuple((channel, 1) for channel in range(self.size))
        image = dict(self.images).get(matrix)
        if image is None:
            raise ValueError(f"the fibre is a representation of {[a for a, _ in self.images]}; got {matrix}")
        return axis_images(image)
