"""The symmetry of every architecture of timm and torchvision, read off their code."""
