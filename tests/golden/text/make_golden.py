"""Makes the small tokenizers and the expected ids of this folder.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
    python3 make_golden.py general_train.txt

Each family gets the pre-tokenizer, normalizer, decoder and template of its
model, a small vocabulary, and expected.json: for each text of corpus.json the
ids without and with control tokens read in the text, and the decoded text.
"""

import json
import pathlib
import random
import shutil
import struct
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent

CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")

MULTILINGUAL = """\
The kettle boils; we'll talk when it's done. They're late and I've no idea why.
Der schnelle braune Fuchs springt über den faulen Hund, größer als zuvor.
Où est passé le garçon ? L'été dernier, il était déjà là, près de l'église.
El niño comió una manzana mañana por la mañana, ¿verdad? ¡Claro que sí!
Быстрая коричневая лиса прыгает через ленивую собаку. Привет, как дела?
Η γρήγορη αλεπού πηδάει πάνω από τον σκύλο. Καλημέρα σας.
今日は天気がいいから、散歩しましょう。東京の桜はとてもきれいです。
今天天气很好，我们一起去公园散步吧。你好，世界！
안녕하세요, 오늘 날씨가 참 좋네요. 한국어를 배우고 있어요.
مرحبا بالعالم، كيف حالك اليوم؟ أهلا وسهلا بكم.
שלום עולם, מה שלומך היום? הכול בסדר גמור.
नमस्ते दुनिया, आज आप कैसे हैं? मौसम बहुत अच्छा है।
สวัสดีชาวโลก วันนี้อากาศดีมาก
Chào thế giới, hôm nay trời đẹp quá. Tiếng Việt có nhiều dấu.
Numbers: 3.14159, 2,718, 1/2, 10^6, 0x1F, 42%, $19.99, 2026-11-21, ¼ ½ ².
def main():\n    for i in range(10):\n\t\tprint(f"{i}: ok")\n
🙂 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 ❤️ 🇩🇪 🇯🇵 ✨
"""

CORPUS = {
    "empty": "",
    "space": " ",
    "spaces": "   ",
    "newline": "\n",
    "word": "hello",
    "leading space": " hello world",
    "leading spaces": "   hello   world   ",
    "contractions": "I'm sure they'll say we've won, isn't it? He'd ask 'twas Bob's. DON'T I'LL WE'RE",
    "long s": "it'\u017f x'\u017ft",
    "digits": "7 42 123 1234 12345 3.14159 1,000,000 x2y 2026-11-21T08:15:00Z",
    "other digits": "\u0663\u0664\u0665 \u0967\u0968 \u00bd \u00b2 \u2167 \u4e00\u4e8c\u4e09 \U0001d7d8",
    "punctuation": "Hello, world!!! (what?) -- \"quotes\" ... #tag @nick $HOME/bin *.cc && || <<>>",
    "cjk": "今天天气很好。東京の桜、きれいですね！안녕하세요 세계",
    "rare cjk": "\u9f98\u4a3a\U00020bb7\u91ce\u5bb6",
    "emoji": "🙂👍🏽 👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 ❤\ufe0f 🇩🇪🇯🇵",
    "combining": "e\u0301 a\u0308o\u0308u\u0308 Z\u0351\u036b\u0343a\u0323\u0307lgo n\u0303",
    "nfc changes": "\u212b \u2126 e\u0301\u0323 \u1100\u1161\u11a8 \ufb01 \u0958 q\u0307\u0323 \u0344",
    "crlf": "one\r\ntwo\r\n\r\nthree\rfour\n\n\nfive \r\n six",
    "tabs": "\tif (x)\t{\n\t\treturn\t\t1;\n\t}",
    "nbsp": "a\u00a0b \u00a0 c\u202fd\u2003e\u3000f\u0085g\u2028h\u180ei\u200bj\ufeffk",
    "long whitespace": "a" + " " * 100 + "b" + "\n" * 40 + "c" + "\t" * 20 + " \n" * 10 + "  ",
    "special text": "<|endoftext|>hi<|im_start|>user\n<|im_end|><s>[INST]</s> <unk><|begin_of_text|>x <0x0A>",
    "special spaced": "a <|endoftext|> b  <s>  c <|im_end|>\n",
    "added": "<a><b><ab> xOHMx OHM \u2126 \u03a9 WORD WORDS SWORD WORD. \u00e9WORD  LEFT  RIGHT  z LEFTRIGHT",
    "metaspace text": "\u2581a \u2581\u2581b c\u2581",
    "mixed": "abcабв漢字123кот_dogשלוםa1b2",
    "right to left": "مرحبا بالعالم 123 שלום abc عالم",
    "indic": "नमस्ते दुनिया स्वागत है। ประเทศไทย",
    "controls": "a\u0000b\u0001c\u001bd\u007fe\u0085",
    "private": "\ue000\U000f0000\U0010ffff\ufffe",
    "replacement": "a\ufffdb\ufffd\ufffd",
    "code": "def f(x):\n    return [i**2 for i in range(x) if i%2==0]  # ok\n",
    "url": "https://example.org/a/b?c=d&e=%20f#g user@example.com",
    "case": "HeLLo WORLD iPhone eBay McDonald",
    "repeats": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa abababababababababab",
    "chat": "anyone know how to fix my wireless card? it isn't detected after the upgrade :(",
}
INVALID = {
    "lone byte": b"a\xffb",
    "lone continuation": b"\x80\xbfx",
    "cut sequences": b"\xe2\x82 \xf0\x9f\x99 \xc3",
    "surrogate": b"a\xed\xa0\x80b",
    "overlong": b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",
    "too high": b"\xf4\x90\x80\x80\xf5",
    "cut before valid": b"\xf0\x9fa\xe4\xb8\xe4\xb8\xad",
}


def corpus():
    texts = {name: text.encode() for name, text in CORPUS.items()}
    return {**texts, **INVALID}


def long_words():
    """Words too long to store; the test makes the same ones."""
    state, letters = 1, []
    for _ in range(100_000):
        state = (state * 1103515245 + 12345) % 2**31
        letters.append("etaoinsrhldcu"[state // 65536 % 13])
    return {"one letter": "a" * 100_000, "random letters": "".join(letters)}


def digest(ids):
    """FNV-1a over the ids as little-endian 32-bit numbers, and their count."""
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return {"count": len(ids), "fnv1a": f"{value:016x}"}


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def write_expected(folder, encode, encode_special, decode):
    cases = []
    for name, raw in corpus().items():
        text = raw.decode("utf-8", "replace")
        ids = encode(text)
        cases.append({"name": name, "ids": ids, "ids_special": encode_special(text),
                      "decoded": decode(ids).encode().hex()})
    long_cases = [{"name": name, **digest(encode(text))} for name, text in long_words().items()]
    write(folder / "expected.json", {"cases": cases, "long": long_cases})


# --- Hugging Face `tokenizers` ---

def training_lines(path):
    lines = path.read_text().splitlines()
    random.Random(7).shuffle(lines)
    return lines[:20000] + MULTILINGUAL.splitlines() * 40


def hf_expected(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(text):
        tokenizer.encode_special_tokens = True
        return tokenizer.encode(text, add_special_tokens=True).ids

    def encode_special(text):
        tokenizer.encode_special_tokens = False
        return tokenizer.encode(text, add_special_tokens=False).ids

    write_expected(folder, encode, encode_special, tokenizer.decode)


def folder_of(name):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    return folder


def byte_level(name, lines, specials, pre, *, normalizer=None, post=None, added=(), size=700,
               **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    if post:
        tokenizer.post_processor = post(tokenizer)
    if added:
        tokenizer.add_tokens(list(added))
    folder = folder_of(name)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    hf_expected(folder)
    return folder


def bos_template(bos):
    def make(tokenizer):
        template = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B",
            special_tokens=[(bos, tokenizer.token_to_id(bos))])
        return processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return make


def byte_level_families(lines):
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2 = byte_level("gpt2", lines, ["<|endoftext|>"], plain)
    files = folder_of("gpt2_files")
    parts = json.loads((gpt2 / "tokenizer.json").read_text())["model"]
    write(files / "vocab.json", parts["vocab"])
    (files / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in parts["merges"]))
    shutil.copy(gpt2 / "expected.json", files)

    byte_level("smollm", lines, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
               pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain]))

    def split(pattern):
        return pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])

    byte_level("llama3", lines, ["<|begin_of_text|>", "<|end_of_text|>"], split(CL100K),
               post=bos_template("<|begin_of_text|>"), ignore_merges=True)
    byte_level("qwen", lines, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], split(QWEN),
               normalizer=normalizers.NFC(), added=[AddedToken("<tool_call>", normalized=False)])
    # Every kind of added token at once, on a prefix space.
    byte_level("added", lines, ["<|endoftext|>"], pre_tokenizers.ByteLevel(add_prefix_space=True),
               normalizer=normalizers.NFC(), size=600, added=[
                   AddedToken("<a>", normalized=False), AddedToken("<a><b>", normalized=False),
                   AddedToken("\u2126", normalized=True), AddedToken("OHM", normalized=True),
                   AddedToken("WORD", normalized=False, single_word=True),
                   AddedToken("LEFT", normalized=False, lstrip=True),
                   AddedToken("RIGHT", normalized=False, rstrip=True),
                   AddedToken("<|im_start|>", normalized=False, special=True)])


def sentencepiece_style(lines):
    """Trains once, then writes the spellings that exist of the same model."""
    specials = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                           decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=specials + byte_tokens,
                                  limit_alphabet=120, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    base = json.loads(tokenizer.to_str())
    base["added_tokens"] = base["added_tokens"][:3]
    base["pre_tokenizer"] = None
    return base


def sentencepiece_families(lines):
    base = sentencepiece_style(lines)

    def save(name, **changes):
        document = json.loads(json.dumps(base))
        for key, value in changes.items():
            (document["model"] if key in document["model"] else document)[key] = value
        folder = folder_of(name)
        write(folder / "tokenizer.json", document)
        hf_expected(folder)

    legacy = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    old_merges = [" ".join(pair) for pair in base["model"]["merges"]]
    save("llama2_legacy", normalizer=legacy, merges=old_merges)
    save("llama2_metaspace", pre_tokenizer=metaspace)
    decoder = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    without_bytes = {token: number for token, number in base["model"]["vocab"].items()
                     if not token.startswith("<0x")}
    for name, fuse in (("unknown", False), ("unknown_fused", True)):
        save(name, pre_tokenizer={**metaspace, "prepend_scheme": "always", "split": True},
             decoder=decoder, byte_fallback=False, fuse_unk=fuse, vocab=without_bytes,
             post_processor=None)


# --- SentencePiece and llama2.c ---

def train_sentencepiece(name, lines, **options):
    folder = folder_of(name)
    with tempfile.TemporaryDirectory() as scratch:
        text = pathlib.Path(scratch) / "text.txt"
        text.write_text("\n".join(line for line in lines if line) + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(pathlib.Path(scratch) / "tokenizer"),
            model_type="bpe", normalization_rule_name="identity", minloglevel=2, num_threads=1,
            **options)
        shutil.copy(pathlib.Path(scratch) / "tokenizer.model", folder)
    path = folder / "tokenizer.model"
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    proto.trainer_spec.ClearField("input")  # Names a scratch folder.
    proto.trainer_spec.ClearField("model_prefix")
    path.write_bytes(proto.SerializeToString())
    return path, proto


def sentencepiece_expected(path):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    bos = [processor.bos_id()] if processor.bos_id() >= 0 else []
    controls = [(processor.id_to_piece(i), i) for i in range(processor.get_piece_size())
                if processor.is_control(i)]

    def encode_special(text):
        ids, start, at = [], 0, 0
        while at < len(text):
            found = next(((p, i) for p, i in controls if text.startswith(p, at)), None)
            if not found:
                at += 1
                continue
            ids += processor.encode(text[start:at]) + [found[1]]
            at += len(found[0])
            start = at
        return ids + processor.encode(text[start:])

    write_expected(path.parent, lambda text: bos + processor.encode(text), encode_special,
                   lambda ids: processor.decode([i for i in ids if not processor.is_unknown(i)]))


def sentencepiece_files(lines):
    path, proto = train_sentencepiece(
        "sentencepiece_llama", lines, vocab_size=800, byte_fallback=True,
        remove_extra_whitespaces=False, character_coverage=0.99)
    sentencepiece_expected(path)
    llama2c(proto)
    path, proto = train_sentencepiece(
        "sentencepiece_plain", lines, vocab_size=600, byte_fallback=False,
        remove_extra_whitespaces=True, character_coverage=0.98, bos_id=-1,
        user_defined_symbols=["<ab>", "HOME"])
    # Every seventh merged piece out of use: it must fall apart in the output.
    merged = [piece for piece in proto.pieces if piece.type == 1 and len(piece.piece) > 1]
    for piece in merged[::7]:
        piece.type = sentencepiece_model_pb2.ModelProto.SentencePiece.UNUSED
    path.write_bytes(proto.SerializeToString())
    sentencepiece_expected(path)


def llama2c(proto):
    """tokenizer.bin of the same pieces, and ids by the plain quadratic rule."""
    pieces = []
    for i, piece in enumerate(proto.pieces):
        text = {1: "\n<s>\n", 2: "\n</s>\n"}.get(i, piece.piece).replace("▁", " ")
        pieces.append((text, piece.score))
    folder = folder_of("llama2c")
    data = struct.pack("<I", max(len(text.encode()) for text, _ in pieces))
    for text, score in pieces:
        data += struct.pack("<fI", score, len(text.encode())) + text.encode()
    (folder / "tokenizer.bin").write_bytes(data)
    table = {text: i for i, (text, _) in enumerate(pieces)}

    def encode(text):
        if not text:
            return [1]
        ids = []
        for char in " " + text:
            ids += [table[char]] if char in table else [byte + 3 for byte in char.encode()]
        while True:
            best = None
            for i, (a, b) in enumerate(zip(ids, ids[1:])):
                joined = table.get(pieces[a][0] + pieces[b][0])
                if joined is not None and (best is None or pieces[joined][1] > best[0]):
                    best = (pieces[joined][1], i, joined)
            if best is None:
                return [1] + ids
            ids[best[1]:best[1] + 2] = [best[2]]

    def decode(ids):
        raw = b"".join(bytes([i - 3]) if 3 <= i < 259 else pieces[i][0].encode()
                       for i in ids if i > 2)
        return raw.removeprefix(b" ").decode()

    cases = []
    for name, raw in corpus().items():
        text = raw.decode("utf-8", "replace")
        ids = encode(text)
        cases.append({"name": name, "ids": ids, "ids_special": ids[1:],
                      "decoded": decode(ids).encode().hex()})
    write(folder / "expected.json", {"cases": cases, "long": []})


def main():
    lines = training_lines(pathlib.Path(sys.argv[1]))
    write(HERE / "corpus.json", [{"name": name, "text": raw.hex()} for name, raw in corpus().items()])
    byte_level_families(lines)
    sentencepiece_families(lines)
    sentencepiece_files(lines)


if __name__ == "__main__":
    main()
