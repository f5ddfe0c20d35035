"""Basis of all other packages: errors, files, locks, console, settings, weights, devices, recorded CUDA graphs."""
