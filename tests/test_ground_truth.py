"""Known answers: strides, pools, paddings and readouts, each also wrong under a wrong claim."""

import pytest

import equinet as eq

CONV = eq.Conv(4, 3, padding="circular")
ZERO = eq.Conv(4, 3, padding="zero")


def translations(*steps):
    return eq.Lattice.diagonal(steps)


def shift(*t):
    return eq.Isometry.translation(t)


def test_a_circular_convolution_keeps_all_shifts_and_no_point_operation():
    cert = eq.certify(CONV, eq.torus(8, 8), channels=1)
    assert cert.strict.translations == translations(1, 1)
    assert len(cert.strict.point_group) == 1
    assert cert.action(shift(3, 5)) == shift(3, 5)


def test_max_pooling_by_two_keeps_even_shifts_and_halves_them():
    cert = eq.certify(eq.Sequential(CONV, eq.MaxPool(2)), eq.torus(8, 8), channels=1)
    assert cert.strict.translations == translations(2, 2)
    assert cert.strict.index == 4
    assert cert.action(shift(4, 6)) == shift(2, 3)
    assert shift(1, 0) not in cert.strict
    with pytest.raises(ValueError, match="is not in"):
        cert.action(shift(1, 0))


def test_an_odd_size_loses_every_shift_to_a_stride():
    for net in (eq.Sequential(CONV, eq.MaxPool(2)), eq.Conv(4, 3, stride=2, padding="circular")):
        assert eq.certify(net, eq.torus(9, 9), channels=1).strict.is_trivial


def test_zero_padding_loses_the_torus_but_not_the_plane():
    assert eq.certify(ZERO, eq.torus(8, 8), channels=1).strict.is_trivial
    assert eq.certify(ZERO, eq.plane(2), channels=1).strict.translations == translations(1, 1)


@pytest.mark.parametrize("n", range(3, 14))
def test_overlapping_max_pooling_keeps_the_square_at_odd_sizes_only(n):
    strict = eq.certify(eq.MaxPool(3, stride=2, padding=((1, 1), (1, 1))), eq.box(n, n), channels=1).strict
    if n % 2:
        assert strict == eq.box(n, n).group and strict.order == 8
    else:
        assert strict.order == 2
        assert eq.Isometry(((0, 1), (1, 0)), (0, 0)) in strict


@pytest.mark.parametrize(
    "before",
    [eq.Sequential(CONV, eq.Relu()), eq.Sequential(CONV, eq.Relu(), eq.MaxPool(2)), eq.Sequential(ZERO, eq.Relu())],
)
def test_global_average_pooling_turns_equivariance_into_invariance(before):
    domain = eq.torus(8, 8)
    cert = eq.certify(eq.Sequential(before, eq.GlobalAvgPool()), domain, channels=1)
    assert cert.invariance == cert.strict == eq.certify(before, domain, channels=1).strict


def test_global_pooling_on_a_box_keeps_what_the_pooling_kept():
    pool = eq.MaxPool(3, stride=2, padding=((1, 1), (1, 1)))
    for n in (7, 8):
        cert = eq.certify(eq.Sequential(pool, eq.Gelu(), eq.GlobalAvgPool()), eq.box(n, n), channels=1)
        assert cert.invariance == eq.certify(pool, eq.box(n, n), channels=1).strict


def test_reductions_of_one_kind_compose():
    domain = eq.torus(8, 8)
    for local, whole in ((eq.MaxPool(2), eq.GlobalMaxPool()), (eq.AvgPool(2), eq.GlobalAvgPool())):
        assert eq.certify(eq.Sequential(local, whole), domain, channels=1).invariance == domain.group
    mixed = eq.certify(eq.Sequential(eq.MaxPool(2), eq.GlobalAvgPool()), domain, channels=1)
    assert mixed.invariance.translations == translations(2, 2)


def test_a_convolution_averaged_without_a_nonlinearity_between_forgets_its_kernel():
    """The mean of a circular convolution is the kernel's sum times the mean: invariant under everything."""
    domain = eq.torus(6, 6)
    assert eq.certify(eq.Sequential(CONV, eq.GlobalAvgPool()), domain, channels=1).invariance == domain.group
    with_relu = eq.certify(eq.Sequential(CONV, eq.Relu(), eq.GlobalAvgPool()), domain, channels=1)
    assert len(with_relu.invariance.point_group) == 1


def test_flattening_keeps_the_kernel_of_the_action():
    domain = eq.torus(8, 8)
    cert = eq.certify(eq.Sequential(CONV, eq.Relu(), eq.MaxPool(2), eq.Flatten(), eq.Dense(3)), domain, channels=1)
    assert cert.invariance == eq.certify(eq.Sequential(CONV, eq.Relu(), eq.MaxPool(2)), domain, channels=1).invariance
    assert cert.invariance.is_trivial
    pooled = eq.Sequential(CONV, eq.Relu(), eq.AvgPool(4), eq.Relu(), eq.AvgPool(2), eq.Flatten())
    assert eq.certify(pooled, domain, channels=1).invariance.translations == translations(4, 4)


def test_down_then_up_keeps_even_shifts_as_they_are():
    cert = eq.certify(eq.Sequential(CONV, eq.MaxPool(2), eq.Upsample(2)), eq.torus(8, 8), channels=1)
    assert cert.strict.translations == translations(2, 2)
    assert cert.action(shift(2, 4)) == shift(2, 4)


def test_up_then_down_keeps_everything():
    cert = eq.certify(eq.Sequential(eq.Upsample(2), eq.MaxPool(2)), eq.torus(6, 6), channels=1)
    assert cert.strict == eq.torus(6, 6).group
    assert cert.action(shift(1, 5)) == shift(1, 5)


def test_an_adaptive_polyphase_hourglass_is_restored_to_all_shifts():
    inner = eq.Sequential(CONV, eq.Relu())
    adaptive = eq.Hourglass(eq.PolyphasePool(2), inner, eq.PolyphaseUpsample(2))
    cert = eq.certify(eq.Sequential(CONV, eq.Relu(), adaptive), eq.torus(8, 8), channels=1)
    assert cert.strict.translations == translations(1, 1)
    assert cert.action(shift(3, 5)) == shift(3, 5)
    fixed = eq.Hourglass(eq.MaxPool(2), inner, eq.Upsample(2))
    assert eq.certify(fixed, eq.torus(8, 8), channels=1).strict.translations == translations(2, 2)


def test_the_three_truths_of_adaptive_polyphase_sampling():
    body = (CONV, eq.Relu(), eq.PolyphasePool(2))
    domain = eq.torus(8, 8)
    cert = eq.certify(eq.Sequential(*body), domain, channels=1)
    assert cert.strict.translations == translations(2, 2)
    assert cert.action(shift(4, 2)) == shift(2, 1)
    assert cert.orbit.translations == translations(1, 1)
    pooled = eq.certify(eq.Sequential(*body, eq.GlobalAvgPool()), domain, channels=1)
    assert pooled.invariance.translations == translations(1, 1)


def test_a_fixed_phase_after_an_adaptive_one_falls_back():
    domain = eq.torus(16, 16)
    stride = eq.Conv(4, 3, stride=2, padding="circular")
    start = (CONV, eq.Relu(), eq.PolyphasePool(2), CONV, eq.Relu())
    fixed = eq.certify(eq.Sequential(*start, stride, eq.Relu(), eq.GlobalAvgPool()), domain, channels=1)
    assert fixed.invariance.translations == fixed.orbit.translations == translations(4, 4)
    adaptive = eq.certify(eq.Sequential(*start, eq.PolyphasePool(2), eq.GlobalAvgPool()), domain, channels=1)
    assert adaptive.invariance.translations == translations(1, 1)


def test_a_fixed_phase_along_one_axis_costs_that_axis_only():
    net = eq.Sequential(
        CONV, eq.Relu(), eq.PolyphasePool(2), eq.Relu(), eq.Conv(4, 3, stride=(2, 1), padding="circular")
    )
    assert eq.certify(net, eq.torus(8, 8), channels=1).orbit.translations == translations(4, 1)


def test_a_mismatched_shortcut_agrees_on_shifts_and_not_on_rotations():
    pool = eq.AvgPool(2)
    branch = eq.Sequential(eq.MaxPool(3, stride=2, padding="circular"), eq.Gelu())
    assert len(eq.certify(branch, eq.torus(8, 8), channels=1).strict.point_group) == 8
    assert len(eq.certify(pool, eq.torus(8, 8), channels=1).strict.point_group) == 8
    cert = eq.certify(eq.Parallel(branch, pool), eq.torus(8, 8), channels=1)
    assert cert.strict.translations == translations(2, 2)
    assert len(cert.strict.point_group) < 8
    assert any("join" in row.index and row.lost for row in cert.ledger)


def test_the_ledger_names_the_layer_that_lost_an_element():
    net = eq.Sequential(CONV, eq.Relu(), eq.Named("stem", eq.MaxPool(2)), ZERO)
    rows = {row.index: row for row in eq.certify(net, eq.torus(8, 8), channels=1).ledger}
    assert "2Z × 2Z" in rows["stem"].lost and "multiples of 2" in rows["stem"].reason
    assert "zero padding" in rows["3"].reason
    assert not rows["1"].lost


def test_receptive_field_stride_centre_and_valid_interior():
    net = eq.Sequential(eq.Conv(4, 3), eq.Relu(), eq.MaxPool(2), eq.Conv(4, 3))
    cert = eq.certify(net, eq.box(16, 16), channels=1)
    assert cert.receptive_field == (8, 8)
    assert cert.stride == (2, 2)
    assert [float(c) for c in cert.centre] == [0.5, 0.5]
    assert cert.valid_interior == ((2, 5), (2, 5))


def test_a_cylinder_mixes_both_kinds_of_axes():
    cylinder = eq.Domain((eq.periodic(8), eq.bounded(9)))
    cert = eq.certify(eq.Sequential(eq.MaxPool(3, stride=1, padding="circular")), cylinder, channels=1)
    assert cert.strict == cylinder.group and cert.strict.order == 32
    zero = eq.certify(eq.MaxPool(3, stride=1, padding="zero"), cylinder, channels=1)
    assert zero.strict.translations == eq.Lattice.diagonal((8, 0))
    assert zero.strict.order == 4
