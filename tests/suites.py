"""What the fast tests take of families that the slow ones run whole, and of which kind each test is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

SAMPLED = {
    "advise/test_group_sizes.py::test_legal_sizes_are_those_measured": 2,
    "advise/test_sizes.py::test_the_rule_is_found_beyond_the_sizes_tried": 2,
    "cli/test_measure.py::test_every_transform": 3,
    "cli/test_measure.py::test_json_keeps_to_its_schema": 3,
    "degree/test_consistency.py::test_pictures_have_ink": 3,
    "experiments/test_checkpoints.py::test_copies_are_not_taken_for_states": 5,
    "experiments/test_coset.py::test_the_order_of_fixed_and_adaptive_matters": 2,
    "experiments/test_gallery.py::test_models_have_the_parameters_they_were_published_with": 14,
    "experiments/test_gallery.py::test_small_models_can_be_run": 14,
    "experiments/test_gallery.py::test_the_groups_of_small_models": 3,
    "experiments/test_gallery.py::test_what_is_inferred_of_small_models_is_measured": 3,
    "experiments/test_precision.py::test_measures_take_full_precision": 3,
    "experiments/test_stopping.py::test_an_evaluation_that_is_broken_off_is_made_up_for": 2,
    "experiments/test_train.py::test_training_learns": 2,
    "groups/test_lattice.py::test_all_pairs": 5,
    "groups/test_names.py::test_every_group_of_a_cube_parses_back": 2,
    "groups/test_point_groups.py::test_plane_groups_of_every_torus_subgroup": 2,
    "groups/test_relation.py::test_composition_of_every_two": 2,
    "groups/test_relation.py::test_restriction_to_every_subgroup": 3,
    "groups/test_relation.py::test_the_parts_of_every_relation": 2,
    "groups/test_space_group.py::test_conjugation": 3,
    "groups/test_space_group.py::test_every_subgroup_is_what_its_elements_say": 3,
    "groups/test_space_group.py::test_generators_generate_and_none_is_the_identity": 3,
    "groups/test_space_group.py::test_meet_join_and_inclusion_of_all_pairs": 2,
    "groups/test_space_group.py::test_subgroups_differ_iff_their_groups_differ": 3,
    "groups/test_space_group.py::test_text_parses_back": 3,
    "infer/test_aimed.py::test_a_claim_is_for_all_parameters": 2,
    "infer/test_aimed.py::test_no_claim_is_refuted": 3,
    "infer/test_aimed.py::test_on_the_plane_no_claim_is_refuted": 2,
    "infer/test_bands.py::test_aimed_attacks": 2,
    "infer/test_bands.py::test_what_is_known_to_be_kept_is_inferred": 2,
    "infer/test_cases_table.py::test_inferred_equals_declared": 5,
    "infer/test_choices.py::test_choices_that_stay_apart_keep_every_shift": 2,
    "infer/test_choices.py::test_what_mixes_choices_keeps_no_change_of_them": 2,
    "infer/test_idioms.py::test_the_group_is_what_brute_force_finds": 4,
    "infer/test_known_answers.py::test_functions_of_one_example": 2,
    "infer/test_known_answers.py::test_transformations_change_nothing": 3,
    "infer/test_known_truth.py::test_the_group_is_what_brute_force_finds": 2,
    "infer/test_oracle.py::test_certificates_of_layers_are_what_brute_force_finds": 4,
    "infer/test_primitives.py::test_a_line_of_six": 3,
    "infer/test_primitives.py::test_each_step_alone": 5,
    "infer/test_programs.py::test_programs_run_and_are_what_their_seed_says": 3,
    "infer/test_random_programs.py::test_random_programs": 8,
    "infer/test_random_programs.py::test_random_programs_on_the_plane": 4,
    "infer/test_rules.py::test_inside_its_condition_a_rule_claims_what_holds": 2,
    "infer/test_rules.py::test_outside_its_condition_a_rule_claims_nothing_and_would_be_refuted": 2,
    "interop/test_to_flax.py::test_every_layer_is_the_same_program": 3,
    "layers/test_choice.py::test_the_choice_commutes_with_every_isometry_where_a_rule_exists": 3,
    "layers/test_exhaustive.py::test_windows_that_differ_between_axes": 2,
    "layers/test_formulations.py::test_convolutions": 2,
    "layers/test_formulations.py::test_a_derivative_finds_the_maximum_of_what_is_computed_before": 3,
    "layers/test_group_exhaustive.py::test_every_plane_point_group": 5,
    "layers/test_group_exhaustive.py::test_point_groups_in_three_dimensions": 4,
    "layers/test_group_exhaustive.py::test_regular_fibres_miss_nothing": 3,
    "layers/test_mask.py::test_what_a_factor_of_zero_makes_equal_is_not_chosen_from": 3,
    "layers/test_norm.py::test_shape_and_dtype_are_kept": 3,
    "layers/test_polyphase.py::test_choice_commutes_with_every_shift": 5,
    "layers/test_polyphase.py::test_choice_is_that_of_exact_sums_however_close": 3,
    "layers/test_polyphase.py::test_what_a_network_samples_follows_every_shift_bit_for_bit": 2,
    "layers/test_polyphase_roll.py::test_claims_are_what_brute_force_finds": 5,
    "layers/test_polyphase_roll.py::test_inference_reads_the_same_off_the_program": 2,
    "layers/test_resampling.py::test_upsampling_is_its_formula": 3,
    "models/test_groups.py::test_adaptive_networks_keep_the_whole_group": 5,
    "models/test_groups.py::test_every_way_down": 3,
    "models/test_groups.py::test_one_and_three_dimensions": 3,
    "models/test_models.py::test_declared_is_measured": 5,
    "models/test_models.py::test_every_norm_commutes_with_shifts": 4,
    "models/test_models.py::test_every_way_down": 4,
    "models/test_models.py::test_real_shifts_are_kept_and_measured": 12,
    "symmetry/test_borders.py::test_a_sheltered_object_on_a_background_gives_the_same_wherever_it_is": 5,
    "symmetry/test_borders.py::test_no_border_has_a_part_in_the_interior": 5,
    "symmetry/test_borders.py::test_the_share_that_a_border_touches_is_counted_exactly": 3,
    "test_adaptive_soundness.py::test_random_adaptive_architectures": 4,
    "test_benchmarks.py::test_resampling_as_one_would_write_it_is_resampling": 3,
    "test_cases.py::test_declared_equals_brute_force": 2,
    "test_cases.py::test_dtypes_are_kept": 3,
    "test_cases.py::test_shapes_and_fields_agree": 2,
    "test_checks.py::test_hyperparameters_are_whole": 3,
    "test_declare.py::test_values": 3,
    "test_export.py::test_the_plain_network_computes_the_same": 3,
    "test_group_conv.py::test_activations_keep_their_size_through_twenty_layers": 3,
    "test_group_soundness.py::test_random_group_architectures": 2,
    "test_phases.py::test_no_claim_about_phases_is_wrong": 3,
    "test_plane.py::test_the_plane_agrees_with_a_torus_that_closes_up": 3,
    "test_real_shifts.py::test_functions_of_each_value": 2,
    "test_real_shifts.py::test_random_stacks": 3,
    "test_soundness.py::test_random_architectures": 31,
    "test_ties.py::test_no_claim_rests_on_a_choice_between_tied_values": 3,
    "test_ties.py::test_programs_are_asked_as_networks_are": 5,
    "test_ties.py::test_without_asking_for_ties_a_claim_is_wrong": 2,
    "test_tightness.py::test_the_certificate_is_what_brute_force_finds": 2,
    "test_trained.py::test_a_trained_network_keeps_the_groups_of_its_initialisation": 2,
    "test_transposes.py::test_every_derivative_is_that_of_the_plain_layer": 4,
    "verify/test_cosets.py::test_cosets_partition_the_group": 2,
    "verify/test_cosets.py::test_shifts_only_asks_of_translations_whatever_the_mode": 2,
    "verify/test_cosets.py::test_verdict_by_cosets_is_the_verdict_of_the_sweep": 3,
    "verify/test_inputs.py::test_inputs_from_which_nothing_can_be_chosen_are_no_failure": 3,
    "verify/test_report.py::test_plots_have_ink": 3,
    "verify/test_shared.py::test_outputs_are_those_of_the_whole_network": 2,
    "verify/test_shared.py::test_the_verdict_is_that_of_the_sweep": 3,
    "verify/test_wrong_claims.py::test_300_right_claims_pass_or_float32_cannot_tell": 3,
    "verify/test_wrong_claims.py::test_300_wrong_claims_are_not_discovered": 2,
    "verify/test_wrong_claims.py::test_300_wrong_claims_never_pass": 5,
}
"""Families of many alike cases, by file below `tests/` and function: every so many-th case, the first included, is
fast and the others are slow. A step without a factor in common with the number of options of any parameter comes to
every option of each. A case that is named on the command line is the first."""
EVERY = 3
"""Of the fast cases of a family of brute force, every so many-th, the first included, is in each run. The others are
thorough, and so are pages, whose code is run when they are built."""

KINDS: dict[str, tuple[str, ...]] = {
    "brute": (
        *("advise", "groups", "infer", "interop", "layers", "models", "verify", "test_adaptive_soundness.py"),
        *("test_cases.py", "test_declare.py", "test_export.py", "test_group_conv.py", "test_group_soundness.py"),
        *("test_phases.py", "test_plane.py", "test_soundness.py", "test_ties.py", "test_tightness.py"),
        *("test_real_shifts.py", "test_transposes.py"),
    ),
    "pages": (
        "test_docs.py",
        "test_notebooks.py",
        "test_references.py",
        "test_site.py",
        "test_ledgers.py",
        "experiments/test_study_pages.py",
        "experiments/test_gallery.py",
    ),
    "runs": (
        *("cli", "experiments", "explore", "scripts", "test_benchmarks.py", "test_cpu.py", "test_hostile_calls.py"),
        *("test_installed.py", "test_trained.py"),
    ),
    "unit": (
        *("advise/test_sizes.py", "experiments/data", "experiments/test_settings.py", "experiments/test_devices.py"),
        *("experiments/test_turning.py", "experiments/test_plots.py", "groups/test_isometry.py"),
        *("infer/test_interpreter.py", "infer/test_refuted.py", "interop/test_names.py", "layers/test_attention.py"),
        *("layers/test_pick.py", "verify/test_act.py"),
        *("verify/test_match.py", "verify/test_program.py"),
    ),
}
"""Kinds of tests, by file or folder below `tests/`; the longest path decides, and what has none is `unit`."""


@cache
def kind_of(path: str) -> str:
    """The kind of a test file, by its path below `tests/`; `unit` for doctests, which lie elsewhere."""
    named = [(len(part), kind) for kind, parts in KINDS.items() for part in parts if within(path, part)]
    return max(named)[1] if named else "unit"


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def left_out(families: Sequence[str]) -> list[str | None]:
    """Of each case, by its family, the mark of what takes it: `slow`, `thorough`, or none, if every run does."""
    seen: Counter[str] = Counter()
    found: list[str | None] = []
    for family in families:
        step, kind = SAMPLED.get(family, 1), kind_of(family.partition("::")[0])
        at, rest = divmod(seen[family], step)
        seen[family] += 1
        is_thorough = kind == "pages" or (kind == "brute" and at % EVERY > 0)
        found.append("slow" if rest else "thorough" if is_thorough else None)
    return found
