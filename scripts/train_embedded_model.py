"""Train the assistant's embedded language model from nothing, export it as GGUF, and score it.

The model is what her-os answers with on a fresh machine, offline. It is a 3.4 million parameter chat
model with tool calls, and it learns only from dialogues that `scripts/embedded_model` writes: to teach
it something, add phrasings and replies there, then run this again.

    uv sync --group train                               # torch, tokenizers, gguf
    python scripts/train_embedded_model.py              # 40 minutes of one core, then evaluation
    python scripts/train_embedded_model.py --minutes 5 --out /tmp/draft.gguf
    python scripts/train_embedded_model.py --evaluate-only --out /tmp/draft.gguf

Ctrl-C ends the training early: it cools down first, and the model is written and scored as usual.

The dialogues and the first weights follow from --seed; the result also depends on how many steps the
machine makes in --minutes. The evaluation serves the written model with llama.cpp (the xllamacpp
wheel) and asks it phrasings that are in no template: `heldout.jsonl` and `unseen.jsonl`.
"""

import argparse
import os
import sys
from pathlib import Path

from embedded_model import evaluate, server

_ROOT = Path(__file__).resolve().parent.parent
_OUT = _ROOT / "src" / "her_os" / "data" / "her-os-embedded.gguf"
_VOCABULARY = 1100


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=40.0, help="training time, of the processor (default: 40)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the dialogues and the first weights (default: 1)")
    parser.add_argument("--batch", type=int, default=6, help="windows a step (default: 6)")
    parser.add_argument("--window", type=int, default=512, help="tokens a window (default: 512)")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate (default: 0.003)")
    parser.add_argument("--start-from", type=Path, help="go on from this checkpoint, or from a GGUF of an earlier one")
    parser.add_argument("--new-vocabulary", action="store_true", help="with --start-from: learn the tokens anew")
    parser.add_argument("--out", type=Path, default=_OUT, help="GGUF to write (default: the shipped one)")
    parser.add_argument("--checkpoint", type=Path, help="where the weights go (default: build/embedded-model.pt)")
    parser.add_argument("--evaluate-only", action="store_true", help="score --out and train nothing")
    parser.add_argument("--show-unseen", action="store_true", help="print the failures of the unseen phrasings too")
    parser.add_argument(
        "--server-python",
        default=sys.executable,
        help="a Python that has xllamacpp, for the evaluation (default: this)",
    )
    return parser.parse_args(argv)


def train(options: argparse.Namespace) -> None:
    """Train, save the checkpoint, and write the GGUF."""
    # Set before torch is imported: it reads it once.
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    import torch

    from embedded_model import corpus, export, model, start, training, vocabulary

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.start_from:
        network, tokenizer = start.from_checkpoint(options.start_from)
    if not options.start_from or options.new_vocabulary:
        print("learning the vocabulary", flush=True)
        learnt = vocabulary.train_tokenizer(options.seed, _VOCABULARY)
        if options.start_from:
            network = start.with_vocabulary(network, tokenizer, learnt)
        else:
            network = model.Network(model.Shape(learnt.get_vocab_size()))
        tokenizer = learnt
    size = sum(parameter.numel() for parameter in network.parameters())
    print(
        f"{size / 1e6:.2f} million parameters, {tokenizer.get_vocab_size()} tokens, {options.minutes:g} minutes",
        flush=True,
    )
    data = corpus.batches(tokenizer, options.seed + 1, options.batch, options.window)
    training.train(network, data, options.minutes, options.threads, options.rate)

    checkpoint: Path = options.checkpoint or _ROOT / "build" / "embedded-model.pt"
    for path in (checkpoint, options.out):
        path.parent.mkdir(parents=True, exist_ok=True)
    shape = dict(vars(network.shape))
    torch.save({"weights": network.state_dict(), "shape": shape, "tokenizer": tokenizer.to_str()}, checkpoint)
    print(f"{checkpoint}: the weights, for --start-from")
    print(f"{options.out}: {export.write_gguf(network, tokenizer, options.out) / 1e6:.2f} MB")


def main() -> None:
    """Train unless asked not to, then evaluate."""
    options = arguments()
    if not options.evaluate_only:
        train(options)
    with server.serving(options.out, options.server_python) as url:
        print("Held-out phrasings (their failures may guide new phrasings)")
        print(evaluate.report(evaluate.evaluate(url, evaluate.HELDOUT)))
        print("\nUnseen phrasings (the honest score: do not write phrasings after these)")
        print(evaluate.report(evaluate.evaluate(url, evaluate.UNSEEN), failures=options.show_unseen))


if __name__ == "__main__":
    main()
