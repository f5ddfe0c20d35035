"""What every other package leans on: errors, files, weights, devices, recorded CUDA graphs."""
