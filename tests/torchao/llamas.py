"""What the scripts that put samebits beside torchao share; the first word of their command line is the program."""
import subprocess
import sys

import torch


def samebits(*words, ok=(0,)):
    done = subprocess.run([sys.argv[1], *words], capture_output=True, text=True)
    assert done.returncode in ok, (words, done.returncode, done.stderr)
    return done.stdout


def loss_of(model, tokens):
    """The mean over all next tokens, log_softmax in f32, summed in f64, as `model eval` defines it."""
    total = 0.0
    with torch.no_grad():
        for row in tokens:
            logits = model(row[None]).logits[0, :-1].float()
            total -= torch.log_softmax(logits, -1).gather(1, row[1:, None]).double().sum().item()
    return total / (tokens.shape[0] * (tokens.shape[1] - 1))
