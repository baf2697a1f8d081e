"""What a program computes, as formulas: equal ones have equal residues."""
