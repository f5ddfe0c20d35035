"""Trains the network of text/g2p.py, which says words that are in no dictionary, on CMUdict.

    python experiments/train_g2p.py                         # into text/pre_trained_model/g2p.npz
    python experiments/train_g2p.py --out mine.npz --epochs 2

Half an hour on one thread of a CPU. After each epoch it prints the loss and writes OUT.partial; a training that was
stopped continues from it by the same command. experiments/measure_g2p.py measures the result on the held-out words.
"""
import argparse
import functools
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))

from experiments.command import exit_status
from experiments.g2p_words import read_words
from runtime.console import print_result
from runtime.files import atomic_write
from runtime.torch_files import read_torch_file
from text.g2p import WEIGHTS, save_g2p
from text.g2p_symbols import LETTERS, SLOTS

CHANNELS = 128
KERNEL_SIZES = (5, 5, 5, 5, 5)
BATCH_SIZE = 128
EPOCHS = 20
LEARNING_RATE = 2.5e-3  # at its peak
WARMUP = 0.05  # share of the steps
DROPOUT = 0.1
CLIP_NORM = 5.0


class GatedConvolutions(nn.Module):
    """The network of text/g2p.py for batches. phonemes: how many there are, without the blank."""

    def __init__(self, phonemes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, CHANNELS, padding_idx=0)
        self.layers = nn.ModuleList(nn.Conv1d(CHANNELS, 2 * CHANNELS, size, padding=size // 2)
                                    for size in KERNEL_SIZES)
        self.output = nn.Linear(CHANNELS, SLOTS * (1 + phonemes))

    def forward(self, letters: Tensor) -> Tensor:
        """Returns logits (B, SLOTS * N, C) for letters (B, N) int64, 0 for padding."""
        mask = (letters > 0)[..., None].float()
        state = self.embedding(letters)  # (B, N, D)
        for layer in self.layers:
            mixed = layer(functional.dropout(state, DROPOUT, self.training).transpose(1, 2)).transpose(1, 2)
            state = (state + functional.glu(mixed, -1)) * mask
        return self.output(state).unflatten(-1, (SLOTS, -1)).flatten(1, 2)

    def tensors(self) -> dict[str, Tensor]:
        """Returns the weights under the names and in the layout of text.g2p.G2P."""
        found = {"embedding": self.embedding.weight, "output.weight": self.output.weight.T,
                 "output.bias": self.output.bias}
        for number, layer in enumerate(self.layers):
            found[f"{number}.weight"] = layer.weight.permute(2, 1, 0).flatten(0, 1)
            found[f"{number}.bias"] = layer.bias
        return {name: tensor.detach().contiguous() for name, tensor in found.items()}


def batches(words: list[str], rng: random.Random) -> Iterator[list[str]]:
    """Yields all words in random batches of words of about the same length."""
    ordered = sorted(words, key=lambda word: len(word) + 1.5 * rng.random())
    starts = list(range(0, len(ordered), BATCH_SIZE))
    rng.shuffle(starts)
    for start in starts:
        yield ordered[start:start + BATCH_SIZE]


def loss_of(network: GatedConvolutions, words: list[str], targets: dict[str, list[int]]) -> Tensor:
    """Returns the CTC loss of a batch of words, summed over the phonemes of a word and averaged over the words."""
    letters = nn.utils.rnn.pad_sequence([torch.tensor([LETTERS.index(letter) + 1 for letter in word])
                                         for word in words], batch_first=True)
    logs = network(letters).log_softmax(-1).transpose(0, 1)  # (SLOTS * N, B, C)
    expected = [targets[word] for word in words]
    slots, lengths = (torch.tensor([factor * len(item) for item in items])
                      for factor, items in ((SLOTS, words), (1, expected)))
    return functional.ctc_loss(logs, torch.tensor(sum(expected, [])), slots, lengths, reduction="none",
                               zero_infinity=True).mean()


def learning_rate(share: float) -> float:
    """Returns the learning rate after this share of the steps: a linear warm-up under a cosine decay."""
    return LEARNING_RATE * min(1.0, 0.01 + share / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * share) + 0.005)


def train_epoch(network: GatedConvolutions, optimizer: torch.optim.Optimizer, targets: dict[str, list[int]],
                epoch: int, epochs: int) -> float:
    """Trains on every word once. Returns the mean loss. Depends on the number of the epoch alone, to be resumable."""
    torch.manual_seed(epoch)
    steps, total = math.ceil(len(targets) / BATCH_SIZE), 0.0
    for step, words in enumerate(batches(list(targets), random.Random(epoch))):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate((epoch + step / steps) / epochs)
        loss = loss_of(network, words, targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimizer.step()
        total += loss.item()
    return total / steps


def train(out: Path, epochs: int) -> None:
    """Trains from the start or from OUT.partial, and writes OUT."""
    words = read_words().training
    phonemes = sorted({name for entries in words.values() for entry in entries for name in entry})
    targets = {word: [phonemes.index(name) + 1 for name in entries[0]] for word, entries in words.items()}
    torch.manual_seed(0)
    network = GatedConvolutions(len(phonemes))
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    partial, first = out.with_name(out.name + ".partial"), 0
    if partial.exists():
        state = read_torch_file(partial, "remove it to begin anew")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epochs"]
    for epoch in range(first, epochs):
        loss = train_epoch(network, optimizer, targets, epoch, epochs)
        print_result(f"epoch {epoch + 1} of {epochs}: loss {loss:.3f}")
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epoch + 1}
        with atomic_write(partial) as file:
            torch.save(state, file)
    save_g2p(out, {name: tensor.numpy() for name, tensor in network.tensors().items()}, phonemes,
             {"epochs": epochs, "words": len(words)})
    partial.unlink(missing_ok=True)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    return exit_status("train_g2p.py", functools.partial(train, options.out, options.epochs))


if __name__ == "__main__":
    sys.exit(main())
