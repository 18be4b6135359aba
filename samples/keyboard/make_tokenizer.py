"""Trains the keyboard sample's tokenizer: byte-level BPE, 4096 entries.

    pip install tokenizers==0.23.3
    python3 make_tokenizer.py general_train.txt general_valid.txt base/tokenizer.json

Each line of the training text is one message. The pre-tokenizer and the
decoder are GPT-2's; <|endoftext|> is id 0 and separates messages. The second
file is only measured. Measured on general_valid.txt: 3.430 bytes a
token, the newline between messages counted as text.
"""

import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
END_OF_TEXT = "<|endoftext|>"


def train(path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    with open(path, encoding="utf-8") as lines:
        tokenizer.train_from_iterator((line.rstrip("\n") for line in lines), trainer)
    return tokenizer


def bytes_per_token(tokenizer, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return len(text.encode()) / len(tokenizer.encode(text).ids)


def main():
    training, validation, output = sys.argv[1:]
    tokenizer = train(training)
    tokenizer.save(output, pretty=False)
    print(f"{tokenizer.get_vocab_size()} entries, "
          f"{bytes_per_token(tokenizer, validation):.3f} bytes a token on {validation}")


if __name__ == "__main__":
    main()
