"""Makes the ONNX form of students and vocoders: python -m synthesis.export [FILE.safetensors ...]

Writes FILE.onnx beside each file; without a file, beside those of the default voice. synthesize.py then speaks with
them on the CPU without PyTorch. Each graph is compared with the network in PyTorch before it is written.
"""
import argparse
import sys
from pathlib import Path

from hparams import UserError
from runtime.console import one_line, open_closed_streams, print_notice, print_result


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m synthesis.export", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.safetensors",
                        help="default: the weights of the default voice")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 after a user's mistake; 130 if interrupted."""
    open_closed_streams()
    options = get_parser().parse_args(argv)
    try:
        from synthesis.export import export, shipped_weights
        for path in options.files or shipped_weights():
            target = export(path)
            print_result(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    except UserError as error:
        print_notice(f"python -m synthesis.export: error: {one_line(error)}")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
