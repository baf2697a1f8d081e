"""Losses for good: what rules lose where a program multiplies by weights of its own, no formula regains.

Let u = W e, with an array W of independent weights that nothing else of the kind reads. Let a formula of u turn an
isometry of the input into one of its output, for all W. Then it permutes the entries of u that unknown functions are
applied to, and so, weight by weight, those of e that W meets. This is what the rule of the product asks of e. So what
is lost here is lost in every formula in which functions are applied to the entries of u before those are added up. Sums
may regain it: Σ (W e) is (Σ W)(Σ e) for a circular convolution; so may a sum of what a pool by sums lost.

Rules are as exact where two arrays are put together, of which one is such a product and the other does not depend on
its weights, or where a function tells its two operands apart: then each of them is permuted. Of sums, products and
extremes of two arrays that depend on the same weights, as neighbours do, or copies of one kernel, a formula may show
more. So it may of everything else: it is open.
"""
